import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { encodeBlock } from '../../src/encode/avro-block.ts'
import type { BlockFilter, LookupField } from '../../src/encode/block.ts'
import {
  assembleLookup,
  bloomFilterOf,
  bucketsFor,
  buildFilter,
  checkSlice,
  holdsFilter,
  lookupHash,
  presenceHash,
  probeSlice,
  sliceOf,
  takeApartLookup,
} from '../../src/encode/lookup.ts'
import { messagesArbitrary } from '../batch/message-arbitrary.ts'
import { crc32cTwin, filterTwin, lookupTwin, xxhash64Twin } from '../kernel/twins.ts'
import { filterHolds } from './filter-holds.ts'

const encoder = new TextEncoder()
const hashOf = (value: Uint8Array | string) => lookupHash(typeof value === 'string' ? encoder.encode(value) : value)
const hashBytes = (hashes: readonly bigint[]) => new Uint8Array(BigUint64Array.from(hashes).buffer)

async function filterOf(messages: readonly MessageInput[], field: LookupField): Promise<BlockFilter> {
  return (await encodeBlock(batchOf(messages), { codec: 'null', lookups: [field] })).filters[0]!
}

describe('bucketsFor', () => {
  it.each([
    { distinct: 0, buckets: 1 },
    { distinct: 1, buckets: 1 },
    { distinct: 14, buckets: 1 },
    { distinct: 15, buckets: 128 },
    { distinct: 256, buckets: 128 },
    { distinct: 257, buckets: 256 },
    { distinct: 3640, buckets: 1920 },
    { distinct: 10_000, buckets: 5120 },
    { distinct: 1e9, buckets: 1 << 20 },
  ])('is $buckets for $distinct distinct values', ({ distinct, buckets }) => {
    expect(bucketsFor(distinct)).toBe(buckets)
  })
})

describe('buildFilter', () => {
  it('equals its twin over the distinct hashes', () => {
    const hash = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(0n, 1n, 2n ** 32n, 2n ** 64n - 1n))
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 400 }), fc.integer({ min: 1, max: 20 }), (hashes, times) => {
        const distinct = [...new Set(hashes)]
        const repeated = Array.from({ length: times }, () => hashes).flat()
        const filter = buildFilter('key', hashBytes(repeated))
        expect(filter.buckets).toBe(bucketsFor(distinct.length))
        expect(Buffer.compare(filter.bits, lookupTwin(distinct, filter.buckets))).toBe(0)
      }),
    )
  })
})

describe('buildFilter, of one bucket that is full', () => {
  it('holds any value of that bucket, and says so without a fingerprint', () => {
    // All in the first bucket of 128: only their low words differ.
    const crowd = Array.from({ length: 40 }, (_, low) => BigInt(low))
    const filter = buildFilter('key', hashBytes(crowd))
    expect(filter).toMatchObject({ buckets: 128, bits: new Uint8Array(64).fill(15, 0, 1) })
    expect(filterHolds(filter, { high: 0, low: 1_000_000 })).toBe(true)
    expect(filterHolds(filter, { high: 0xffff_ffff, low: 1 })).toBe(false)
  })
})

describe('bloomFilterOf', () => {
  it('equals its twin over the distinct hashes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 100 }),
        fc.constantFrom(1, 2, 64),
        (hashes, buckets) => {
          const filter = bloomFilterOf(hashBytes([...hashes, ...hashes]), () => buckets)
          expect(Buffer.compare(filter, filterTwin([...new Set(hashes)], buckets))).toBe(0)
        },
      ),
    )
  })
})

describe('filters of a block', () => {
  it('hold every key and id that is not null, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(messagesArbitrary({ minLength: 1 }), async (messages) => {
        const block = await encodeBlock(batchOf(messages), { codec: 'null', lookups: ['key', 'id'] })
        for (const [index, values] of [messages.map(({ key }) => key), messages.map(({ id }) => id)].entries()) {
          const bytes = values
            .filter((value) => value !== null && value !== undefined)
            .map((value) => Buffer.from(value as string))
          const distinct = [...new Set(bytes.map((value) => xxhash64Twin(value)))]
          expect(Buffer.compare(block.filters[index]!.bits, lookupTwin(distinct, bucketsFor(distinct.length)))).toBe(0)
        }
      }),
    )
  })
  it('hold the values of the one header they are for, every one of a repeated header, and that it is there', async () => {
    const headers = [
      { name: 'type', value: 'order' },
      { name: 'type', value: 'refund' },
      { name: 'types', value: 'longer' },
      { name: 'typo', value: 'other' },
    ]
    const filter = await filterOf([{ position: 0, timestamp: 0, headers }], 'header:type')
    expect(['order', 'refund', 'longer', 'other'].map((value) => filterHolds(filter, hashOf(value)))).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(filterHolds(filter, presenceHash)).toBe(true)
  })
  it('know a header that is there with a null value from one that is not there', async () => {
    const present = await filterOf([{ position: 0, timestamp: 0, headers: [{ name: 'flag', value: null }] }], 'header:flag')
    const absent = await filterOf([{ position: 0, timestamp: 0, headers: [{ name: 'other', value: null }] }], 'header:flag')
    expect([present, absent].map((filter) => filterHolds(filter, presenceHash))).toEqual([true, false])
    expect(filterHolds(present, hashOf(''))).toBe(false)
  })
  it('take header names of any length and character', async () => {
    for (const name of ['', 'ž', '🙂'.repeat(2000)]) {
      const filter = await filterOf([{ position: 0, timestamp: 0, headers: [{ name, value: 'v' }] }], `header:${name}`)
      expect(filterHolds(filter, hashOf('v'))).toBe(true)
    }
  })
  it('answer wrongly for about one of 30,000 values that are not there, and take 18 bits a value', async () => {
    const blocks = await Promise.all(
      Array.from({ length: 50 }, async (_, block) => {
        const messages = Array.from({ length: 3640 }, (_, i) => ({ position: i, timestamp: 0, key: `user-${block}-${i}` }))
        return filterOf(messages, 'key')
      }),
    )
    const { lookup, bytes } = assembleLookup(blocks, 0)
    let wrong = 0
    const asked = 4000
    for (let i = 0; i < asked; i++) {
      const hash = hashOf(`absent-${i}`)
      const { start, end } = sliceOf(lookup, hash)
      wrong += probeSlice(lookup, bytes.subarray(start, end), hash).length
    }
    // Six are to be expected.
    expect(wrong).toBeLessThan(30)
    expect((bytes.byteLength * 8) / (50 * 3640)).toBeLessThan(19.5)
  })
})

