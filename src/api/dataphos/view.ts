import { decodeCommit } from '../../commit/commit-codec.ts'
import type { Archive } from '../../search/read.ts'

/** The archive as the index of Dataphos: what its rows say that messages do not. */
export interface IndexView {
  readonly archive: Archive
  readonly brokerId: (topic: string) => string
  /** The address of an object by its key. */
  readonly locationKey: (key: string) => string
  /** When a commit was made, ms. */
  readonly commitMs: (commitKey: string, signal: AbortSignal) => Promise<number>
}

/** What an index view is made of. */
export interface IndexViewParts {
  readonly archive: Archive
  /** By topic; its name where there is none. */
  readonly brokerIds: Readonly<Record<string, string>>
  readonly locationKey: (key: string) => string
}

const MAX_COMMITS = 10_000

/** The archive seen so. Times of commits are read from the store once, and the newest are remembered. */
export function createIndexView({ archive, brokerIds, locationKey }: IndexViewParts): IndexView {
  const times = new Map<string, number>()
  return {
    archive,
    locationKey,
    brokerId: (topic) => (Object.hasOwn(brokerIds, topic) ? brokerIds[topic]! : topic),
    async commitMs(commitKey, signal) {
      const known = times.get(commitKey)
      if (known !== undefined) return known
      const { timeMs } = decodeCommit(commitKey, await archive.store.read(commitKey, undefined, signal))
      times.set(commitKey, timeMs)
      if (times.size > MAX_COMMITS) times.delete(times.keys().next().value!)
      return timeMs
    },
  }
}
