import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { writeRecordBatch } from '../../src/encode/record-batch.ts'
import type { RecordCodec } from '../../src/encode/record-header.ts'
import { scanRecordSet } from '../../src/encode/record-set.ts'
import { hasUnsafeTimes, readRecordsOfAnyTime, withBeyondTime } from '../../src/encode/record-times.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { crc32c } from '../../src/kernel/checksum.ts'

const codecs: readonly RecordCodec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const MAX = Number.MAX_SAFE_INTEGER

/** A batch of four records, 10 ms apart, whose timestamps count from `base`. */
async function setFrom(base: bigint, codec: RecordCodec, baseOffset = 0): Promise<Uint8Array> {
  const messages = [0, 1, 2, 3].map((position) => ({
    position,
    timestamp: position * 10,
    key: null,
    value: `value ${position}`,
    headers: [{ name: 'number', value: String(position) }],
  }))
  const written = await writeRecordBatch(batchOf(messages), 0, 4, { codec })
  const view = new DataView(written.buffer, written.byteOffset)
  view.setBigInt64(27, base)
  view.setBigInt64(35, base + 30n)
  view.setBigInt64(0, BigInt(baseOffset))
  view.setUint32(17, crc32c(written.subarray(21)))
  return written
}

async function read(set: Uint8Array, from = 0) {
  const batch = await readRecordsOfAnyTime(set, scanRecordSet(set).batches, from)
  const text = (bytes: Uint8Array | null) => Buffer.from(bytes!).toString()
  const messages = [...messagesOf(batch)].map(({ position, timestamp, value, headers }) => [
    position,
    timestamp,
    text(value),
    text(headers[0]!.value),
  ])
  return { batch, messages }
}

describe.each(codecs)('records with timestamps that no column can hold (%s)', (codec) => {
  it.each([
    { base: 1_700_000_000_000n, times: [0, 10, 20, 30].map((more) => 1_700_000_000_000 + more), isUnsafe: false },
    { base: BigInt(MAX) - 15n, times: [MAX - 15, MAX - 5, MAX, MAX], isUnsafe: true },
    { base: 2n ** 60n, times: [MAX, MAX, MAX, MAX], isUnsafe: true },
    { base: -(2n ** 60n), times: [-MAX, -MAX, -MAX, -MAX], isUnsafe: true },
    { base: 2n ** 63n - 40n, times: [MAX, MAX, MAX, MAX], isUnsafe: true },
  ])('are read with all else that they hold, from $base on', async ({ base, times, isUnsafe }) => {
    const set = await setFrom(base, codec)
    expect(hasUnsafeTimes(scanRecordSet(set).batches[0]!)).toBe(isUnsafe)
    const { batch, messages } = await read(set)
    expect(messages).toEqual(times.map((time, i) => [i, time, `value ${i}`, String(i)]))
    const beyond = times.flatMap((time, row) => (Math.abs(time) === MAX ? [row] : []))
    const named = beyond.map((row) => ({ row, reason: 'the timestamp is beyond 2^53 ms' }))
    expect(segmentFormat('avro').findUnencodable(batch)).toEqual(named)
    expect(segmentFormat('kafka').findUnencodable(batch)).toEqual(named)
  })

  it('are read from the middle of a batch, and beside others', async () => {
    const set = Buffer.concat([
      await setFrom(5n, codec, 10),
      await setFrom(BigInt(MAX) - 15n, codec, 20),
      await setFrom(7n, codec, 30),
    ])
    const { messages } = await read(set, 22)
    expect(messages.map(([position, time]) => [position, time])).toEqual([
      [22, MAX],
      [23, MAX],
      [30, 7],
      [31, 17],
      [32, 27],
      [33, 37],
    ])
  })
})

describe('withBeyondTime', () => {
  it('gives one entry a message, rising by row', () => {
    const batch = batchOf([1, MAX, 3, -MAX, 5].map((timestamp, position) => ({ position, timestamp, value: null })))
    const faults = [0, 1, 4].map((row) => ({ row, reason: 'a test' }))
    expect(withBeyondTime(batch, faults).map(({ row, reason }) => [row, reason === 'a test'])).toEqual([
      [0, true],
      [1, false],
      [3, false],
      [4, true],
    ])
  })
})

describe('records that cannot be read for another reason', () => {
  it('are still an error', async () => {
    const set = await setFrom(2n ** 60n, 'none')
    const [info] = scanRecordSet(set).batches
    await expect(readRecordsOfAnyTime(set, [{ ...info!, count: 3 }], 0)).rejects.toMatchObject({ code: 'RECORD_SET_CORRUPT' })
  })
})
