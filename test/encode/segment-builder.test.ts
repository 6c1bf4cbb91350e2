import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { encodeBlock } from '../../src/encode/avro-block.ts'
import type { Codec, LookupField } from '../../src/encode/block.ts'
import { lookupHash, probeSlice, sliceOf } from '../../src/encode/lookup.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import { readStoredBlock } from '../../src/encode/formats.ts'
import { parquetSegment } from './parquet-segments.ts'
import { crc32cTwin } from '../kernel/twins.ts'

const sync = new Uint8Array(16).fill(0x5c)
const lookups: readonly LookupField[] = ['key', 'id', 'header:type']
const message = (position: number) => ({
  position,
  timestamp: 1000 - position,
  key: `key-${position}`,
  value: `value ${position}`,
  id: `id-${position}`,
  headers: [{ name: 'type', value: `type-${position % 2}` }],
})
const block = (positions: readonly number[], codec: Codec = 'zstandard', fields = lookups) =>
  encodeBlock(batchOf(positions.map(message)), { codec, lookups: fields })

async function segmentOf(blocks: readonly (readonly number[])[]) {
  const builder = createSegmentBuilder({ format: 'avro', codec: 'zstandard', sync })
  const chunks = [builder.header]
  for (const positions of blocks) chunks.push(...builder.append(await block(positions)).map(({ bytes }) => bytes))
  return { builder, file: Buffer.concat(chunks), ...builder.finish('orders/0/1.avro', { hour: '08' }) }
}

describe('createSegmentBuilder', () => {
  it('accounts for the file: bytes, checksums, counts, positions and timestamps', async () => {
    const { builder, file, entry } = await segmentOf([[3, 5], [6, 7, 9], [20]])
    expect(entry).toMatchObject({
      key: 'orders/0/1.avro',
      bytes: file.byteLength,
      crc32c: crc32cTwin(file),
      sha256: createHash('sha256').update(file).digest('hex'),
      format: 'avro',
      codec: 'zstandard',
      count: 6,
      firstPosition: 3,
      lastPosition: 20,
      minTimestamp: 980,
      maxTimestamp: 997,
      layout: { hour: '08' },
    })
    expect(builder).toMatchObject({
      bytes: file.byteLength,
      count: 6,
      firstPosition: 3,
      lastPosition: 20,
      minTimestamp: 980,
      maxTimestamp: 997,
    })
  })
  it('names each block by its range, so that it can be read alone', async () => {
    const blocks = [[3, 5], [6, 7, 9], [20]]
    const { file, entry, builder } = await segmentOf(blocks)
    let end = builder.header.byteLength
    for (const [ordinal, stored] of entry.blocks.entries()) {
      const positions = blocks[ordinal]!
      expect(stored.offset).toBe(end)
      end += stored.bytes
      const bytes = file.subarray(stored.offset, end)
      expect(stored).toMatchObject({
        count: positions.length,
        firstPosition: positions[0],
        lastPosition: positions.at(-1),
        minTimestamp: 1000 - positions.at(-1)!,
        maxTimestamp: 1000 - positions[0]!,
        crc32c: crc32cTwin(bytes),
      })
      expect([...(await readStoredBlock(entry, bytes)).positions]).toEqual(positions)
    }
    expect(end).toBe(file.byteLength)
  })
  it('lays the look-ups of all fields one behind the other', async () => {
    const { entry, lookupBytes } = await segmentOf([[3, 5], [6, 7, 9], [20]])
    expect(entry.lookups.map(({ field }) => field)).toEqual(lookups)
    expect(entry.lookups.map(({ offset }) => offset)).toEqual([
      0,
      entry.lookups[0]!.bytes,
      entry.lookups[0]!.bytes + entry.lookups[1]!.bytes,
    ])
    expect(lookupBytes.byteLength).toBe(entry.lookups.reduce((sum, { bytes }) => sum + bytes, 0))
    const find = (field: number, value: string) => {
      const lookup = entry.lookups[field]!
      const hash = lookupHash(Buffer.from(value))
      const { start, end } = sliceOf(lookup, hash)
      return probeSlice(lookup, lookupBytes.subarray(start, end), hash)
    }
    expect([find(0, 'key-7'), find(1, 'id-20'), find(2, 'type-0'), find(1, 'key-7')]).toEqual([[1], [2], [1, 2], []])
  })
  it('has no account before its first block', () => {
    const builder = createSegmentBuilder({ format: 'avro', codec: 'null', sync })
    expect(builder).toMatchObject({ count: 0, firstPosition: NaN, lastPosition: NaN, bytes: builder.header.byteLength })
    expect(() => builder.finish('key', {})).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })
  it('refuses blocks of another codec, of other look-ups, or of positions that do not follow', async () => {
    const builder = createSegmentBuilder({ format: 'avro', codec: 'zstandard', sync })
    builder.append(await block([5, 6]))
    const refusal = async (bad: ReturnType<typeof block>, code: string) => {
      const appended = await bad
      expect(() => builder.append(appended)).toThrow(expect.objectContaining({ code }))
    }
    await refusal(block([7], 'snappy'), 'INTERNAL')
    await refusal(block([7], 'zstandard', ['key']), 'INTERNAL')
    await refusal(block([6, 7]), 'POSITION_INVALID')
    expect(builder).toMatchObject({ count: 2, lastPosition: 6 })
  })
  it('refuses a sync marker of another length', () => {
    expect(() => createSegmentBuilder({ format: 'avro', codec: 'null', sync: new Uint8Array(15) })).toThrow(
      expect.objectContaining({ code: 'INTERNAL' }),
    )
  })
  it('ends in what its format has behind the blocks, under its own checksums', async () => {
    const { file, entry } = await parquetSegment([batchOf([1, 2, 3].map(message))], { codec: 'snappy', lookups, blockBytes: 100 })
    const { offset, bytes } = entry.blocks.at(-1)!
    expect(offset + bytes).toBeLessThan(entry.bytes)
    expect(Buffer.from(file.subarray(-4)).toString()).toBe('PAR1')
    expect(entry).toMatchObject({
      bytes: file.byteLength,
      crc32c: crc32cTwin(file),
      sha256: createHash('sha256').update(file).digest('hex'),
    })
    const builder = createSegmentBuilder({ format: 'avro', codec: 'zstandard', sync })
    builder.append(await block([1]))
    expect(builder.end()).toEqual([])
  })
  it('tells beforehand which blocks it can hold', async () => {
    const builder = createSegmentBuilder({ format: 'avro', codec: 'zstandard', sync })
    expect(builder.suits(await block([1]))).toBe(true)
    expect(builder.suits(await block([1], 'snappy'))).toBe(false)
    builder.append(await block([1]))
    expect(builder.suits(await block([2], 'zstandard', ['key']))).toBe(false)
    const values = async (value: string) =>
      (
        await parquetSegment(
          [batchOf([{ position: 1, timestamp: 1, value }])],
          { codec: 'null', lookups: [], blockBytes: 100 },
          'value-parquet',
        )
      ).blocks[0]!
    const columns = createSegmentBuilder({ format: 'value-parquet', codec: 'null', sync })
    columns.append(await values('{"a":1}'))
    expect(columns.suits(await values('{"a":2}'))).toBe(true)
    expect(columns.suits(await values('{"a":"text"}'))).toBe(false)
  })
})
