/** Whether a topic is among names and patterns, in which `*` stands for any text. */
export function topicMatcher(patterns: readonly string[]): (topic: string) => boolean {
  const forms = patterns.map(
    (pattern) =>
      new RegExp(
        `^${pattern
          .split('*')
          .map((text) => RegExp.escape(text))
          .join('.*')}$`,
        'su',
      ),
  )
  return (topic) => forms.some((form) => form.test(topic))
}
