import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { heldBytes, payloadBytes, selectRows, sliceBatch } from '../../src/batch/batch.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { messagesArbitrary, type PlainMessage, plainMessage, plainMessages } from './message-arbitrary.ts'

const encoder = new TextEncoder()
const bytesOf = ({ key, value, id, headers }: PlainMessage) =>
  (key?.length ?? 0) +
  (value?.length ?? 0) +
  (id === null ? 0 : encoder.encode(id).byteLength) +
  headers.reduce((sum, header) => sum + encoder.encode(header.name).byteLength + (header.value?.length ?? 0), 0)

describe('sliceBatch', () => {
  it('gives the messages between two rows, whatever was cut before', () => {
    fc.assert(
      fc.property(messagesArbitrary(), fc.nat(), fc.nat(), fc.nat(), (messages, a, b, c) => {
        const [from, middle, to] = [a, b, c].map((n) => n % (messages.length + 1)).sort((x, y) => x - y) as [
          number,
          number,
          number,
        ]
        const expected = messages.map(plainMessage)
        const cut = sliceBatch(batchOf(messages), from, to)
        expect(plainMessages(cut)).toEqual(expected.slice(from, to))
        expect(plainMessages(sliceBatch(cut, middle - from, to - from))).toEqual(expected.slice(middle, to))
      }),
    )
  })
  it('shares bytes and columns', () => {
    const batch = batchOf([
      { position: 1, timestamp: 1, value: 'a' },
      { position: 2, timestamp: 2, value: 'b' },
    ])
    const cut = sliceBatch(batch, 1, 2)
    expect(cut.bytes).toBe(batch.bytes)
    expect(cut.positions.buffer).toBe(batch.positions.buffer)
  })
})

describe('selectRows', () => {
  it('gives the messages at the rows, also of a slice, and repacks their headers', () => {
    fc.assert(
      fc.property(messagesArbitrary({ minLength: 1 }), fc.nat(), fc.infiniteStream(fc.boolean()), (messages, start, picks) => {
        const from = start % messages.length
        const part = sliceBatch(batchOf(messages), from, messages.length)
        const rows = Int32Array.from({ length: part.count }, (_, row) => row).filter(() => picks.next().value === true)
        const selected = selectRows(part, rows)
        expect(plainMessages(selected)).toEqual(Array.from(rows, (row) => plainMessage(messages[from + row]!)))
        expect(selected.headerFrom[0]).toBe(0)
        expect(selected.headerNameStart).toHaveLength(selected.headerFrom[selected.count]!)
      }),
    )
  })
})

describe('payloadBytes', () => {
  it('counts keys, values, ids and headers of the messages of the batch alone', () => {
    fc.assert(
      fc.property(messagesArbitrary(), fc.nat(), (messages, cut) => {
        const from = cut % (messages.length + 1)
        const expected = messages.slice(from).reduce((sum, message) => sum + bytesOf(plainMessage(message)), 0)
        expect(payloadBytes(sliceBatch(batchOf(messages), from, messages.length))).toBe(expected)
      }),
    )
  })
  it('is 0 for messages of nulls and empty fields', () => {
    expect(
      payloadBytes(batchOf([{ position: 0, timestamp: 0, key: '', value: null, id: '', headers: [{ name: '', value: null }] }])),
    ).toBe(0)
  })
})

describe('heldBytes', () => {
  it('counts all the bytes that a slice keeps alive, not only those it points at', () => {
    const batch = batchOf(Array.from({ length: 100 }, (_, i) => ({ position: i, timestamp: 0, value: 'x'.repeat(1000) })))
    const cut = sliceBatch(batch, 99, 100)
    expect(payloadBytes(cut)).toBe(1000)
    expect(heldBytes(cut)).toBeGreaterThanOrEqual(batch.bytes.byteLength)
    expect(heldBytes(batch)).toBeGreaterThan(heldBytes(cut))
  })
})
