import * as fc from 'fast-check'
import type { MessageBatch } from '../../src/batch/batch.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import { headersAt, idAt, keyAt, valueAt } from '../../src/batch/view.ts'

/** A message as plain values that `toEqual` compares: bytes as arrays of numbers. */
export interface PlainMessage {
  readonly position: number
  readonly timestamp: number
  readonly key: readonly number[] | null
  readonly value: readonly number[] | null
  readonly id: string | null
  readonly headers: readonly { readonly name: string; readonly value: readonly number[] | null }[]
}

const bytes = fc.uint8Array({ maxLength: 40 })
// Well-formed text of every plane, empty text, NUL and what decoders take for a byte order mark included.
const text = fc.oneof(
  { weight: 9, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  fc.constantFrom('\ufeff', '\ufeffmark'),
)
const timestamp = fc.oneof(
  fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 }),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -1, 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
)

/** Messages with rising positions, gaps, nulls, empty fields, repeated header names and extreme numbers. */
export const messagesArbitrary = (options: { minLength?: number; maxLength?: number } = {}): fc.Arbitrary<MessageInput[]> =>
  fc
    .tuple(
      fc.oneof(fc.nat(1000), fc.constantFrom(0, 2 ** 31 - 3, 2 ** 32 - 3, Number.MAX_SAFE_INTEGER - 1_000_000)),
      fc.array(
        fc.record({
          gap: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1000 })),
          timestamp,
          key: fc.option(bytes),
          value: fc.option(bytes),
          id: fc.option(text),
          headers: fc.array(fc.record({ name: fc.oneof(text, fc.constantFrom('type', 'trace')), value: fc.option(bytes) }), {
            maxLength: 5,
          }),
        }),
        { minLength: 0, maxLength: 40, ...options },
      ),
    )
    .map(([first, messages]) => {
      let position = first
      return messages.map(({ gap, ...message }) => ({ ...message, position: (position += gap) }))
    })

/** The same, with values of this kind. */
export const withValues = (value: fc.Arbitrary<string | null>): fc.Arbitrary<MessageInput[]> =>
  fc
    .tuple(messagesArbitrary({ minLength: 1 }), fc.infiniteStream(value))
    .map(([messages, values]) => messages.map((message) => ({ ...message, timestamp: 0, value: values.next().value })))

const encoder = new TextEncoder()
const plainBytes = (content: Uint8Array | string | null | undefined) =>
  content === null || content === undefined ? null : [...(typeof content === 'string' ? encoder.encode(content) : content)]

/** What a batch of this message must give back. */
export const plainMessage = (message: MessageInput): PlainMessage => ({
  position: message.position,
  timestamp: message.timestamp,
  key: plainBytes(message.key),
  value: plainBytes(message.value),
  id: message.id ?? null,
  headers: (message.headers ?? []).map(({ name, value }) => ({ name, value: plainBytes(value) })),
})

/** The messages of a batch as plain values. */
export const plainMessages = (batch: MessageBatch): PlainMessage[] =>
  Array.from({ length: batch.count }, (_, row) => ({
    position: batch.positions[row]!,
    timestamp: batch.timestamps[row]!,
    key: plainBytes(keyAt(batch, row)),
    value: plainBytes(valueAt(batch, row)),
    id: idAt(batch, row),
    headers: headersAt(batch, row).map(({ name, value }) => ({ name, value: plainBytes(value) })),
  }))
