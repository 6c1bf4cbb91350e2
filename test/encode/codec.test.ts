import * as fc from 'fast-check'
import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { compress, decompress } from '../../src/encode/codec.ts'
import { snappyCompress } from '../../src/kernel/snappy.ts'

const codecs = ['zstandard', 'deflate', 'snappy', 'null'] as const
const corrupt = expect.objectContaining({ code: 'BLOCK_CORRUPT' })

describe('codecs', () => {
  it.each(codecs)('%s gives back what it took', async (codec) => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (input) => {
        expect(Buffer.compare(await decompress(codec, await compress(codec, input)), input)).toBe(0)
      }),
      { numRuns: 50 },
    )
  })
  it.each(['zstandard', 'deflate', 'snappy'] as const)(
    '%s makes a megabyte of records small, at any size around its chunks',
    async (codec) => {
      for (const bytes of [1, 65_535, 65_536, 1 << 20, (1 << 20) + 1, 5_000_000]) {
        const input = Buffer.alloc(bytes, '{"flight":"AA 12","delay":17}\n')
        const compressed = await compress(codec, input)
        expect(Buffer.compare(await decompress(codec, compressed), input)).toBe(0)
        expect(compressed.byteLength).toBeLessThan(bytes / 10 + 100)
        // What waits for its segment must not hold on to a much larger buffer.
        expect(compressed.buffer.byteLength).toBeLessThanOrEqual(compressed.byteLength * 1.2 + 64)
      }
    },
  )
  it('writes zstandard with the length and a checksum of the content', async () => {
    const compressed = await compress('zstandard', Buffer.alloc(1000, 'abc'))
    expect(compressed[4]! & 0b0000_0100, 'checksum flag').not.toBe(0)
    expect(compressed[4]! >> 6 !== 0 || (compressed[4]! & 0b0010_0000) !== 0, 'content size').toBe(true)
  })
  it('reads zstandard frames of any kind: without length, of several frames, of any level', async () => {
    const input = Buffer.alloc(300_000, 'some text, again and again')
    const unsized = zstdCompressSync(input, {
      params: { [constants.ZSTD_c_contentSizeFlag]: 0, [constants.ZSTD_c_checksumFlag]: 0 },
    })
    expect(Buffer.compare(await decompress('zstandard', unsized), input)).toBe(0)
    expect(
      Buffer.compare(
        await decompress('zstandard', Buffer.concat([unsized, zstdCompressSync(input)])),
        Buffer.concat([input, input]),
      ),
    ).toBe(0)
    for (const level of [1, 3, 19]) {
      expect(Buffer.compare(await decompress('zstandard', await compress('zstandard', input, { level })), input)).toBe(0)
    }
  })
  it.each(['zstandard', 'snappy'] as const)('%s finds every flipped bit', async (codec) => {
    const content = Buffer.from('a block of records, which is short, which is short, which is short')
    const compressed = await compress(codec, content)
    for (let bit = 0; bit < compressed.byteLength * 8; bit++) {
      const damaged = compressed.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      const read = await decompress(codec, damaged).catch((error: unknown) => error)
      // One bit of a zstandard header is unused; then the content is the same.
      expect(read instanceof Uint8Array ? Buffer.from(read) : read).toEqual(read instanceof Uint8Array ? content : corrupt)
    }
  })
  it.each(['zstandard', 'deflate', 'snappy'] as const)('%s refuses what is cut short', async (codec) => {
    const compressed = await compress(codec, Buffer.alloc(5000, 'records'))
    for (let length = 0; length < compressed.byteLength; length++) {
      await expect(decompress(codec, compressed.subarray(0, length))).rejects.toEqual(corrupt)
    }
  })
  it.each(['zstandard', 'deflate', 'snappy'] as const)('%s refuses what has bytes left over', async (codec) => {
    const compressed = await compress(codec, Buffer.alloc(5000, 'records'))
    for (const rest of ['12345', 'many bytes that are no frame']) {
      await expect(decompress(codec, Buffer.concat([compressed, Buffer.from(rest)]))).rejects.toEqual(corrupt)
    }
  })
  it('stops at the limit instead of filling the memory with zeros', async () => {
    const zeros = Buffer.alloc(50_000_000)
    for (const [codec, bomb] of [
      ['zstandard', zstdCompressSync(zeros)],
      ['deflate', deflateRawSync(zeros)],
      ['snappy', Buffer.concat([snappyCompress(zeros), Buffer.alloc(4)])],
    ] as const) {
      await expect(decompress(codec, bomb, 1_000_000)).rejects.toEqual(corrupt)
    }
  })
})

describe('compressing much at once', () => {
  it.each(['zstandard', 'deflate'] as const)('gives each its own, and goes on behind one that fails (%s)', async (codec) => {
    const raws = Array.from({ length: 60 }, (_, i) => new TextEncoder().encode(`block ${i} `.repeat(1000 + i)))
    const failing = raws.map((raw, i) => compress(codec, raw, i % 7 === 3 ? { level: 1000 } : {}))
    const settled = await Promise.allSettled(failing)
    for (const [i, outcome] of settled.entries()) {
      const packed = outcome.status === 'fulfilled' ? outcome.value : await compress(codec, raws[i]!)
      expect(Buffer.from(await decompress(codec, packed)).equals(raws[i]!)).toBe(true)
    }
    expect(settled.filter(({ status }) => status === 'rejected').length).toBe(codec === 'deflate' ? 9 : 0)
  })
})
