import { describe, expect, it } from 'vitest'
import { keepRecords } from '../../../src/adapters/kafka/fetch-kept.ts'
import { batchOf } from '../../../src/batch/builder.ts'
import { crc32c } from '../../../src/kernel/checksum.ts'
import { writeRecordBatch } from '../../../src/encode/record-batch.ts'

interface Written {
  readonly offset: number
  readonly count?: number
  /** A producer of transactions. */
  readonly producer?: number
  readonly end?: 'abort' | 'commit'
}

const CONTROL = 0x20

/** A batch as a broker holds it; the end of a transaction is a control batch of one record. */
async function written({ offset, count = 1, producer, end }: Written): Promise<Buffer> {
  const key = end === undefined ? 'key' : Uint8Array.of(0, 0, 0, end === 'commit' ? 1 : 0)
  const rows = Array.from({ length: count }, (_, i) => ({ position: i, timestamp: 1, key, value: `${offset + i}` }))
  const options = {
    codec: 'none' as const,
    baseOffset: offset,
    ...(producer === undefined ? {} : { producer: { id: BigInt(producer), epoch: 0, baseSequence: 0 }, isTransactional: true }),
  }
  const bytes = Buffer.from(await writeRecordBatch(batchOf(rows), 0, count, options))
  if (end !== undefined) {
    bytes.writeInt16BE(bytes.readInt16BE(21) | CONTROL, 21)
    bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  }
  return bytes
}

const setOf = async (batches: readonly Written[]): Promise<Buffer> => Buffer.concat(await Promise.all(batches.map(written)))

describe('keepRecords', () => {
  it.each<{ title: string; batches: Written[]; aborted: [number, number][]; from?: number; kept: number[]; passedTo: number }>([
    {
      title: 'keeps all where nothing was aborted',
      batches: [{ offset: 0, count: 3 }, { offset: 3 }],
      aborted: [],
      kept: [0, 3],
      passedTo: 4,
    },
    {
      title: 'leaves out control batches',
      batches: [
        { offset: 0, producer: 7 },
        { offset: 1, producer: 7, end: 'commit' },
      ],
      aborted: [],
      kept: [0],
      passedTo: 2,
    },
    {
      title: 'leaves out what an aborted transaction wrote, and nothing of others between',
      batches: [
        { offset: 0, producer: 7 },
        { offset: 1, producer: 8 },
        { offset: 2 },
        { offset: 3, producer: 7 },
        { offset: 4, producer: 7, end: 'abort' },
        { offset: 5, producer: 8, end: 'commit' },
      ],
      aborted: [[7, 0]],
      kept: [1, 2],
      passedTo: 6,
    },
    {
      title: "takes the same producer's next transaction",
      batches: [
        { offset: 0, producer: 7 },
        { offset: 1, producer: 7, end: 'abort' },
        { offset: 2, producer: 7 },
        { offset: 3, producer: 7, end: 'commit' },
      ],
      aborted: [[7, 0]],
      kept: [2],
      passedTo: 4,
    },
    {
      title: 'knows two aborted transactions of one producer, whatever their order',
      batches: [
        { offset: 0, producer: 7 },
        { offset: 1, producer: 7, end: 'abort' },
        { offset: 2, producer: 7 },
        { offset: 3, producer: 7, end: 'abort' },
        { offset: 4 },
      ],
      aborted: [
        [7, 2],
        [7, 0],
      ],
      kept: [4],
      passedTo: 5,
    },
    {
      title: 'takes what the producer wrote before the transaction that was aborted',
      batches: [
        { offset: 0, producer: 7 },
        { offset: 1, producer: 7, end: 'commit' },
        { offset: 2, producer: 7 },
        { offset: 3, producer: 7, end: 'abort' },
      ],
      aborted: [[7, 2]],
      kept: [0],
      passedTo: 4,
    },
    {
      title: 'leaves out a transaction that began before what was fetched',
      batches: [
        { offset: 10, producer: 7 },
        { offset: 11, producer: 7, end: 'abort' },
      ],
      aborted: [[7, 3]],
      from: 10,
      kept: [],
      passedTo: 12,
    },
    {
      title: 'leaves out batches that end before the position, and keeps the one that holds it',
      batches: [
        { offset: 0, count: 4 },
        { offset: 4, count: 4 },
      ],
      aborted: [],
      from: 5,
      kept: [4],
      passedTo: 8,
    },
    {
      title: 'knows offsets past 2^31 and past 2^40',
      batches: [
        { offset: 2 ** 31 - 1, count: 3 },
        { offset: 2 ** 40, count: 2 },
      ],
      aborted: [],
      from: 2 ** 31 - 1,
      kept: [2 ** 31 - 1, 2 ** 40],
      passedTo: 2 ** 40 + 2,
    },
  ])('$title', async ({ batches, aborted, from = 0, kept, passedTo }) => {
    const set = keepRecords(
      await setOf(batches),
      from,
      aborted.map(([producer, firstOffset]) => ({ producerId: BigInt(producer), firstOffset })),
    )
    expect('kept' in set ? [set.kept.map(({ baseOffset }) => baseOffset), set.passedTo] : set).toEqual([kept, passedTo])
  })

  it('asks for more where not one batch is whole', async () => {
    const bytes = await written({ offset: 0, count: 20 })
    expect(keepRecords(bytes.subarray(0, 100), 0, [])).toEqual({ neededBytes: bytes.byteLength })
    expect(keepRecords(bytes.subarray(0, 7), 0, [])).toEqual({ neededBytes: 61 })
  })

  it('refuses what is damaged', async () => {
    const bytes = await written({ offset: 0, count: 20 })
    bytes[80]! ^= 1
    expect(() => keepRecords(bytes, 0, [])).toThrow(expect.objectContaining({ code: 'RECORD_SET_CORRUPT' }))
  })
})
