/** How long the topics of a pattern are kept in the archive; undefined is for ever. */
export interface TopicExpireConfig {
  /** A topic's name, in which `*` stands for any text. */
  readonly pattern: string
  readonly olderThanMs: number | undefined
  readonly maxBytes: number | undefined
}

/** What the archive no longer keeps. */
export interface ExpireConfig {
  /** The first pattern that fits a topic counts. */
  readonly topics: readonly TopicExpireConfig[]
  /** How often `serve` looks. */
  readonly everyMs: number
  /** How long segments stay, for readers at work, once their removal is recorded. */
  readonly keepRemovedMs: number
  /** Topics, by name or pattern, of which nothing is removed. */
  readonly holds: readonly string[]
}
