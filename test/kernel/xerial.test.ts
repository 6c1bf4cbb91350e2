import { compressionsAlgorithms } from '@platformatic/kafka'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKernel } from '../../src/kernel/kernel.ts'
import { xerialDecompressTwin, xerialStreams } from './xerial-twin.ts'

const MiB = 1024 * 1024
const kernel = createKernel(8 * MiB)
const { exports, bytes: memory } = kernel
const source = kernel.arenaStart
const out = source + 4 * MiB
const HEADER = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1)

/** The content of the stream, or the kernel's fault. */
function decompress(stream: Uint8Array, maxBytes = MiB): Uint8Array | number {
  memory.set(stream, source)
  const bound = exports.xerialBound(source, stream.byteLength)
  if (bound < 0) return bound
  const length = exports.xerialDecompress(source, stream.byteLength, out, Math.min(bound, maxBytes))
  return length < 0 ? length : memory.slice(out, out + length)
}

/** A stream as `encodeRecords` puts it together. */
function compress(content: Uint8Array): Buffer {
  memory.set(content, source)
  const length = exports.xerialCompress(source, content.byteLength, out)
  return Buffer.concat([HEADER, memory.subarray(out, out + length)])
}

function outcome(read: () => Uint8Array | number): string {
  try {
    const content = read()
    return typeof content === 'number' ? 'an error' : Buffer.from(content).toString('latin1')
  } catch {
    return 'an error'
  }
}

describe('Snappy in both framings', () => {
  it('is read, with chunks of any size and headers in between', () => {
    fc.assert(
      fc.property(xerialStreams, ({ bytes, content }) => {
        expect(outcome(() => decompress(bytes))).toBe(Buffer.from(content).toString('latin1'))
        expect(outcome(() => xerialDecompressTwin(bytes))).toBe(Buffer.from(content).toString('latin1'))
      }),
    )
  })
  it.each([0, 1, 65_535, 65_536, 65_537, 300_000])('keeps %i bytes whole, for another implementation too', (bytes) => {
    const content = Buffer.alloc(bytes, '{"flight":"AA 12","delay":17}\n')
    const stream = compress(content)
    expect(outcome(() => decompress(stream))).toBe(content.toString('latin1'))
    expect(compressionsAlgorithms.snappy.decompressSync(stream).toString('latin1')).toBe(content.toString('latin1'))
    expect(stream.byteLength).toBeLessThan(bytes / 10 + 60)
  })
  it('agrees with the twin when it is damaged: the same content or an error', () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0x82, 0xff)))
    fc.assert(
      fc.property(xerialStreams, fc.array(change, { maxLength: 3 }), fc.nat(5), ({ bytes }, changes, cut) => {
        const damaged = bytes.slice(0, Math.max(0, bytes.length - cut))
        for (const [at, value] of changes) if (damaged.length > 0) damaged[at % damaged.length] = value
        expect(outcome(() => decompress(damaged))).toBe(outcome(() => xerialDecompressTwin(damaged)))
      }),
      { numRuns: 3000 },
    )
  })
  it.each([
    { name: 'nothing', bytes: [] },
    { name: 'a chunk past the end', bytes: [...HEADER, 0, 0, 0, 9, 1, 0, 65] },
    { name: 'a chunk of 2 GiB', bytes: [...HEADER, 0x7f, 0xff, 0xff, 0xff, 1, 0, 65] },
    { name: 'half a length', bytes: [...HEADER, 0, 0] },
    { name: 'a gigabyte in a few bytes', bytes: [...HEADER, 0, 0, 0, 6, 0x80, 0x80, 0x80, 0x80, 0x04, 0] },
  ])('refuses $name', ({ bytes }) => {
    expect(decompress(Uint8Array.from(bytes))).toBeLessThan(0)
  })
  it('stops where the room ends', () => {
    const stream = compress(Buffer.alloc(200_000, 'some text that repeats itself '))
    for (const room of [0, 65_535, 65_536, 199_999]) expect(decompress(stream, room)).toBe(-8)
  })
})
