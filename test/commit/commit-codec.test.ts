import avro from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Commit } from '../../src/commit/commit.ts'
import type { SegmentEntry } from '../../src/encode/segment.ts'
import { decodeCommit, encodeCommit } from '../../src/commit/commit-codec.ts'
import { commitKey, genesisKey, rewriteKey } from '../../src/commit/commit-names.ts'
import { COMMIT_SCHEMA } from '../../src/commit/commit-schema.ts'
import {
  arbitraryCommit,
  arbitraryGenesis,
  arbitraryRemoval,
  arbitraryRewrite,
  type CommitSample,
  hashOf,
  segmentOf,
} from './arbitrary-commit.ts'

const keyOf = ({ kind, firstPosition }: Commit) => {
  if (kind === 'rewrite') return rewriteKey('orders/0', 3)
  return kind === 'genesis' ? genesisKey('orders/0') : commitKey('orders/0', firstPosition)
}

const block = {
  offset: 300,
  bytes: 90,
  crc32c: 7,
  count: 3,
  firstPosition: 10,
  lastPosition: 12,
  minTimestamp: -5,
  maxTimestamp: 9,
}
const sample: CommitSample = {
  commit: {
    kind: 'data',
    topic: 'orders',
    topicId: 'Xk3',
    lane: '0',
    firstPosition: 10,
    nextPosition: 20,
    segments: [segmentOf([block, { ...block, offset: 390, firstPosition: 14, lastPosition: 17, count: 3 }], { hour: '07' }, 8)],
    gaps: [{ firstPosition: 12, nextPosition: 18, missing: 2, reason: 'skipped' }],
    deadLetters: [
      { position: 18, reason: 'too large' },
      { position: 19, reason: 'too large' },
    ],
    writer: 'a1',
    timeMs: 1_790_000_000_000,
    previousSha256: hashOf('before'),
  },
  lookupBytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
}

/** For avsc, whose own type refuses the two outermost safe integers and rounds those below -2^52. */
const longType = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => Number(bytes.readBigInt64LE()),
  toBuffer: (value: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(value))
    return bytes
  },
  fromJSON: Number,
  toJSON: Number,
  isValid: Number.isSafeInteger,
  compare: (a: number, b: number) => a - b,
})

const isLong = (schema: unknown): boolean =>
  schema === 'long' || (typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'long')

