import type { MessageBatch } from '../../batch/batch.ts'
import type { RecordSet } from '../../encode/block.ts'
import type { RecordBatchInfo } from '../../encode/record-set.ts'
import { hasUnsafeTimes, readRecordsOfAnyTime } from '../../encode/record-times.ts'
import type { Passed } from '../../source/source.ts'
import type { FetchedSet } from './fetch-kept.ts'
import type { FetchStream } from './fetch.ts'

/** Compressed bytes that become one batch of columns, a single record batch at the least: unpacked they are several times as many. */
const GROUP_BYTES = 256 * 1024

/** What a stream gives until it ends, which closes it. */
export async function* fetchedSets(stream: FetchStream): AsyncGenerator<FetchedSet> {
  try {
    for (let set = await stream.next(); set !== undefined; set = await stream.next()) yield set
  } finally {
    stream.close()
  }
}

/** Messages of record sets as columns, and word of positions behind the last of them. The next are unpacked while some are worked on. */
export async function* readColumns(sets: AsyncIterable<FetchedSet>, signal: AbortSignal): AsyncGenerator<MessageBatch | Passed> {
  for await (const set of sets) {
    const groups = groupsOf(set.kept)
    let given = set.fromPosition
    let ahead = groups.length === 0 ? undefined : unpack(set, groups[0]!)
    for (let i = 1; ahead !== undefined; i++) {
      const batch = await ahead
      if (signal.aborted) return
      ahead = i < groups.length ? unpack(set, groups[i]!) : undefined
      if (batch.count === 0) continue
      given = batch.positions[batch.count - 1]! + 1
      yield batch
    }
    if (set.passedTo > given) yield { passedTo: set.passedTo }
  }
}

/** Record batches as they are, and word of positions behind the last of them; messages of those with timestamps that no block can hold. */
export async function* keptSets(
  sets: AsyncIterable<FetchedSet>,
  release: (set: FetchedSet) => void,
): AsyncGenerator<RecordSet | MessageBatch | Passed> {
  for await (const set of sets) {
    const { bytes, kept, fromPosition, passedTo } = set
    const last = kept.at(-1)
    let from = 0
    for (const [at, info] of kept.entries()) {
      if (!hasUnsafeTimes(info)) continue
      if (at > from) yield { bytes, batches: kept.slice(from, at) }
      const batch = await readRecordsOfAnyTime(bytes, [info], fromPosition)
      if (batch.count > 0) yield batch
      from = at + 1
    }
    if (last === undefined) release(set)
    else if (from === 0) yield { bytes, batches: kept, release: () => release(set) }
    else if (from < kept.length) yield { bytes, batches: kept.slice(from) }
    if (last === undefined || passedTo > last.lastOffset + 1) yield { passedTo }
  }
}

function unpack(set: FetchedSet, group: readonly RecordBatchInfo[]): Promise<MessageBatch> {
  const batch = readRecordsOfAnyTime(set.bytes, group, set.fromPosition)
  // Looked at when its turn comes; until then a failure must not count as unhandled.
  batch.catch(() => undefined)
  return batch
}

function groupsOf(batches: readonly RecordBatchInfo[]): RecordBatchInfo[][] {
  const groups: RecordBatchInfo[][] = []
  let bytes = Infinity
  for (const batch of batches) {
    if (bytes + batch.bytes > GROUP_BYTES) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(batch)
    bytes += batch.bytes
  }
  return groups
}
