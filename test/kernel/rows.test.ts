import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sliceBatch } from '../../src/batch/batch.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { writeJsonLines } from '../../src/encode/json-lines.ts'
import { Growing } from '../../src/encode/growing.ts'
import { RawBlockBuilder } from '../../src/encode/raw-block.ts'
import { SLACK_BYTES } from '../../src/kernel/kernel.ts'
import { partitionKeys } from '../../src/kernel/partition.ts'
import { withRows } from '../../src/kernel/rows.ts'
import { messagesArbitrary } from '../batch/message-arbitrary.ts'
import { writeRecordsTwin } from './avro-twin.ts'
import { CountedBytes, scattered } from './scattered.ts'

const MB = 1_000_000
const origin = { topic: 'orders', lane: '0' }

function recordsOf(batch: Parameters<RawBlockBuilder['append']>[0]) {
  const records = new Growing(new Uint8Array(0))
  const builder = new RawBlockBuilder(['key', 'id', 'header:type'], { blockBytes: Infinity, records })
  expect(builder.append(batch, 0)).toBe(batch.count)
  return { ...builder.seal(), bytes: records.filled }
}

/** Places spans one behind the other with what `gap` says between them, or where the same content went before. */
function layout(gap: () => number, isShared: () => boolean) {
  const before = new Map<string, number>()
  let used = 0
  return (length: number, content: string) => {
    const known = before.get(content)
    if (known !== undefined && isShared()) return known
    used += gap()
    before.set(content, used)
    used += length
    return used - length
  }
}

describe('rows of a batch whose bytes lie far apart', () => {
  it('are encoded, hashed, partitioned and written as JSON as if they lay together', () => {
    const gap = fc.oneof(fc.constant(0), fc.nat(600), fc.nat(20_000))
    fc.assert(
      fc.property(messagesArbitrary({ minLength: 1 }), fc.gen(), (messages, choose) => {
        const place = layout(
          () => choose(() => gap),
          () => choose(fc.boolean),
        )
        const sparse = scattered(messages, 10 * MB, place)
        const dense = batchOf(messages)
        expect(Buffer.compare(recordsOf(sparse).bytes, writeRecordsTwin(messages))).toBe(0)
        expect(recordsOf(sparse)).toEqual(recordsOf(dense))
        expect(Buffer.compare(writeJsonLines(sparse, origin), writeJsonLines(dense, origin))).toBe(0)
        expect(partitionKeys(sparse, 7)).toEqual(partitionKeys(dense, 7))
      }),
      { numRuns: 200 },
    )
  })

  /** Messages one behind the other from `distance` on, whose headers share bytes at the beginning. */
  function shared(distance: number) {
    const messages = Array.from({ length: 5000 }, (_, i): MessageInput => ({
      position: i,
      timestamp: i,
      key: `customer-${i}`,
      value: `{"number":${i},"text":"${'x'.repeat(i % 300)}"}`,
      headers: [
        { name: 'type', value: 'order' },
        { name: 'source', value: `web-${i % 7}` },
      ],
    }))
    let shared = 0
    let own = distance
    const places = new Map<string, number>()
    const place = (length: number, content: string) => {
      if (content.startsWith('customer') || content.startsWith('{')) return (own += length) - length
      if (!places.has(content)) places.set(content, (shared += length) - length)
      return places.get(content)!
    }
    return { messages, batch: scattered(messages, distance + 2 * MB, place) }
  }

  it.each([
    { what: 'records', act: recordsOf },
    { what: 'JSON lines', act: (batch: Parameters<typeof recordsOf>[0]) => writeJsonLines(batch, origin) },
    { what: 'partitions', act: (batch: Parameters<typeof recordsOf>[0]) => partitionKeys(batch, 3) },
  ])('cost the same for $what however far away shared bytes are', ({ act }) => {
    const [near, far] = [shared(4 * MB), shared(100 * MB)]
    expect(act(far.batch)).toEqual(act(batchOf(far.messages)))
    act(near.batch)
    const own = 5000 * 200
    expect(far.batch.bytes.copied).toBe(near.batch.bytes.copied)
    expect(far.batch.bytes.copied).toBeGreaterThan(own / 2)
    expect(far.batch.bytes.copied).toBeLessThan(own * 1.1)
  })

  it('are loaded many at once, wherever they lie', () => {
    const { batch } = shared(100 * MB)
    const loaded = withRows(
      batch,
      1000,
      () => SLACK_BYTES,
      ({ nextRow, loadedBytes }) => ({ nextRow, loadedBytes }),
    )
    expect(loaded.nextRow).toBeGreaterThan(1900)
    expect(loaded.loadedBytes).toBeLessThan(1024 * 250)
  })

  it('are loaded as they are where most of the bytes are theirs', () => {
    const { messages } = shared(0)
    const dense = batchOf(messages)
    const counted = { ...dense, bytes: new CountedBytes(dense.bytes) }
    recordsOf(counted)
    expect(counted.bytes.copied).toBe(dense.bytes.byteLength)
  })

  it('may be few: each reads only its own bytes', () => {
    const { messages, batch } = shared(100 * MB)
    for (const row of [0, 4999]) {
      const line = writeJsonLines(sliceBatch(batch, row, row + 1), origin)
      expect(Buffer.compare(line, writeJsonLines(batchOf([messages[row]!]), origin))).toBe(0)
    }
    expect(batch.bytes.copied).toBeLessThan(2000)
  })
})
