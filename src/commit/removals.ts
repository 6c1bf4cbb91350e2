import type { LaneId } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { topicChains } from './chain.ts'
import type { StoredCommit } from './commit.ts'
import { isLaneFolder, parseRewriteKey } from './commit-names.ts'
import type { Removal } from './removal.ts'
import { readRewrites } from './rewrites.ts'

/** One record of messages that were removed from the archive. */
export interface RemovalNote {
  readonly lane: LaneId
  /** Key of the record, its SHA-256 (hex), and how many rewrites of the lane came before it. */
  readonly key: string
  readonly sha256: string
  readonly sequence: number
  readonly kind: Removal['kind']
  readonly by: string
  readonly why: string
  readonly writer: string
  readonly timeMs: number
  /** Of the subject whose messages were forgotten; see `Removal`. */
  readonly salt: string
  readonly subjects: readonly string[]
  /** From the first position of the objects that went to behind the last. */
  readonly firstPosition: number
  readonly nextPosition: number
  readonly messages: number
  /** Objects that went, their bytes, and the times of the messages in them. */
  readonly segments: number
  readonly bytes: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
}

/** What a removal says, in short. */
export function removalNote(rewrite: StoredCommit, removal: Removal): RemovalNote {
  const { topic, topicId, lane, key, sha256, writer, timeMs } = rewrite
  const { kind, by, why, salt, subjects, messages, segments } = removal
  return {
    lane: { topic, topicId, lane },
    key,
    sha256,
    sequence: parseRewriteKey(key)!,
    kind,
    by,
    why,
    writer,
    timeMs,
    salt,
    subjects,
    firstPosition: segments.reduce((least, segment) => Math.min(least, segment.firstPosition), Infinity),
    nextPosition: segments.reduce((most, { lastPosition }) => Math.max(most, lastPosition + 1), 0),
    messages,
    segments: segments.length,
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    minTimestamp: segments.reduce((least, { minTimestamp }) => Math.min(least, minTimestamp), Infinity),
    maxTimestamp: segments.reduce((most, { maxTimestamp }) => Math.max(most, maxTimestamp), -Infinity),
  }
}

/**
 * Every record of removed messages, lane by lane and oldest first. Topics whose chains were never rewritten cost a listing of folders.
 * @throws MillpondError `CHAIN_BROKEN`, `COMMIT_CORRUPT`.
 */
export async function* readRemovals(
  store: Store,
  filter: { readonly topic?: string; readonly lane?: string } = {},
  signal?: AbortSignal,
): AsyncGenerator<RemovalNote> {
  for await (const { folders, isRewritten } of topicChains(store, filter.topic, signal)) {
    if (!isRewritten) continue
    for (const folder of folders) {
      if (filter.lane !== undefined && !isLaneFolder(folder, filter.lane)) continue
      for await (const { rewrite } of readRewrites(store, folder, undefined, signal))
        if (rewrite.removal !== undefined && (filter.topic ?? rewrite.topic) === rewrite.topic)
          yield removalNote(rewrite, rewrite.removal)
    }
  }
}
