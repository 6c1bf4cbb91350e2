import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type MessageBatch, sliceBatch } from '../../src/batch/batch.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { markMessages } from '../../src/batch/mark.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { type ReplayOrigin, replayMarks } from '../../src/replay/marks.ts'

const encoder = new TextEncoder()
const origin = { job: 'job-1', topic: 'orders/été', lane: '3' }

const markReplay = (batch: MessageBatch, of: ReplayOrigin) => markMessages(batch, replayMarks(of))

const marksOf = (position: number) => [
  { name: 'millpond-replay-job', value: encoder.encode('job-1') },
  { name: 'millpond-origin-topic', value: encoder.encode('orders/été') },
  { name: 'millpond-origin-lane', value: encoder.encode('3') },
  { name: 'millpond-origin-position', value: encoder.encode(String(position)) },
]

const bytes = fc.option(fc.uint8Array({ maxLength: 20 }))
const messageList = fc
  .uniqueArray(
    fc.record({
      position: fc.oneof(fc.maxSafeNat(), fc.nat(), fc.constantFrom(Number.MAX_SAFE_INTEGER, 2 ** 31)),
      timestamp: fc.integer(),
      key: bytes,
      value: bytes,
      id: fc.option(fc.string({ unit: 'binary' })),
      headers: fc.array(fc.record({ name: fc.string({ unit: 'binary' }), value: bytes }), { maxLength: 4 }),
    }),
    { selector: ({ position }) => position, maxLength: 20 },
  )
  .map((messages): MessageInput[] => messages.toSorted((a, b) => a.position - b.position))

describe('marks of a replay', () => {
  it('adds job, topic, lane and position behind the headers of each message and changes nothing else', () => {
    fc.assert(
      fc.property(messageList, fc.nat(), fc.nat(), (messages, a, b) => {
        const whole = batchOf(messages)
        const from = Math.min(a, b) % (whole.count + 1)
        const batch = sliceBatch(whole, from, whole.count)
        const before = [...messagesOf(batch)]
        const marked = [...messagesOf(markReplay(batch, origin))]
        expect(marked).toEqual(
          before.map((message) => ({ ...message, headers: [...message.headers, ...marksOf(message.position)] })),
        )
        expect([...messagesOf(batch)]).toEqual(before)
      }),
    )
  })

  it.each([0, 9, 10, 99_999, 2 ** 31 - 1, 2 ** 31, 10_000_000_000, 999_999_999_999_999, 10 ** 15, Number.MAX_SAFE_INTEGER])(
    'writes position %d as decimal text',
    (position) => {
      const [message] = messagesOf(markReplay(batchOf([{ position, timestamp: 0 }]), origin))
      expect(new TextDecoder().decode(message!.headers.at(-1)!.value)).toBe(String(position))
    },
  )

  it('keeps the marks of an earlier replay before the new ones', () => {
    const once = markReplay(batchOf([{ position: 5, timestamp: 0, value: 'v' }]), { job: 'first', topic: 'a', lane: '0' })
    const [message] = messagesOf(markReplay(once, origin))
    expect(message!.headers.map(({ name }) => name)).toEqual([...Array(2)].flatMap(() => marksOf(5).map(({ name }) => name)))
    expect(message!.headers.slice(4)).toEqual(marksOf(5))
    expect(new TextDecoder().decode(message!.headers[0]!.value)).toBe('first')
  })
})
