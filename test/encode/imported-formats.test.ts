import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { readPersistorRecords } from '../../src/encode/dataphos-records.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { readBackupRecords } from '../../src/encode/kafka-backup-records.ts'
import { decompressSizedLz4 } from '../../src/encode/lz4-block.ts'
import { MillpondError } from '../../src/errors.ts'

const bytes = fc.uint8Array({ maxLength: 40 })
const header = fc.record({ name: fc.string({ unit: 'binary' }).filter((name) => name.isWellFormed()), value: fc.option(bytes) })
const messages = fc
  .array(
    fc.record({
      gap: fc.nat(3),
      timestamp: fc.maxSafeInteger(),
      key: fc.option(bytes),
      value: fc.option(bytes),
      headers: fc.array(header, { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map((some) => {
    let position = 0
    return some.map(({ gap, ...message }): MessageInput => ({ ...message, position: (position += gap + 1) }))
  })

const int = (value: number) => Buffer.from(Int32Array.of(value).buffer)
const short = (value: number) => Buffer.from(Uint16Array.of(value).buffer)
const long = (value: number) => Buffer.from(BigInt64Array.of(BigInt(value)).buffer)
const sized = (content: Uint8Array | null | undefined) => (content ? Buffer.concat([int(content.length), content]) : int(-1))

function backupRecord({ position, timestamp, key, value, headers = [] }: MessageInput): Buffer {
  const parts = headers.flatMap(({ name, value: held }) => {
    const encoded = Buffer.from(name)
    return [short(encoded.length), encoded, sized(held as Uint8Array | null)]
  })
  const body = Buffer.concat([
    long(timestamp),
    long(position),
    sized(key as Uint8Array),
    sized(value as Uint8Array),
    short(headers.length),
    ...parts,
  ])
  return Buffer.concat([int(body.length), body])
}

function backupSegment(records: Uint8Array, count: number): Buffer {
  const head = Buffer.concat([Buffer.from('KBAK'), Uint8Array.of(1, 0, 0, 0), long(count), long(0), long(0)])
  const body = Buffer.concat([head, records])
  return Buffer.concat([body, int(crc32(body) | 0), Buffer.from('BKAE')])
}

const refusing = (read: () => unknown) => {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(MillpondError)
  }
}

describe('segments of kafka-backup', () => {
  it('give back every part of every message', () => {
    fc.assert(
      fc.property(messages, (some) => {
        const batch = readBackupRecords(new Uint8Array(Buffer.concat(some.map(backupRecord))))
        expect([...messagesOf(batch)]).toEqual([...messagesOf(batchOf(some))])
      }),
    )
  })

  it('are cut into blocks that can be read by themselves', async () => {
    const rules = segmentFormat('kafka-backup')
    const some = Array.from({ length: 40 }, (_, n) => ({ position: n, timestamp: n, value: new Uint8Array(100_000).fill(n) }))
    const object = backupSegment(Buffer.concat(some.map(backupRecord)), some.length)
    const blocks = await rules.split!(object)
    expect(blocks.length).toBeGreaterThan(3)
    const read = await Promise.all(
      blocks.map((block) => rules.readBlock(object.subarray(block.offset, block.offset + block.bytes), 'none')),
    )
    expect(read.flatMap((batch) => [...batch.positions])).toEqual(some.map(({ position }) => position))
    await expect(rules.split!(backupSegment(Buffer.concat(some.map(backupRecord)), 41))).rejects.toMatchObject({
      code: 'SEGMENT_CORRUPT',
    })
    await expect(rules.split!(object.subarray(0, -1))).rejects.toMatchObject({ code: 'SEGMENT_CORRUPT' })
  })

  it('are refused where any byte was cut or changed, and never read beyond their end', () => {
    fc.assert(
      fc.property(messages, fc.nat(), fc.nat(255), (some, at, byte) => {
        const records = Buffer.concat(some.map(backupRecord))
        records[at % records.length] = byte
        refusing(() => [...messagesOf(readBackupRecords(records))])
        refusing(() => [...messagesOf(readBackupRecords(records.subarray(0, at % records.length)))])
      }),
    )
  })

  it('are not written', () => {
    const rules = segmentFormat('kafka-backup')
    expect(() => rules.createEncoder({ codec: 'null', lookups: [], blockBytes: 1 })).toThrow(
      expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }),
    )
  })
})

describe('LZ4 blocks behind their length', () => {
  it.each([
    { because: 'literals alone', packed: [3, 0, 0, 0, 0x30, 97, 98, 99], text: 'abc' },
    { because: 'a match that overlaps itself', packed: [9, 0, 0, 0, 0x14, 97, 1, 0, 0], text: 'aaaaaaaaa' },
  ])('are unpacked: $because', ({ packed, text }) => {
    expect(Buffer.from(decompressSizedLz4(Uint8Array.from(packed), 100)).toString()).toBe(text)
  })

  it('are refused where they do not fit', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (packed) => refusing(() => decompressSizedLz4(packed, 1000))))
    expect(() => decompressSizedLz4(Uint8Array.of(0xff, 0xff, 0xff, 0x7f, 0), 1000)).toThrow(
      expect.objectContaining({ code: 'BLOCK_CORRUPT' }),
    )
  })
})

describe('records of Dataphos', () => {
  it('never read beyond their end', () => {
    const place = { firstPosition: 5, minTimestamp: 7 }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(20), (raw, count) =>
        refusing(() => readPersistorRecords(raw, count, place)),
      ),
    )
  })

  it('take maps in blocks, with and without their length', () => {
    const raw = Uint8Array.of(2, 97, 2, 98, 2, 2, 107, 2, 118, 1, 8, 2, 108, 2, 119, 0)
    const [message] = messagesOf(readPersistorRecords(raw, 1, { firstPosition: 5, minTimestamp: 7 }))
    expect(message).toMatchObject({ position: 5, timestamp: 7, id: 'a', key: null })
    expect(message!.headers.map(({ name, value }) => [name, Buffer.from(value!).toString()])).toEqual([
      ['k', 'v'],
      ['l', 'w'],
    ])
  })
})
