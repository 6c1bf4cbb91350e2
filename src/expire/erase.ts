import { randomBytes } from 'node:crypto'
import type { ObjectCount } from '../commit/collect-replaced.ts'
import type { StoredCommit } from '../commit/commit.ts'
import type { RewriteHead } from '../commit/rewrites.ts'
import { cleanUp, dropIntent, noteIntent } from '../compact/intents.ts'
import { mergeGroup } from '../compact/merge.ts'
import type { MergeOptions } from '../compact/output.ts'
import { folderOf } from '../compact/plan.ts'
import type { Codec } from '../encode/block.ts'
import { formatNames } from '../encode/formats.ts'
import type { FinishedSegment } from '../encode/segment-builder.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import type { Found } from './find.ts'
import { gapsOf } from './gaps.ts'
import { appendRemoval, isImported, type RemovalPlace } from './record.ts'

/** A commit, and the messages of its segments that are to go. */
export interface Erasure {
  readonly commit: StoredCommit
  readonly found: ReadonlyMap<SegmentEntry, Found>
}

/** What the record says of those messages, and how segments are written anew. */
interface ErasureTerms {
  readonly salt: string
  readonly subjects: readonly string[]
  readonly messages: number
  readonly merge: Omit<MergeOptions, 'targetBytes'>
}

/**
 * Writes the segments of commits in a row anew without some messages, checks them and makes them count; undefined where another rewrite came first.
 * @throws MillpondError `SEGMENT_CORRUPT`, `BLOCK_CORRUPT` where what was read or written is damaged; `TOPIC_HELD`.
 */
export async function eraseCommits(
  place: RemovalPlace,
  head: RewriteHead,
  run: readonly Erasure[],
  { merge, ...terms }: ErasureTerms,
): Promise<{ readonly head: RewriteHead; readonly made: ObjectCount } | undefined> {
  const { store, lane, folder, signal } = place
  const writer = randomBytes(6).toString('hex')
  const groups = run.flatMap((erasure) => groupsOf(erasure, folder))
  const intent = { sequence: head.count, writer, folders: [...new Set(groups.map((group) => group.folder))] }
  const making = { store, lane, sequence: head.count, writer, signal, onRead: () => undefined }
  await noteIntent(store, folder, intent, signal)
  const made: FinishedSegment[] = []
  for (const group of groups) {
    const [{ segment }] = group.sources as [(typeof group.sources)[0]]
    if (group.without.size === segment.count) continue
    const codec = group.format === segment.format ? codecOf(segment, merge.codec) : merge.codec
    const options = { ...merge, codec, targetBytes: Infinity }
    made.push(...(await mergeGroup(making, group, options)))
  }
  const next = await appendRemoval(place, head, {
    ...terms,
    kind: 'forgotten',
    commits: run.map(({ commit }) => commit),
    removed: new Set(groups.flatMap(({ sources }) => sources.map(({ segment }) => segment.key))),
    made,
    gaps: gapsOf(
      groups.flatMap(({ without }) => [...without]),
      'forgotten',
    ),
  })
  if (next === undefined) {
    // Its place is taken for good.
    await cleanUp(store, folder, intent, new Set(), signal)
    return undefined
  }
  await dropIntent(store, folder, intent, signal)
  return { head: next, made: { objects: made.length, bytes: made.reduce((sum, { entry }) => sum + entry.bytes, 0) } }
}

/** Each segment by itself: it stays one, where it was. */
const groupsOf = ({ commit, found }: Erasure, laneFolder: string) =>
  [...found].map(([segment, { positions }]) => ({
    // Objects of other programs lie where we write nothing.
    folder: isImported(commit) ? laneFolder : folderOf(segment.key),
    layout: segment.layout,
    // Formats of other programs are only read.
    format: formatNames.includes(segment.format) ? segment.format : ('avro' as const),
    copied: undefined,
    sources: [{ segment, commit }],
    without: positions,
  }))

/** What blocks are written in anew: what they were in, where that has one name. */
function codecOf({ codec }: SegmentEntry, standard: Codec): Codec {
  if (codec === 'zstd') return 'zstandard'
  if (codec === 'none') return 'null'
  return codec === 'lz4' || codec === 'mixed' ? standard : codec
}
