import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BlockEntry, SegmentLookup } from '../../src/encode/segment.ts'
import { decodeTables, encodeTables } from '../../src/index/block-table.ts'
import { decodeRanges, encodeRanges } from '../../src/index/segment-directory.ts'

const whole = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 127, 128, Number.MAX_SAFE_INTEGER))
const timestamp = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-Number.MAX_SAFE_INTEGER, 0, -1, Number.MAX_SAFE_INTEGER))

describe('a block table as bytes', () => {
  const block: fc.Arbitrary<BlockEntry> = fc.record({
    offset: whole,
    bytes: whole,
    crc32c: fc.integer({ min: 0, max: 0xffff_ffff }),
    count: whole,
    firstPosition: whole,
    lastPosition: whole,
    minTimestamp: timestamp,
    maxTimestamp: timestamp,
  })
  const lookup: fc.Arbitrary<SegmentLookup> = fc.record({
    field: fc.oneof(
      fc.constantFrom('key' as const, 'id' as const),
      fc.string({ unit: 'grapheme' }).map((name) => `header:${name}` as const),
    ),
    slices: whole,
    buckets: fc.array(whole),
    offset: whole,
    bytes: whole,
  })

  it('comes back as it was, whatever it holds', () => {
    fc.assert(
      fc.property(fc.array(block), fc.array(lookup, { maxLength: 4 }), (blocks, lookups) => {
        expect(decodeTables(encodeTables({ blocks, lookups }))).toEqual({ blocks, lookups })
      }),
    )
  })

  it('takes less than 20 bytes a usual block', () => {
    const blocks: BlockEntry[] = []
    for (let i = 0; i < 1000; i++) {
      const times = { minTimestamp: 1_767_225_600_000 + i * 4000, maxTimestamp: 1_767_225_603_999 + i * 4000 }
      blocks.push({
        offset: 400 + i * 180_000,
        bytes: 180_000,
        crc32c: 0xcafe_babe,
        count: 3700,
        firstPosition: i * 3700,
        lastPosition: i * 3700 + 3699,
        ...times,
      })
    }
    const lookups = [{ field: 'key' as const, slices: 64, buckets: blocks.map(() => 128), offset: 0, bytes: 4_096_000 }]
    expect(encodeTables({ blocks, lookups }).byteLength / blocks.length).toBeLessThan(20)
  })

  it('is refused when it is cut anywhere or goes on', () => {
    const one = {
      offset: 9,
      bytes: 300,
      crc32c: 1,
      count: 2,
      firstPosition: 500,
      lastPosition: 501,
      minTimestamp: 7,
      maxTimestamp: 9000,
    }
    const bytes = encodeTables({ blocks: [one], lookups: [{ field: 'key', slices: 1, buckets: [1], offset: 3, bytes: 32 }] })
    for (let end = 0; end < bytes.byteLength; end++) expect(() => decodeTables(bytes.subarray(0, end))).toThrow(RangeError)
    expect(() => decodeTables(new Uint8Array([...bytes, 0]))).toThrow(RangeError)
  })

  it('throws a RangeError or gives a table for bytes of any kind', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(outcomeOf(bytes)).toBeOneOf(['table', 'RangeError'])
      }),
    )
  })
})

function outcomeOf(bytes: Uint8Array): string {
  try {
    decodeTables(bytes)
    return 'table'
  } catch (error) {
    return error instanceof Error ? error.name : 'no error'
  }
}

describe('a directory of segments as bytes', () => {
  it('comes back as it was', () => {
    const range = fc.record({
      firstPosition: whole,
      lastPosition: whole,
      minTimestamp: timestamp,
      maxTimestamp: timestamp,
      rewrite: whole,
    })
    fc.assert(
      fc.property(fc.array(range), (ranges) => {
        expect(decodeRanges(encodeRanges(ranges))).toEqual(ranges)
      }),
    )
  })
})