/** What another implementation of Avro reads from an object container file. */
async function readByAvsc(object: Uint8Array): Promise<Record<string, unknown>[]> {
  const decoder = new avro.streams.BlockDecoder({
    parseHook: (schema: avro.Schema) =>
      avro.Type.forSchema(schema, { typeHook: (part) => (isLong(part) ? longType : undefined) }),
  })
  const records: Record<string, unknown>[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  decoder.on('data', (record: Record<string, unknown>) => records.push(record))
  decoder.on('end', resolve)
  decoder.on('error', reject)
  decoder.end(object)
  await promise
  return records
}

describe('encodeCommit and decodeCommit', () => {
  it('give back every commit, with the hash of its object and where its look-up bytes lie', () => {
    fc.assert(
      fc.property(fc.oneof(arbitraryCommit, arbitraryGenesis, arbitraryRewrite, arbitraryRemoval), ({ commit, lookupBytes }) => {
        const key = keyOf(commit)
        const object = encodeCommit(commit, lookupBytes)
        const { bytes, sha256, lookupStart, lookupBytes: length, key: storedKey, ...stored } = decodeCommit(key, object)
        expect(stored).toStrictEqual(commit)
        expect({ bytes, sha256, storedKey }).toEqual({ bytes: object.length, sha256: hashOf(object), storedKey: key })
        expect(object.subarray(lookupStart, lookupStart + length)).toEqual(Buffer.from(lookupBytes))
      }),
      { numRuns: 300 },
    )
  })

  it('make an object container file that another implementation of Avro reads the same from', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(arbitraryCommit, arbitraryGenesis, arbitraryRewrite, arbitraryRemoval),
        async ({ commit, lookupBytes }) => {
          // Avsc loses such a name.
          fc.pre(commit.segments.every(({ layout }) => !Object.hasOwn(layout, '__proto__')))
          const records = await readByAvsc(encodeCommit(commit, lookupBytes))
          const fields = { replacedSha256: '', ...commit, lookupBytes: Buffer.from(lookupBytes) }
          expect(JSON.parse(JSON.stringify(records))).toEqual([JSON.parse(JSON.stringify(fields))])
        },
      ),
      { numRuns: 100 },
    )
  })

  it('put the look-up bytes right before the last sync marker', () => {
    const object = encodeCommit(sample.commit, sample.lookupBytes)
    expect(object.subarray(-24, -16)).toEqual(Buffer.from(sample.lookupBytes))
    expect(COMMIT_SCHEMA.fields.at(-1)!.name).toBe('lookupBytes')
  })

  it('find every flipped bit of a commit', () => {
    const object = encodeCommit(sample.commit, sample.lookupBytes)
    const key = keyOf(sample.commit)
    for (let at = 0; at < object.length; at++) {
      for (let bit = 1; bit < 256; bit *= 2) {
        object[at]! ^= bit
        expect(() => decodeCommit(key, object), `byte ${at}, bit ${bit}`).toThrow(
          expect.objectContaining({ code: 'COMMIT_CORRUPT' }),
        )
        object[at]! ^= bit
      }
    }
    expect(decodeCommit(key, object)).toMatchObject(sample.commit)
  })

  it('find every cut and every byte that was added', () => {
    const object = encodeCommit(sample.commit, sample.lookupBytes)
    const key = keyOf(sample.commit)
    const refused = expect.objectContaining({ code: 'COMMIT_CORRUPT', message: expect.stringContaining(key) })
    for (let end = 0; end < object.length; end++)
      expect(() => decodeCommit(key, object.subarray(0, end)), `${end} bytes`).toThrow(refused)
    for (const extra of [1, 16, 100])
      expect(() => decodeCommit(key, Buffer.concat([object, Buffer.alloc(extra)]))).toThrow(refused)
    expect(() => decodeCommit(key, Buffer.concat([object, object]))).toThrow(refused)
  })

  it('refuse a commit under the name of another', () => {
    const object = encodeCommit(sample.commit, sample.lookupBytes)
    const others = [
      commitKey('orders/0', 11),
      genesisKey('orders/0'),
      rewriteKey('orders/0', 10),
      '_millpond/orders/0/notes.avro',
    ]
    for (const key of others) {
      expect(() => decodeCommit(key, object)).toThrow(expect.objectContaining({ code: 'COMMIT_CORRUPT' }))
    }
  })

  it('refuse a format, codec, look-up field or reason of a newer version by name', () => {
    const [segment] = sample.commit.segments
    const newer: Partial<Commit>[] = [
      { segments: [{ ...segment!, format: 'orc' as 'avro' }] },
      { segments: [{ ...segment!, codec: 'lz4' }] },
      { segments: [{ ...segment!, lookups: [{ ...segment!.lookups[0]!, field: 'value' as 'key' }] }] },
      { gaps: [{ ...sample.commit.gaps[0]!, reason: 'lost' as 'skipped' }] },
    ]
    for (const change of newer) {
      const object = encodeCommit({ ...sample.commit, ...change }, sample.lookupBytes)
      expect(() => decodeCommit(keyOf(sample.commit), object)).toThrow(expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }))
    }
  })

  it('take 1,000 blocks and 8 MB of look-up bytes, and add little to them', () => {
    const blocks = Array.from({ length: 1000 }, (_, i) => {
      return {
        ...block,
        offset: 300 + i * 1_000_000,
        bytes: 1_000_000,
        count: 5000,
        firstPosition: i * 5000,
        lastPosition: i * 5000 + 4999,
      }
    })
    const lookupBytes = new Uint8Array(8_000_000).fill(0xa5)
    const segments = [segmentOf(blocks, {}, lookupBytes.length)]
    const commit: Commit = { ...sample.commit, firstPosition: 0, nextPosition: 5_000_000, segments, gaps: [], deadLetters: [] }
    const object = encodeCommit(commit, lookupBytes)
    const stored = decodeCommit(commitKey('orders/0', 0), object)
    expect(stored.segments).toEqual(segments)
    expect(object.byteLength - lookupBytes.byteLength).toBeLessThan(blocks.length * 64)
    expect(object.subarray(stored.lookupStart, stored.lookupStart + stored.lookupBytes).every((byte) => byte === 0xa5)).toBe(true)
  })
})

