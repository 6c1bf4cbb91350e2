import * as protocol from '@platformatic/kafka'
import { assert, asyncProperty, integer, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FetchAnswer, type FetchRequest, fetchVersions } from '../../../src/adapters/kafka/fetch-api.ts'

const topicId = '01234567-89ab-cdef-0123-456789abcdef'

const request: FetchRequest = {
  maxWaitMs: 500,
  minBytes: 1,
  maxBytes: 1 << 20,
  isolation: 'committed',
  rack: '',
  partitions: [
    { topic: 'orders', topicId, partition: 3, leaderEpoch: 7, offset: 2 ** 33 + 5, lastFetchedEpoch: 6, maxBytes: 4096 },
    { topic: 'orders', topicId, partition: 130, leaderEpoch: 0, offset: 0, lastFetchedEpoch: -1, maxBytes: 4096 },
  ],
}

/** The bytes that a version sends, and what it makes of an answer that comes in pieces. */
async function speak(
  version: number,
  answer: Buffer,
  pieces: readonly number[] = [],
): Promise<{ sent: Buffer; answer: FetchAnswer }> {
  const { byId } = fetchVersions()
  const api = byId.find((each) => each.version === version)!
  let sent = Buffer.alloc(0)
  const connection = {
    send(
      _key: number,
      _version: number,
      create: () => protocol.Writer,
      parse: protocol.ResponseParser<FetchAnswer>,
      ...rest: unknown[]
    ) {
      sent = Buffer.from(create().buffer)
      const callback = rest.at(-1) as (error: Error | null, answer?: FetchAnswer) => void
      const whole = new protocol.Reader(protocol.Writer.create().dynamicBuffer)
      let from = 0
      for (const to of [...pieces, answer.byteLength]) {
        if (to > from) whole.buffer.append(answer.subarray(from, to))
        from = Math.max(from, to)
      }
      try {
        callback(null, parse(1, 1, version, whole) as FetchAnswer)
      } catch (error) {
        callback(error as Error)
      }
    },
  } as unknown as protocol.Connection
  return { answer: await api.async(connection, request), sent }
}

/** An answer of two partitions as the library's own writer puts it. */
function answerOf(version: number, records: Uint8Array): Buffer {
  const isFlexible = version >= 12
  const writer = protocol.Writer.create().appendInt32(0).appendInt16(0).appendInt32(0)
  const tags = (w: protocol.Writer) => (isFlexible ? w.appendTaggedFields() : w)
  writer.appendArray(
    ['one'],
    (w) => {
      if (version >= 13) w.appendUUID(topicId)
      else w.appendString('orders', isFlexible)
      w.appendArray(
        [3, 130],
        (w, partition) => {
          w.appendInt32(partition).appendInt16(partition === 3 ? 0 : 6)
          w.appendInt64(2n ** 40n)
            .appendInt64(2n ** 33n)
            .appendInt64(-1n)
          w.appendArray(
            partition === 3 ? [5n] : null,
            (w, producer) => tags(w.appendInt64(producer).appendInt64(2n ** 33n)),
            isFlexible,
            false,
          )
          w.appendInt32(-1)
          w.appendBytes(partition === 3 ? Buffer.from(records) : null, isFlexible)
          // A tag that nobody knows, one that names the leader, and before them of one partition where its log was cut back.
          if (isFlexible && partition === 3)
            w.appendUnsignedVarInt(3)
              .appendUnsignedVarInt(0)
              .appendUnsignedVarInt(13)
              .appendInt32(4)
              .appendInt64(2n ** 33n + 3n)
              .appendInt8(0)
          else if (isFlexible) w.appendUnsignedVarInt(2)
          if (isFlexible)
            w.appendUnsignedVarInt(1)
              .appendUnsignedVarInt(2)
              .appendInt16(0)
              .appendUnsignedVarInt(9)
              .appendUnsignedVarInt(1)
              .appendInt8(0)
        },
        isFlexible,
        false,
      )
      tags(w)
    },
    isFlexible,
    false,
  )
  return Buffer.from(tags(writer).buffer)
}

describe('fetch requests of our own', () => {
  it.each([11, 12, 13, 14, 15, 16, 17])('say in version %i what those of the library say', async (version) => {
    const { sent } = await speak(version, answerOf(version, Buffer.from('x')))
    const partitions = request.partitions.map(({ partition, leaderEpoch, offset, lastFetchedEpoch, maxBytes }) => ({
      partition,
      currentLeaderEpoch: leaderEpoch,
      fetchOffset: BigInt(offset),
      lastFetchedEpoch,
      partitionMaxBytes: maxBytes,
    }))
    const topics = [{ topicId: version >= 13 ? topicId : 'orders', partitions }]
    const modules = {
      11: protocol.fetchV11,
      12: protocol.fetchV12,
      13: protocol.fetchV13,
      14: protocol.fetchV14,
      15: protocol.fetchV15,
      16: protocol.fetchV16,
      17: protocol.fetchV17,
    } as Record<number, typeof protocol.fetchV17>
    const wanted = modules[version]!.createRequest(500, 1, 1 << 20, 1, 0, -1, topics, [], '')
    expect(sent.toString('hex')).toBe(Buffer.from(wanted.buffer).toString('hex'))
  })

  it.each([11, 12, 13, 17])('read answers of version %i, wherever they were cut on their way', async (version) => {
    const cut = integer({ min: 0, max: 400 })
    await assert(
      asyncProperty(uint8Array({ maxLength: 300 }), cut, cut, async (records, a, b) => {
        const bytes = answerOf(version, records)
        const pieces = [a, b].map((at) => Math.min(at, bytes.byteLength)).sort((x, y) => x - y)
        const { answer } = await speak(version, bytes, pieces)
        const topic = version >= 13 ? topicId : 'orders'
        const common = { topic, highWatermark: 2 ** 40, lastStableOffset: 2 ** 33, logStartOffset: -1 }
        const diverging = version >= 12 ? { diverging: { epoch: 4, endOffset: 2 ** 33 + 3 } } : {}
        expect(answer.errorCode).toBe(0)
        expect(answer.partitions.map((partition) => ({ ...partition, records: [...partition.records] }))).toEqual([
          {
            ...common,
            ...diverging,
            partition: 3,
            errorCode: 0,
            aborted: [{ producerId: 5n, firstOffset: 2 ** 33 }],
            records: [...records],
          },
          { ...common, partition: 130, errorCode: 6, aborted: [], records: [] },
        ])
      }),
      { numRuns: 50 },
    )
  })

  it('refuse an answer that is shorter than it says', async () => {
    const bytes = answerOf(17, Buffer.alloc(100))
    for (let length = 0; length < bytes.byteLength - 1; length += 7) {
      await expect(speak(17, bytes.subarray(0, length))).rejects.toThrow('a fetch answer is shorter than it says')
    }
  })
})
