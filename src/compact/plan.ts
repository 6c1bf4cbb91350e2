import type { StoredCommit } from '../commit/commit.ts'
import { IMPORTER } from '../commit/commit.ts'
import type { Codec, Format, StoredCodec } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { SegmentEntry } from '../encode/segment.ts'

/** What segments are to be like. */
export interface CompactRules {
  /** Bytes of a segment, about. */
  readonly targetBytes: number
  /** Fewer objects than this are not worth a rewrite that only merges them. */
  readonly minObjects: number
  /** Segments in other formats are rewritten in this one; without it each stays in its own. */
  readonly format?: Format
  /** Segments in other codecs are rewritten in this one. */
  readonly codec?: Codec
}

/** Commits in a row that become one rewrite. */
export interface Run {
  readonly firstPosition: number
  readonly nextPosition: number
  readonly commits: readonly StoredCommit[]
  /** Segments that become one, or several where they are large, by first position. */
  readonly groups: readonly SegmentGroup[]
}

/** Segments of one path. */
export interface SegmentGroup {
  /** Where the new ones lie. */
  readonly folder: string
  readonly layout: Readonly<Record<string, string>>
  readonly format: Format
  /** What all blocks are in; undefined where they are written anew. */
  readonly copied: StoredCodec | undefined
  readonly sources: readonly SegmentSource[]
  /** Positions of messages that are left out. */
  readonly without?: ReadonlySet<number>
}

/** A segment, and the commit that has its filters. */
export interface SegmentSource {
  readonly segment: SegmentEntry
  readonly commit: StoredCommit
}

/** Formats whose blocks are whatever they are in any segment: they are copied as they are, be it that not all is known of them. */
const COPIED: ReadonlySet<Format> = new Set(['kafka', 'value-json', 'csv', 'raw'])

/** What a codec is called in the formats that have names of their own for it. */
const KAFKA_CODECS: Readonly<Record<Codec, StoredCodec>> = {
  zstandard: 'zstd',
  deflate: 'gzip',
  gzip: 'gzip',
  snappy: 'snappy',
  null: 'none',
}

/** What is bounded beside bytes, so that a rewrite is a step and no journey. */
const MAX_COMMITS = 1_000
const MAX_OBJECTS = 10_000
const MAX_TARGETS = 16

/** Puts the commits of a lane, which come in order, into runs that are worth a rewrite. */
export interface Planner {
  /** Segments that no rewrite can hold: their formats do not keep all that messages had. */
  readonly skipped: number
  /** The run that the commit ends, if any. */
  add(commit: StoredCommit): Run | undefined
  end(): Run | undefined
}

/** A planner for the lane whose objects lie in `folder`. */
export function createPlanner(folder: string, rules: CompactRules): Planner {
  let gathered = openGathering(folder)
  let skipped = 0
  const close = (): Run | undefined => {
    const run = isWorthIt(gathered, rules) ? runOf(gathered) : undefined
    gathered = openGathering(folder)
    return run
  }
  return {
    get skipped() {
      return skipped
    },
    add(commit) {
      if (commit.kind === 'genesis') return undefined
      const unreadable = commit.segments.filter((segment) => !isRewritable(segment, rules)).length + countOverlaps(commit)
      skipped += unreadable
      const isGood = commit.segments.length > 0 && commit.segments.every((segment) => isAsWanted(segment, rules))
      if (unreadable > 0 || isGood) return close()
      take(gathered, commit, rules)
      return isFull(gathered, rules) ? close() : undefined
    },
    end: close,
  }
}

interface Gathering {
  readonly folder: string
  readonly commits: StoredCommit[]
  readonly groups: Map<string, { readonly group: SegmentGroup & { readonly sources: SegmentSource[] }; bytes: number }>
  bytes: number
  objects: number
  /** Objects that are rewritten for what they are, not for their size. */
  conversions: number
}

const openGathering = (folder: string): Gathering => ({
  folder,
  commits: [],
  groups: new Map(),
  bytes: 0,
  objects: 0,
  conversions: 0,
})

