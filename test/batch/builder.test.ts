import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchBuilder, batchOf } from '../../src/batch/builder.ts'
import { headersAt, idAt, keyAt, messageAt, messagesOf, valueAt } from '../../src/batch/view.ts'
import { messagesArbitrary, plainMessage, plainMessages } from './message-arbitrary.ts'

describe('BatchBuilder', () => {
  it('gives back every message that was added, byte for byte', () => {
    fc.assert(
      fc.property(messagesArbitrary(), (messages) => {
        expect(plainMessages(batchOf(messages))).toEqual(messages.map(plainMessage))
      }),
    )
  })
  it('keeps null apart from empty in key, value, id and header value', () => {
    const batch = batchOf([
      { position: 0, timestamp: 0, key: null, value: null, id: null, headers: [{ name: 'a', value: null }] },
      { position: 1, timestamp: 0, key: '', value: '', id: '', headers: [{ name: 'a', value: '' }] },
      { position: 2, timestamp: 0 },
    ])
    expect([keyAt(batch, 0), valueAt(batch, 0), idAt(batch, 0), headersAt(batch, 0)[0]!.value]).toEqual([null, null, null, null])
    const empty = new Uint8Array(0)
    expect([keyAt(batch, 1), valueAt(batch, 1), idAt(batch, 1), headersAt(batch, 1)[0]!.value]).toEqual([empty, empty, '', empty])
    expect(messageAt(batch, 2)).toEqual({ position: 2, timestamp: 0, key: null, value: null, id: null, headers: [] })
  })
  it('keeps repeated header names and their order', () => {
    const headers = ['b', 'a', 'b', 'B', 'a'].map((name, i) => ({ name, value: String(i) }))
    const batch = batchOf([{ position: 0, timestamp: 0, headers }])
    expect(headersAt(batch, 0).map(({ name, value }) => [name, Buffer.from(value!).toString()])).toEqual(
      headers.map(({ name, value }) => [name, value]),
    )
  })
  it('copies: the caller may reuse its bytes', () => {
    const value = Uint8Array.of(1, 2, 3)
    const builder = new BatchBuilder()
    builder.add({ position: 0, timestamp: 0, value })
    value.fill(9)
    expect(valueAt(builder.build(), 0)).toEqual(Uint8Array.of(1, 2, 3))
  })
  it('says how much it holds and grows past its first room', () => {
    const builder = new BatchBuilder(4)
    for (let position = 0; position < 10; position++) builder.add({ position, timestamp: 0, key: 'key', value: 'value' })
    expect(builder).toMatchObject({ count: 10, bytes: 80 })
    expect([...messagesOf(builder.build())].map(({ value }) => Buffer.from(value!).toString())).toEqual(Array(10).fill('value'))
  })
  it.each([
    { positions: [1, 1], because: 'it is the same again' },
    { positions: [2, 1], because: 'it falls' },
    { positions: [-1], because: 'it is negative' },
    { positions: [0.5], because: 'it is no integer' },
    { positions: [2 ** 53], because: 'it is not safe' },
    { positions: [NaN], because: 'it is no number' },
  ])('refuses position $positions: $because', ({ positions }) => {
    const builder = new BatchBuilder()
    const add = () => {
      for (const position of positions) builder.add({ position, timestamp: 0 })
    }
    expect(add).toThrow(expect.objectContaining({ code: 'POSITION_INVALID' }))
  })
  it.each([0.5, 2 ** 53, NaN, -Infinity])('refuses the timestamp %d', (timestamp) => {
    expect(() => batchOf([{ position: 0, timestamp }])).toThrow(expect.objectContaining({ code: 'POSITION_INVALID' }))
  })
})