describe('encodeCommit', () => {
  const { commit } = sample
  const segment = commit.segments[0]!
  const withSegment = (change: Partial<SegmentEntry>): Partial<Commit> => ({ segments: [{ ...segment, ...change }] })
  const withBlock = (change: Partial<SegmentEntry['blocks'][0]>) =>
    withSegment({ blocks: [{ ...segment.blocks[0]!, ...change }, segment.blocks[1]!] })
  const genesis: Partial<Commit> = {
    kind: 'genesis',
    nextPosition: 10,
    segments: [],
    gaps: [],
    deadLetters: [],
    previousSha256: '',
  }

  it.each<{ because: string; change: Partial<Commit> }>([
    { because: 'a position is not accounted for', change: { deadLetters: commit.deadLetters.slice(1) } },
    { because: 'nextPosition does not rise', change: { nextPosition: 10, segments: [], gaps: [], deadLetters: [] } },
    { because: 'nextPosition falls', change: { nextPosition: 9, segments: [], gaps: [], deadLetters: [] } },
    { because: 'a position is no whole number', change: { firstPosition: 10.5 } },
    { because: 'a position is negative', change: { firstPosition: -1 } },
    { because: 'a position is past 2^53 - 1', change: { nextPosition: 2 ** 53 } },
    { because: 'the time is no number', change: { timeMs: Number.NaN } },
    { because: 'the writer has no name', change: { writer: '' } },
    { because: 'the lane is half of a surrogate pair', change: { lane: '\ud800' } },
    { because: 'it names no commit before it', change: { previousSha256: '' } },
    { because: 'genesis covers a position', change: { ...genesis, nextPosition: 11 } },
    { because: 'it is no rewrite and replaces a commit', change: { replacedSha256: hashOf('') } },
    { because: 'it is a rewrite and names no commit that it replaces', change: { kind: 'rewrite' } },
    {
      because: 'it is a rewrite and does not name the one before it',
      change: { kind: 'rewrite', previousSha256: 'none', replacedSha256: hashOf('') },
    },
    { because: 'genesis replaces a commit', change: { ...genesis, replacedSha256: hashOf('') } },
    { because: 'genesis names a commit before it', change: { ...genesis, previousSha256: hashOf('') } },
    { because: 'genesis has look-up bytes', change: genesis },
    { because: 'a segment begins before it', change: { firstPosition: 11 } },
    { because: 'a segment is named twice', change: { segments: [segment, segment] } },
    { because: 'a segment ends behind it', change: { nextPosition: 17, deadLetters: [] } },
    { because: 'a segment has no hash', change: withSegment({ sha256: 'A'.repeat(64) }) },
    { because: 'a segment is shorter than its blocks', change: withSegment({ bytes: segment.bytes - 1 }) },
    { because: 'a segment has more messages than its blocks', change: withSegment({ count: 7 }) },
    { because: 'a segment has an earlier timestamp than its blocks', change: withSegment({ minTimestamp: -6 }) },
    { because: 'a segment has no blocks', change: withSegment({ blocks: [], lookups: [] }) },
    { because: 'a block has more messages than positions', change: withBlock({ count: 4 }) },
    { because: 'a block overlaps the next one', change: withBlock({ bytes: 91 }) },
    { because: 'a block has positions of the next one', change: withBlock({ lastPosition: 14 }) },
    { because: 'a checksum does not fit 32 bits', change: withBlock({ crc32c: 2 ** 32 }) },
    { because: 'timestamps are the wrong way round', change: withBlock({ minTimestamp: 10 }) },
    { because: 'a look-up leaves the look-up bytes', change: withSegment({ lookups: [{ ...segment.lookups[0]!, offset: 5 }] }) },
    {
      because: 'a look-up has fewer filters than blocks',
      change: withSegment({ lookups: [{ ...segment.lookups[0]!, buckets: [1] }] }),
    },
    { because: 'a gap misses more than it has room for', change: { gaps: [{ ...commit.gaps[0]!, missing: 7 }] } },
    {
      because: 'a gap misses nothing',
      change: { gaps: [...commit.gaps, { firstPosition: 18, nextPosition: 19, missing: 0, reason: 'skipped' }] },
    },
    { because: 'gaps overlap', change: { gaps: [commit.gaps[0]!, { ...commit.gaps[0]!, firstPosition: 17, nextPosition: 19 }] } },
    { because: 'a gap leaves it', change: { gaps: [{ ...commit.gaps[0]!, nextPosition: 21 }] } },
    { because: 'dead letters are out of order', change: { deadLetters: commit.deadLetters.toReversed() } },
    { because: 'a dead letter is behind it', change: { deadLetters: [commit.deadLetters[0]!, { position: 20, reason: '' }] } },
  ])('refuses a commit where $because', ({ change }) => {
    const invalid = expect.objectContaining({ code: 'POSITION_INVALID' })
    expect(() => encodeCommit({ ...commit, ...change }, sample.lookupBytes)).toThrow(invalid)
  })
})