describe('a segment', () => {
  /** Blocks of the given numbers of keys: `block-key`. */
  const segmentOf = (sizes: readonly number[], offset: number) =>
    assembleLookup(
      sizes.map((size, block) =>
        buildFilter('key', hashBytes(Array.from({ length: size }, (_, key) => xxhash64Twin(encoder.encode(`${block}-${key}`))))),
      ),
      offset,
    )

  it.each([
    { sizes: [1, 14, 2, 0], slices: 1, because: 'all blocks have one bucket' },
    { sizes: [3000, 1, 15, 0, 5000, 600, 14], slices: 64, because: 'some have more, and the small ones are in each' },
  ])('finds every value by one of $slices slices: $because', ({ sizes, slices }) => {
    const offset = 1000
    const { lookup, bytes } = segmentOf(sizes, offset)
    expect(lookup).toMatchObject({ field: 'key', slices, offset, bytes: bytes.byteLength })
    let asked = 0
    let wrong = 0
    for (const [block, size] of sizes.entries()) {
      for (let key = 0; key < size; key += 7) {
        const hash = hashOf(`${block}-${key}`)
        const { start, end } = sliceOf(lookup, hash)
        expect(end - start).toBe(bytes.byteLength / slices)
        expect(start >= offset && end <= offset + bytes.byteLength).toBe(true)
        const slice = bytes.subarray(start - offset, end - offset)
        checkSlice(lookup, slice)
        const found = probeSlice(lookup, slice, hash)
        expect(found).toContain(block)
        asked++
        wrong += found.length - 1
      }
    }
    expect(wrong / (asked * sizes.length)).toBeLessThan(0.001)
  })
  it('ends each slice in the CRC-32C of what comes before', () => {
    const { lookup, bytes } = segmentOf([3000, 10], 0)
    const sliceBytes = bytes.byteLength / lookup.slices
    for (let start = 0; start < bytes.byteLength; start += sliceBytes) {
      const slice = Buffer.from(bytes.subarray(start, start + sliceBytes))
      expect(slice.readUInt32LE(sliceBytes - 4)).toBe(crc32cTwin(slice.subarray(0, -4)))
    }
  })
  it('is taken apart into the filters that it was made of', () => {
    const size = fc.oneof(fc.nat(20), fc.integer({ min: 200, max: 400 }))
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 6 }), (sizes) => {
        const filters = sizes.map((count, block) =>
          buildFilter(
            'key',
            hashBytes(Array.from({ length: count }, (_, key) => xxhash64Twin(encoder.encode(`${block}-${key}`)))),
          ),
        )
        const { lookup, bytes } = assembleLookup(filters, 7)
        expect(takeApartLookup(lookup, bytes)).toEqual(filters)
        for (const [ordinal, filter] of filters.entries()) expect(holdsFilter(lookup, bytes, ordinal, filter)).toBe(true)
        const other = buildFilter('key', hashBytes([12345n]))
        expect(
          filters.every(
            (filter, ordinal) => filter.bits.toString() === other.bits.toString() || !holdsFilter(lookup, bytes, ordinal, other),
          ),
        ).toBe(true)
      }),
      { numRuns: 40 },
    )
  })
  it('refuses a slice with any flipped bit, and one that is cut', () => {
    for (const sizes of [[2, 13], [700]]) {
      const { lookup, bytes } = segmentOf(sizes, 0)
      const slice = bytes.slice(0, bytes.byteLength / lookup.slices)
      const refused = expect.objectContaining({ code: 'COMMIT_CORRUPT' })
      for (let bit = 0; bit < slice.byteLength * 8; bit++) {
        slice[bit >> 3]! ^= 1 << (bit & 7)
        expect(() => checkSlice(lookup, slice)).toThrow(refused)
        slice[bit >> 3]! ^= 1 << (bit & 7)
      }
      expect(() => checkSlice(lookup, slice.subarray(1))).toThrow(refused)
      expect(() => checkSlice(lookup, slice.subarray(0, 0))).toThrow(refused)
      checkSlice(lookup, slice)
    }
  })
  it('has nothing where no message had a value', () => {
    const { lookup, bytes } = segmentOf([0, 0], 0)
    const hash = hashOf('anything')
    const { start, end } = sliceOf(lookup, hash)
    expect(probeSlice(lookup, bytes.subarray(start, end), hash)).toEqual([])
  })
})
