import { compressionsAlgorithms } from '@platformatic/kafka'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKernel, SLACK_BYTES } from '../../src/kernel/kernel.ts'
import { lz4DecompressTwin, lz4Frames, xxhash32Twin } from './lz4-twin.ts'

const MiB = 1024 * 1024
const other = compressionsAlgorithms.lz4
const kernel = createKernel(16 * MiB)
const { exports, bytes: memory } = kernel
const source = kernel.arenaStart
const out = source + 8 * MiB

/** The content of the frames, or the kernel's fault. */
function decompress(frames: Uint8Array, maxBytes = 8 * MiB - SLACK_BYTES): Uint8Array | number {
  memory.set(frames, source)
  const bound = exports.lz4Bound(source, frames.byteLength)
  if (bound < 0) return bound
  const length = exports.lz4Decompress(source, frames.byteLength, out, Math.min(bound, maxBytes))
  return length < 0 ? length : memory.slice(out, out + length)
}

/** A frame as `encodeRecords` puts it together. */
function compress(content: Uint8Array): Buffer {
  memory.set(content, source)
  const length = exports.lz4CompressBlocks(source, content.byteLength, out)
  return Buffer.concat([
    Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82),
    memory.subarray(out, out + length),
    new Uint8Array(4),
  ])
}

const equal = (a: Uint8Array | number, b: Uint8Array) => typeof a !== 'number' && Buffer.compare(a, b) === 0

function outcome(read: () => Uint8Array | number): string {
  try {
    const content = read()
    return typeof content === 'number' ? 'an error' : Buffer.from(content).toString('latin1')
  } catch {
    return 'an error'
  }
}

const compressible = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.integer({ min: 1, max: 60 })), { maxLength: 40 })
  .map((parts) =>
    Uint8Array.from([...parts, ...parts].flatMap(([part, times]) => Array.from({ length: times }, () => [...part]).flat())),
  )

describe('LZ4 frames', () => {
  it('are read whatever their writer chose: linked blocks, stored ones, checksums, sizes, several frames, skippable ones', () => {
    fc.assert(
      fc.property(lz4Frames, ({ bytes, content }) => {
        expect(equal(decompress(bytes), content)).toBe(true)
        expect(equal(lz4DecompressTwin(bytes), content)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
  it('of another implementation are read, and it reads ours', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), compressible), (content) => {
        expect(equal(decompress(other.compressSync(Buffer.from(content))), content)).toBe(true)
        expect(equal(other.decompressSync(compress(content)), content)).toBe(true)
      }),
    )
  })
  it('are written so that the twin and the kernel read them back', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), compressible), (content) => {
        const frame = compress(content)
        expect(equal(decompress(frame), content)).toBe(true)
        expect(equal(lz4DecompressTwin(frame), content)).toBe(true)
      }),
    )
  })
  it.each([12, 13, 65_535, 65_536, 65_537, 1_000_000])(
    'keep %i bytes whole, small where they repeat, hardly larger where not',
    (bytes) => {
      const text = Buffer.alloc(bytes, '{"flight":"AA 12","delay":17}\n')
      const noise = Uint8Array.from({ length: bytes }, (_, i) => Math.imul(i ^ (i >>> 3), 0x9e3779b1) >>> 13)
      for (const content of [text, noise]) {
        const frame = compress(content)
        expect(equal(decompress(frame), content)).toBe(true)
        expect(equal(other.decompressSync(frame), content)).toBe(true)
        expect(frame.byteLength).toBeLessThanOrEqual(content.byteLength + 11 + 4 * Math.ceil(bytes / 65_536))
      }
      expect(compress(text).byteLength).toBeLessThan(bytes / 50 + 60)
    },
  )
  it('end each block as the format demands: five literals at the least, no match in the last twelve bytes', () => {
    for (let bytes = 5; bytes < 60; bytes++) {
      const frame = compress(new Uint8Array(bytes))
      const size = frame[7]! | (frame[8]! << 8)
      const isStored = (frame[10]! & 0x80) !== 0
      expect(isStored || bytes > 12, `${bytes} bytes`).toBe(true)
      if (isStored) continue
      const block = frame.subarray(11, 11 + size)
      // One literal, a match, and the last literals behind their token.
      expect([...block.subarray(0, 2)]).toEqual([0x10 | Math.min(15, bytes - 6 - 4), 0])
      expect([...block.subarray(-6)]).toEqual([0x50, 0, 0, 0, 0, 0])
    }
  })
  it('agree with the twin when they are damaged: the same content or an error', () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 15, 0x7f, 0x80, 0xf0, 0xff)))
    fc.assert(
      fc.property(lz4Frames, fc.array(change, { maxLength: 3 }), fc.nat(5), ({ bytes }, changes, cut) => {
        const damaged = bytes.slice(0, Math.max(0, bytes.length - cut))
        for (const [at, value] of changes) if (damaged.length > 0) damaged[at % damaged.length] = value
        expect(outcome(() => decompress(damaged))).toBe(outcome(() => lz4DecompressTwin(damaged)))
      }),
      { numRuns: 3000 },
    )
  })
  it.each([
    { name: 'nothing but a beginning', bytes: [4, 0x22, 0x4d, 0x18, 0x60, 0x40] },
    { name: 'no frame', bytes: [1, 2, 3, 4, 5, 6, 7, 8] },
    { name: 'a wrong header checksum', bytes: [4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x83, 0, 0, 0, 0] },
    { name: 'a block past the end', bytes: [4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0xff, 0, 0, 0, 0] },
    { name: 'a block of 2 GiB', bytes: [4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0xff, 0xff, 0xff, 0x7f, 0] },
    { name: 'no end mark', bytes: [4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 2, 0, 0, 0, 0x10, 65] },
    { name: 'a skippable frame past the end', bytes: [0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff] },
  ])('refuses $name', ({ bytes }) => {
    expect(decompress(Uint8Array.from(bytes))).toBeLessThan(0)
  })
  it('stop where the room ends, wherever that is', () => {
    const content = Buffer.alloc(200_000, 'some text that repeats itself ')
    const frame = compress(content)
    for (const room of [0, 1, 65_535, 65_536, 131_072, 199_999]) {
      memory.fill(0xa5, out, out + 200_100)
      expect(decompress(frame, room)).toBe(-8)
      expect(memory.subarray(out + room + SLACK_BYTES, out + 200_100).every((byte) => byte === 0xa5)).toBe(true)
    }
    expect(equal(decompress(frame, 200_000), content)).toBe(true)
  })
})

describe('xxhash32Twin', () => {
  it.each([
    { input: '', hash: 0x02cc5d05 },
    { input: 'a', hash: 0x550d7456 },
    { input: 'abc', hash: 0x32d153ff },
    { input: 'Nobody inspects the spammish repetition', hash: 0xe2293b2f },
  ])('is $hash for "$input" (xxHash, published values)', ({ input, hash }) => {
    expect(xxhash32Twin(new TextEncoder().encode(input))).toBe(hash)
  })
})