const isRewritable = (segment: SegmentEntry, rules: CompactRules): boolean =>
  segment.siblings.length === 0 &&
  (segmentFormat(segment.format).keepsAll || (COPIED.has(segment.format) && !isConverted(segment, rules)))

/** Segments of one path that lie side by side, as those of two schemas do, whose messages cannot be read to put them in order. */
function countOverlaps({ segments }: StoredCommit): number {
  const ends = new Map<string, number>()
  let overlaps = 0
  for (const { key, format, firstPosition, lastPosition } of segments) {
    if (segmentFormat(format).keepsAll) continue
    const folder = folderOf(key)
    const end = ends.get(folder) ?? -1
    if (firstPosition <= end) overlaps++
    ends.set(folder, Math.max(end, lastPosition))
  }
  return overlaps
}

/** The folder that a data object lies in, without `/` at its end. */
export const folderOf = (key: string): string => key.slice(0, Math.max(0, key.lastIndexOf('/')))

const isConverted = ({ format, codec }: SegmentEntry, rules: CompactRules): boolean =>
  (rules.format !== undefined && format !== rules.format) ||
  (rules.codec !== undefined && codec !== storedCodec(rules.format ?? format, rules.codec))

/** What commits say of blocks that are written in a codec. */
function storedCodec(format: Format, codec: Codec): StoredCodec {
  if (format === 'kafka') return KAFKA_CODECS[codec]
  return codec === 'deflate' && format !== 'avro' ? 'gzip' : codec
}

const isAsWanted = (segment: SegmentEntry, rules: CompactRules): boolean =>
  segment.bytes * 2 >= rules.targetBytes && !isConverted(segment, rules)

function take(gathered: Gathering, commit: StoredCommit, rules: CompactRules): void {
  gathered.commits.push(commit)
  for (const segment of commit.segments) {
    // Objects of other programs lie where we write nothing.
    const folder = commit.writer.startsWith(IMPORTER) ? gathered.folder : folderOf(segment.key)
    const format = rules.format ?? segment.format
    const copied = COPIED.has(segment.format) && !isConverted(segment, rules) ? segment.codec : undefined
    const id = JSON.stringify([folder, format, copied ?? null, sortedEntries(segment.layout)])
    const { layout } = segment
    const there = gathered.groups.get(id) ?? { group: { folder, layout, format, copied, sources: [] }, bytes: 0 }
    there.group.sources.push({ segment, commit })
    there.bytes += segment.bytes
    gathered.groups.set(id, there)
    gathered.bytes += segment.bytes
    gathered.objects += 1
    if (isConverted(segment, rules)) gathered.conversions += 1
  }
}

const sortedEntries = (layout: SegmentEntry['layout']) =>
  Object.entries(layout).sort(([left], [right]) => (left < right ? -1 : 1))

const isFull = ({ bytes, objects, commits, groups }: Gathering, { targetBytes }: CompactRules): boolean =>
  bytes >= targetBytes * Math.min(MAX_TARGETS, Math.max(1, groups.size)) ||
  objects >= MAX_OBJECTS ||
  commits.length >= MAX_COMMITS

/** Either something is converted, or at least every second object goes. */
function isWorthIt({ groups, objects, conversions }: Gathering, { targetBytes, minObjects }: CompactRules): boolean {
  if (conversions > 0) return true
  let made = 0
  for (const { bytes } of groups.values()) made += Math.ceil(bytes / targetBytes)
  return objects >= minObjects && objects >= 2 * made
}

function runOf({ commits, groups }: Gathering): Run {
  const all = [...groups.values()].map(({ group }) => ({
    ...group,
    sources: group.sources.toSorted((a, b) => a.segment.firstPosition - b.segment.firstPosition),
  }))
  return { firstPosition: commits[0]!.firstPosition, nextPosition: commits.at(-1)!.nextPosition, commits, groups: all }
}
