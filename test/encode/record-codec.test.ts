import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { packRecords, type ThreadedCodec, unpackRecords } from '../../src/encode/record-codec.ts'
import { type RecordPart, readRecordParts } from '../../src/kernel/record-read.ts'
import { encodeRecords } from '../../src/kernel/record-write.ts'
import { batchOf } from '../../src/batch/builder.ts'

const threaded: readonly ThreadedCodec[] = ['gzip', 'zstd']
const corrupt = expect.objectContaining({ code: 'RECORD_SET_CORRUPT' })
const text = Buffer.alloc(3_000_000, '{"flight":"AA 12","delay":17}\n')

describe('unpackRecords', () => {
  it.each(threaded)('reads %s of any size, whatever it grew by before', async (codec) => {
    for (const bytes of [0, 1, 16_383, 16_384, 1_000_000, 20, 3_000_000]) {
      const records = text.subarray(0, bytes)
      const unpacked = await unpackRecords(codec, await packRecords(codec, records))
      expect(Buffer.compare(unpacked, records)).toBe(0)
      // What messages hold on to must not be much larger than they are.
      expect(unpacked.buffer.byteLength).toBeLessThanOrEqual(2 * bytes + 16_384)
    }
  })
  it('reads zstd frames without a content size, and several of them', async () => {
    const unsized = zstdCompressSync(text, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } })
    expect(Buffer.compare(await unpackRecords('zstd', unsized), text)).toBe(0)
    const frames = Buffer.concat([unsized, zstdCompressSync(text.subarray(0, 100)), unsized])
    expect((await unpackRecords('zstd', frames)).byteLength).toBe(2 * text.byteLength + 100)
  })
  it('reads gzip of several members', async () => {
    const members = Buffer.concat([gzipSync(text), gzipSync(text.subarray(0, 100))])
    expect((await unpackRecords('gzip', members)).byteLength).toBe(text.byteLength + 100)
  })
  it.each(threaded)('refuses %s that is cut short, or is something else', async (codec) => {
    const packed = await packRecords(codec, text.subarray(0, 5000))
    for (let length = 0; length < packed.byteLength; length++) {
      await expect(unpackRecords(codec, packed.subarray(0, length))).rejects.toEqual(corrupt)
    }
    await expect(unpackRecords(codec, text.subarray(0, 500))).rejects.toEqual(corrupt)
  })
  it.each(threaded)('stops %s at the limit instead of filling the memory', async (codec) => {
    const bomb = await packRecords(codec, new Uint8Array(50_000_000))
    await expect(unpackRecords(codec, bomb, 1_000_000)).rejects.toEqual(corrupt)
    expect((await unpackRecords(codec, bomb, 50_000_000)).byteLength).toBe(50_000_000)
  })
})

describe('readRecordParts', () => {
  const value = Buffer.alloc(5_000_000, 'some text that repeats itself ')
  const batch = batchOf([{ position: 0, timestamp: 0, value }])
  it.each(['lz4', 'snappy'] as const)('stops %s at the limit too', (form) => {
    const bytes = encodeRecords(batch, { form, headBytes: 0, baseOffset: 0, keepOffsets: true, baseTimestamp: 0 })
    const part: RecordPart = { form, bytes, count: 1, baseOffset: 0, lastOffset: 0, timestamp: 0, isAppendTime: false }
    const read = (maxBytes: number) => readRecordParts([part], 0, { maxBytes })
    expect(() => read(value.byteLength)).toThrow(corrupt)
    expect(read(value.byteLength + 100).count).toBe(1)
  })
})
