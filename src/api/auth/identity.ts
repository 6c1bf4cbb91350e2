import type { GrantConfig } from '../../config/http-config.ts'
import { ANYBODY, type Caller, type Scope } from '../access.ts'

/** A caller, and how it showed who it is: names of one way may also be there in another. */
export interface Identity extends Caller {
  readonly via: 'nothing' | 'key' | 'certificate' | 'token'
}

/** The caller where nothing asks who it is. */
export const NOBODY: Identity = { ...ANYBODY, via: 'nothing' }

/** What grants let a caller do: all of them together, `admin` standing for every scope. */
export function mayBy(grants: readonly GrantConfig[]): Caller['may'] {
  const compiled = grants.map(({ scope, topics }) => ({
    scope,
    isEvery: topics.includes('*'),
    matches: topics.map(topicPattern),
  }))
  return (scope: Scope, topic?: string) =>
    compiled.some(
      (grant) =>
        (grant.scope === scope || grant.scope === 'admin') &&
        (grant.isEvery || (topic !== undefined && grant.matches.some((matches) => matches(topic)))),
    )
}

/** Whether a topic is meant by a pattern in which `*` stands for any text. It takes time in proportion to the name, whatever the pattern. */
function topicPattern(pattern: string): (topic: string) => boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return (topic) => topic === pattern
  return (topic) => {
    if (!topic.startsWith(first) || topic.length < first.length + last.length || !topic.endsWith(last)) return false
    let from = first.length
    const end = topic.length - last.length
    for (const part of rest) {
      const at = topic.indexOf(part, from)
      if (at < 0 || at + part.length > end) return false
      from = at + part.length
    }
    return true
  }
}
