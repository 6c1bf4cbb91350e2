import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MillpondError } from '../../src/errors.ts'
import { boundsOfBytes, makeDictionary, packDeltas, packLevels, readDeltas, readHybrid } from '../../src/kernel/parquet.ts'

const longs = (values: readonly number[]) => new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
const plain = (values: readonly Uint8Array[]) =>
  new Uint8Array(Buffer.concat(values.flatMap((value) => [new Uint8Array(Uint32Array.of(value.byteLength).buffer), value])))
const limits = { maxCount: 1000, maxBytes: 10_000 }
/** How many were read, or the code of the error. */
const outcome = (read: () => { readonly length: number }): unknown => {
  try {
    return read().length
  } catch (error) {
    return (error as MillpondError).code
  }
}
const short = fc.uint8Array({ maxLength: 20 })

describe('packed differences', () => {
  const numbers = fc.array(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: 0, max: 300 })), { minLength: 1, maxLength: 400 })

  it('come back as the numbers that they were, whatever these are', () => {
    fc.assert(
      fc.property(numbers, (values) => {
        expect([...readDeltas(packDeltas(longs(values)), values.length, 1)]).toEqual(values)
      }),
    )
  })

  it('come back without their scale, and are refused where they are no multiples of it', () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const scaled = BigInt64Array.from(values, (value) => BigInt(value) * 1000n)
        const packed = packDeltas(new Uint8Array(scaled.buffer))
        expect([...readDeltas(packed, values.length, 1000)]).toEqual(values)
        scaled[0]!++
        expect(() => readDeltas(packDeltas(new Uint8Array(scaled.buffer)), values.length, 1000)).toThrow(
          expect.objectContaining({ code: 'BLOCK_CORRUPT' }),
        )
      }),
    )
  })

  it('take next to nothing where numbers rise evenly', () => {
    const values = Array.from({ length: 10_000 }, (_, i) => 2 ** 40 + 3 * i)
    expect(packDeltas(longs(values)).byteLength).toBeLessThan(500)
  })

  it('are refused where they are cut, have something behind them, or another count', () => {
    fc.assert(
      fc.property(numbers, fc.nat(), (values, cut) => {
        const packed = packDeltas(longs(values))
        const refused = (bytes: Uint8Array, count: number) =>
          expect(() => readDeltas(bytes, count, 1)).toThrow(expect.objectContaining({ code: 'BLOCK_CORRUPT' }))
        refused(packed.subarray(0, cut % packed.byteLength), values.length)
        refused(Uint8Array.of(...packed, 0), values.length)
        refused(packed, values.length + 1)
      }),
    )
  })

  it('never lead outside of their bytes, whatever these are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 500 }), (bytes, count) => {
        expect([count, 'BLOCK_CORRUPT']).toContain(outcome(() => readDeltas(bytes, count, 1)))
      }),
    )
  })
})

describe('runs and packed groups', () => {
  const levels = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 20 })), { minLength: 1, maxLength: 30 })
    .map((runs) => Uint8Array.from(runs.flatMap(([level, count]) => Array.from({ length: count }, () => level))))

  it('come back as the levels that they were', () => {
    fc.assert(
      fc.property(levels, fc.integer({ min: 2, max: 8 }), (values, width) => {
        expect([...readHybrid(packLevels(values, width), width, values.length)]).toEqual([...values])
      }),
    )
  })

  it('take a few bytes where all are alike', () => {
    expect(packLevels(new Uint8Array(100_000).fill(1), 1).byteLength).toBeLessThan(6)
  })

  it('never lead outside of their bytes, whatever these are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 0, max: 32 }), fc.nat(300), (bytes, width, count) => {
        expect([count, 'BLOCK_CORRUPT']).toContain(outcome(() => readHybrid(bytes, width, count)))
      }),
    )
  })
})

describe('makeDictionary', () => {
  const few = fc.array(
    fc.tuple(short, short, short).chain((from) => fc.array(fc.constantFrom(...from), { minLength: 1 })),
    {
      minLength: 1,
      maxLength: 3,
    },
  )

  it('has each value once, in order, and says which of them each one is, over several pages', () => {
    fc.assert(
      fc.property(few, (pages) => {
        let known: ReturnType<typeof makeDictionary>
        const seen: Uint8Array[] = []
        for (const page of pages) {
          known = makeDictionary(plain(page), page.length, 0, limits, known)!
          for (const value of page) if (!seen.some((other) => Buffer.compare(other, value) === 0)) seen.push(value)
          expect(known).toMatchObject({ count: seen.length, values: plain(seen) })
          const indexes = readHybrid(known.indexes.subarray(1), known.indexes[0]!, page.length)
          expect([...indexes].map((index) => seen[index])).toEqual(page)
        }
      }),
    )
  })

  it('takes values of a fixed size', () => {
    const made = makeDictionary(longs([7, -1, 7, 7, -1]), 5, 8, limits)!
    expect(made.values).toEqual(longs([7, -1]))
    expect([...readHybrid(made.indexes.subarray(1), made.indexes[0]!, 5)]).toEqual([0, 1, 0, 0, 1])
  })

  it('is given up where it passes a limit', () => {
    const values = Array.from({ length: 100 }, (_, i) => Uint8Array.of(i))
    expect(makeDictionary(plain(values), 100, 0, { maxCount: 99, maxBytes: 10_000 })).toBeUndefined()
    expect(makeDictionary(plain(values), 100, 0, { maxCount: 100, maxBytes: 499 })).toBeUndefined()
    expect(makeDictionary(plain(values), 100, 0, { maxCount: 100, maxBytes: 500 })).toMatchObject({ count: 100 })
  })
})

describe('boundsOfBytes', () => {
  it('finds the smallest and the largest as unsigned bytes', () => {
    fc.assert(
      fc.property(fc.array(short, { minLength: 1 }), (values) => {
        const bytes = plain(values)
        const at = (start: number) => bytes.subarray(start + 4, start + 4 + bytes[start]!)
        const { low, high } = boundsOfBytes(bytes)
        const sorted = values.toSorted((a, b) => Buffer.compare(a, b))
        expect([at(low), at(high)]).toEqual([sorted[0], sorted.at(-1)])
      }),
    )
  })
})
