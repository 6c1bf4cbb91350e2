import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { crc32c, joinCrc32c, xxhash64 } from '../../src/kernel/checksum.ts'
import { withKernel } from '../../src/kernel/kernel.ts'
import { partitionKeys } from '../../src/kernel/partition.ts'
import { snappyCompress, snappyDecompress } from '../../src/kernel/snappy.ts'
import { crc32cTwin, isUtf8Twin, partitionTwin, snappyDecompressTwin, xxhash64Twin } from './twins.ts'

const text = (value: string) => new TextEncoder().encode(value)
const bytes = fc.uint8Array({ maxLength: 300 })
const MAX_BYTES = 1 << 20

describe('crc32c', () => {
  it.each([
    { input: text(''), crc: 0 },
    { input: text('123456789'), crc: 0xe3069283 },
    { input: new Uint8Array(32), crc: 0x8a9136aa },
    { input: new Uint8Array(32).fill(0xff), crc: 0x62a8ab43 },
    { input: Uint8Array.from({ length: 32 }, (_, i) => i), crc: 0x46dd794e },
  ])('is $crc for a known input (RFC 3720, B.4)', ({ input, crc }) => {
    expect(crc32c(input)).toBe(crc)
  })
  it('equals its twin, whole and in pieces', () => {
    fc.assert(
      fc.property(bytes, bytes, (head, tail) => {
        const whole = Uint8Array.of(...head, ...tail)
        expect(crc32c(whole)).toBe(crc32cTwin(whole))
        expect(crc32c(tail, crc32c(head))).toBe(crc32cTwin(whole))
      }),
    )
  })
  it('goes over inputs larger than one piece', () => {
    const large = Uint8Array.from({ length: 2.5 * MAX_BYTES }, (_, i) => i * 31)
    expect(crc32c(large)).toBe(crc32cTwin(large))
  })
})

describe('joinCrc32c', () => {
  it('is the CRC-32C of both pieces together', () => {
    fc.assert(
      fc.property(bytes, bytes, (left, right) => {
        const whole = Uint8Array.of(...left, ...right)
        expect(joinCrc32c(crc32c(left), crc32c(right), right.byteLength)).toBe(crc32cTwin(whole))
      }),
    )
    const left = new Uint8Array(3 * MAX_BYTES).fill(0x5a)
    const right = Uint8Array.from({ length: 2.5 * MAX_BYTES }, (_, i) => i * 31)
    expect(joinCrc32c(crc32c(left), crc32c(right), right.byteLength)).toBe(crc32c(right, crc32c(left)))
  })
  it('does not depend on where pieces of any length are joined first', () => {
    const length = fc.oneof(
      fc.nat(1000),
      fc
        .maxSafeInteger()
        .map((bytes) => Math.abs(bytes) / 4)
        .map(Math.floor),
    )
    const crc = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    fc.assert(
      fc.property(crc, crc, crc, length, length, (a, b, c, bBytes, cBytes) => {
        const fromLeft = joinCrc32c(joinCrc32c(a, b, bBytes), c, cBytes)
        expect(fromLeft).toBe(joinCrc32c(a, joinCrc32c(b, c, cBytes), bBytes + cBytes))
      }),
    )
  })
})

describe('xxhash64', () => {
  it.each([
    { input: '', hash: 0xef46db3751d8e999n },
    { input: 'a', hash: 0xd24ec4f1a98c6e5bn },
    { input: 'abc', hash: 0x44bc2cf5ad770999n },
  ])('is $hash for "$input" (xxHash, published values)', ({ input, hash }) => {
    const { high, low } = xxhash64(text(input))
    expect((BigInt(high) << 32n) | BigInt(low)).toBe(hash)
  })
  it('equals its twin', () => {
    fc.assert(
      fc.property(bytes, (input) => {
        const { high, low } = xxhash64(input)
        expect((BigInt(high) << 32n) | BigInt(low)).toBe(xxhash64Twin(input))
      }),
    )
  })
})

describe('partitionKeys', () => {
  it.each([
    { key: '21', hash: -973932308 },
    { key: 'foobar', hash: -790332482 },
    { key: 'a-little-bit-long-string', hash: -985981536 },
    { key: 'a-little-bit-longer-string', hash: -1486304829 },
    { key: 'lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', hash: -58897971 },
    { key: 'abc', hash: 479470107 },
  ])('hashes "$key" as Kafka does (its UtilsTest)', ({ key, hash }) => {
    const partitions = 0x7fffffff
    expect(partitionKeys(batchOf([{ position: 0, timestamp: 0, key }]), partitions)[0]).toBe((hash & 0x7fffffff) % partitions)
  })
  it('equals its twin for every message, with -1 for null keys', () => {
    fc.assert(
      fc.property(fc.array(fc.option(bytes), { maxLength: 50 }), fc.integer({ min: 1, max: 500 }), (keys, partitions) => {
        const chosen = partitionKeys(batchOf(keys.map((key, position) => ({ position, timestamp: 0, key }))), partitions)
        expect([...chosen]).toEqual(keys.map((key) => partitionTwin(key, partitions)))
      }),
    )
  })
  it('covers batches larger than one call takes', () => {
    const batch = batchOf(Array.from({ length: 5000 }, (_, i) => ({ position: i, timestamp: 0, key: `k${i}` })))
    expect([...partitionKeys(batch, 12)]).toEqual(Array.from({ length: 5000 }, (_, i) => partitionTwin(text(`k${i}`), 12)))
  })
})

