import type { ExpireConfig } from './expire-config.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration, parseSize } from './units.ts'

/** Counts the units of the section `archive.expire`. The schema has let through only what can be counted. */
export function resolveExpire({ topics, every, keepRemoved, holds }: FileConfig['archive']['expire']): ExpireConfig {
  return {
    topics: Object.entries(topics).map(([pattern, { olderThan, maxBytes }]) => ({
      pattern,
      olderThanMs: olderThan === undefined ? undefined : parseDuration(olderThan)!,
      maxBytes: maxBytes === undefined ? undefined : parseSize(maxBytes)!,
    })),
    everyMs: parseDuration(every)!,
    keepRemovedMs: parseDuration(keepRemoved)!,
    holds,
  }
}
