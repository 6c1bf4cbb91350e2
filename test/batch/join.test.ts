import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sliceBatch } from '../../src/batch/batch.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { joinBatches } from '../../src/batch/join.ts'
import { messagesArbitrary, plainMessage, plainMessages } from './message-arbitrary.ts'

describe('joinBatches', () => {
  it('gives the messages of all batches, however they were cut', () => {
    const cuts = fc.array(fc.nat(), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(messagesArbitrary({ minLength: 1 }), cuts, (messages, cuts) => {
        const batch = batchOf(messages)
        const rows = [0, ...cuts.map((cut) => cut % (batch.count + 1)), batch.count].sort((a, b) => a - b)
        const parts = rows.slice(1).map((to, i) => sliceBatch(batch, rows[i]!, to))
        const joined = joinBatches(parts)
        expect(plainMessages(joined)).toEqual(messages.map(plainMessage))
        expect(joined.headerFrom).toHaveLength(joined.count + 1)
      }),
    )
  })

  it('leaves behind what a batch shares with others and does not need', () => {
    const value = 'x'.repeat(100_000)
    const batch = batchOf([1, 2, 3].map((position) => ({ position, timestamp: 0, key: `k${position}`, value })))
    const keys = { ...batch, valueStart: batch.valueStart.map(() => -1), valueEnd: batch.valueEnd.map(() => -1) }
    const joined = joinBatches([sliceBatch(keys, 0, 1), sliceBatch(keys, 2, 3)])
    expect(joined.bytes.byteLength).toBe(4)
    expect(plainMessages(joined).map(({ position }) => position)).toEqual([1, 3])
  })

  it('gives a single batch as it is', () => {
    const batch = batchOf([{ position: 1, timestamp: 1, value: 'a' }])
    expect(joinBatches([batch])).toBe(batch)
  })
})