describe('isUtf8', () => {
  const isUtf8 = (input: Uint8Array) =>
    withKernel(input.byteLength, (kernel) => {
      kernel.bytes.set(input, kernel.arenaStart)
      return kernel.exports.isUtf8(kernel.arenaStart, input.byteLength) !== 0
    })
  const nearlyText = fc.array(
    fc.constantFrom(0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf4, 0xf5),
    {
      maxLength: 24,
    },
  )
  it('equals the platform for every pair of bytes, and for triples that are nearly right', () => {
    const pairs = Array.from({ length: 65_536 }, (_, pair) => Uint8Array.of(pair >> 8, pair & 255))
    expect(pairs.filter((pair) => isUtf8(pair) !== isUtf8Twin(pair))).toEqual([])
    fc.assert(
      fc.property(nearlyText, (input) => {
        expect(isUtf8(Uint8Array.from(input))).toBe(isUtf8Twin(Uint8Array.from(input)))
      }),
      { numRuns: 5000 },
    )
  })
  it('takes all that is well formed, wherever a character lies', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (input) => {
        expect(isUtf8(text(input))).toBe(true)
      }),
    )
  })
})

describe('snappy', () => {
  // Text with repeats near and far, so that every kind of copy occurs.
  const compressible = fc
    .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.integer({ min: 1, max: 60 })), { maxLength: 40 })
    .map((parts) =>
      Uint8Array.from([...parts, ...parts].flatMap(([part, times]) => Array.from({ length: times }, () => [...part]).flat())),
    )

  it('reads back what it wrote, and so does its twin', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, compressible), (input) => {
        const compressed = snappyCompress(input)
        expect(Buffer.compare(snappyDecompress(compressed, MAX_BYTES), input)).toBe(0)
        expect(Buffer.compare(snappyDecompressTwin(compressed), input)).toBe(0)
      }),
    )
  })
  it('keeps inputs over many fragments whole and small', () => {
    const input = text(Array.from({ length: 30_000 }, (_, i) => `{"id":${i},"kind":"order"}`).join('\n'))
    const compressed = snappyCompress(input)
    expect(Buffer.compare(snappyDecompress(compressed, MAX_BYTES), input)).toBe(0)
    expect(compressed.byteLength).toBeLessThan(input.byteLength / 2)
  })
  it.each([
    { name: 'a literal with a length of four bytes', bytes: [3, 63 << 2, 2, 0, 0, 0, 1, 2, 3], out: [1, 2, 3] },
    {
      name: 'a copy with an offset of four bytes',
      bytes: [6, 2 << 2, 1, 2, 3, (2 << 2) | 3, 3, 0, 0, 0],
      out: [1, 2, 3, 1, 2, 3],
    },
    { name: 'a copy that reads what it writes', bytes: [9, 0, 7, (7 << 2) | 2, 1, 0], out: Array(9).fill(7) },
  ])('reads $name', ({ bytes, out }) => {
    expect([...snappyDecompress(Uint8Array.from(bytes), MAX_BYTES)]).toEqual(out)
  })
  it.each([
    { name: 'nothing', bytes: [] },
    { name: 'a length that does not end', bytes: [0x80, 0x80, 0x80, 0x80, 0x80] },
    { name: 'a length past 31 bits', bytes: [0xff, 0xff, 0xff, 0xff, 0x0f, 0] },
    { name: 'a literal past the input', bytes: [4, 3 << 2, 1, 2] },
    { name: 'a literal of 2^32 bytes', bytes: [4, 63 << 2, 0xff, 0xff, 0xff, 0xff, 1] },
    { name: 'a literal past the output', bytes: [1, 1 << 2, 1, 2] },
    { name: 'a copy from before the beginning', bytes: [8, 0, 1, (3 << 2) | 2, 2, 0] },
    { name: 'a copy with offset 0', bytes: [8, 0, 1, (3 << 2) | 2, 0, 0] },
    { name: 'a copy past the output', bytes: [3, 0, 1, (7 << 2) | 2, 1, 0] },
    { name: 'a copy cut short', bytes: [9, 0, 7, (7 << 2) | 2, 1] },
    { name: 'less than it claims', bytes: [2, 0, 1] },
    { name: 'a gigabyte in a few bytes', bytes: [0x80, 0x80, 0x80, 0x80, 0x04, 0, 1] },
  ])('refuses $name', ({ bytes }) => {
    expect(() => snappyDecompress(Uint8Array.from(bytes), 0x7fff_ffff)).toThrow(
      expect.objectContaining({ code: 'BLOCK_CORRUPT' }),
    )
  })
  it('refuses more than the caller allows', () => {
    expect(() => snappyDecompress(snappyCompress(new Uint8Array(1000)), 999)).toThrow(
      expect.objectContaining({ code: 'BLOCK_CORRUPT' }),
    )
  })
  it('agrees with its twin on damaged input: the same bytes or an error', () => {
    const damaged = fc.tuple(compressible, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(6))
    fc.assert(
      fc.property(damaged, ([input, changes, cut]) => {
        const bytes = snappyCompress(input)
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        const short = bytes.subarray(0, bytes.length - (cut % bytes.length))
        expect(outcome(() => snappyDecompress(short, MAX_BYTES))).toEqual(outcome(() => snappyDecompressTwin(short)))
      }),
      { numRuns: 2000 },
    )
  })
})

function outcome(read: () => Uint8Array): string {
  try {
    return Buffer.from(read()).toString('hex')
  } catch {
    return 'an error'
  }
}
