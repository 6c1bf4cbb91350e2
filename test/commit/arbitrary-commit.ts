import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import type { Commit, DeadLetter, Gap } from '../../src/commit/commit.ts'
import type { Removal } from '../../src/commit/removal.ts'
import type { BlockEntry, SegmentEntry, SegmentLookup } from '../../src/encode/segment.ts'

/** A commit that keeps every rule, and the look-up bytes that belong to it. */
export interface CommitSample {
  readonly commit: Commit
  readonly lookupBytes: Uint8Array
}

export const hashOf = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex')

const timestamp = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 0, -1),
)
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed())
const identity = { topic: name, topicId: name, lane: name, writer: name, timeMs: timestamp }
const reason = fc.constantFrom<Gap['reason']>('skipped', 'expired')

/** What the positions of a commit are covered with, in order. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant('block' as const),
    count: fc.integer({ min: 1, max: 1e6 }),
    times: fc.tuple(timestamp, timestamp),
    opens: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('gap' as const), missing: fc.integer({ min: 1, max: 2 ** 40 }), reason }),
  fc.record({ kind: fc.constant('letter' as const), reason: name }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Any genesis commit. */
export const arbitraryGenesis: fc.Arbitrary<CommitSample> = fc
  .record({ ...identity, firstPosition: fc.maxSafeNat() })
  .map(({ firstPosition, ...names }) => ({
    commit: {
      kind: 'genesis',
      ...names,
      firstPosition,
      nextPosition: firstPosition,
      segments: [],
      gaps: [],
      deadLetters: [],
      previousSha256: '',
    },
    lookupBytes: new Uint8Array(),
  }))

/** Any data commit, up to the largest positions there are. */
export const arbitraryCommit: fc.Arbitrary<CommitSample> = fc
  .record({
    ...identity,
    firstPosition: fc.oneof(fc.nat(1e6), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 2 ** 46 })),
    steps: fc.array(step, { minLength: 1, maxLength: 24 }),
    lookupBytes: fc.uint8Array({ maxLength: 200 }),
    layout: fc.dictionary(name, name, { noNullPrototype: true }),
  })
  .map(({ steps, layout, lookupBytes, firstPosition, ...names }) => {
    const covered = cover(firstPosition, steps, layout, lookupBytes.length)
    return { commit: { kind: 'data', ...names, firstPosition, ...covered, previousSha256: hashOf(names.writer) }, lookupBytes }
  })

/** Any rewrite of commits. */
export const arbitraryRewrite: fc.Arbitrary<CommitSample> = fc
  .tuple(arbitraryCommit, fc.boolean())
  .map(([{ commit, lookupBytes }, isFirst]) => ({
    commit: {
      ...commit,
      kind: 'rewrite',
      previousSha256: isFirst ? '' : commit.previousSha256,
      replacedSha256: hashOf(commit.lane),
    },
    lookupBytes,
  }))

/** The segments, gaps and dead letters of these steps. */
function cover(
  firstPosition: number,
  steps: readonly Step[],
  layout: Record<string, string>,
  lookupBytes: number,
): Pick<Commit, 'nextPosition' | 'segments' | 'gaps' | 'deadLetters'> {
  const segments: BlockEntry[][] = []
  const gaps: Gap[] = []
  const deadLetters: DeadLetter[] = []
  let nextPosition = firstPosition
  for (const one of steps) {
    const position = nextPosition
    nextPosition += one.kind === 'block' ? one.count : one.kind === 'gap' ? one.missing : 1
    if (one.kind === 'letter') deadLetters.push({ position, reason: one.reason })
    if (one.kind === 'gap') gaps.push({ firstPosition: position, nextPosition, missing: one.missing, reason: one.reason })
    if (one.kind !== 'block') continue
    if (one.opens || segments.length === 0) segments.push([])
    const blocks = segments.at(-1)!
    const before = blocks.at(-1)
    const offset = before === undefined ? 100 : before.offset + before.bytes
    const [a, b] = one.times
    blocks.push({
      offset,
      bytes: one.count * 7,
      crc32c: one.count * 3000,
      count: one.count,
      firstPosition: position,
      lastPosition: nextPosition - 1,
      minTimestamp: Math.min(a, b),
      maxTimestamp: Math.max(a, b),
    })
  }
  return { nextPosition, segments: segments.map((blocks) => segmentOf(blocks, layout, lookupBytes)), gaps, deadLetters }
}

/** The segment entry that these blocks add up to. */
export function segmentOf(
  blocks: readonly BlockEntry[],
  layout: Readonly<Record<string, string>>,
  lookupBytes: number,
): SegmentEntry {
  const first = blocks[0]!
  const last = blocks.at(-1)!
  const lookups: SegmentLookup[] = (['key', 'id', 'header:trace'] as const).map((field) => ({
    field,
    slices: 4,
    buckets: blocks.map((_, i) => 2 ** (i % 6)),
    offset: Math.floor(lookupBytes / 2),
    bytes: Math.floor(lookupBytes / 2),
  }))
  return {
    key: `orders/0/${first.firstPosition}-a.avro`,
    bytes: last.offset + last.bytes,
    crc32c: 0xffff_ffff,
    sha256: hashOf(String(first.firstPosition)),
    format: 'avro',
    codec: 'zstandard',
    count: blocks.reduce((sum, block) => sum + block.count, 0),
    firstPosition: first.firstPosition,
    lastPosition: last.lastPosition,
    minTimestamp: Math.min(...blocks.map((block) => block.minTimestamp)),
    maxTimestamp: Math.max(...blocks.map((block) => block.maxTimestamp)),
    layout,
    blocks,
    lookups,
    siblings: [
      {
        role: 'keys',
        key: `orders/0/${first.firstPosition}-a.keys.avro`,
        bytes: 7,
        crc32c: 0xffff_fffe,
        sha256: hashOf(`keys ${first.firstPosition}`),
      },
    ],
  }
}

/** Any rewrite that removes messages. */
export const arbitraryRemoval: fc.Arbitrary<CommitSample> = fc
  .record({
    sample: arbitraryRewrite,
    by: name,
    why: fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed()),
    kind: fc.constantFrom<Removal['kind']>('expired', 'forgotten'),
    count: fc.integer({ min: 1, max: 1e6 }),
    times: fc.tuple(timestamp, timestamp),
  })
  .map(({ sample: { commit, lookupBytes }, by, why, kind, count, times }) => {
    const { firstPosition, nextPosition } = commit
    const [minTimestamp, maxTimestamp] = times[0] <= times[1] ? times : [times[1], times[0]]
    const extent = { count, firstPosition, lastPosition: nextPosition - 1, minTimestamp, maxTimestamp }
    const segment = { key: `${by}.avro`, bytes: count, sha256: hashOf(by), ...extent }
    const subject = kind === 'forgotten' ? { salt: hashOf(why).slice(0, 32), subjects: [hashOf(by)] } : { salt: '', subjects: [] }
    const removal = { kind, by, why, ...subject, messages: count, segments: [segment] }
    return { commit: { ...commit, removal }, lookupBytes }
  })
