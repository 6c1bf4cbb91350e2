import { describe, expect, it } from 'vitest'
import { createSetMemory, setBytes } from '../../../src/adapters/kafka/fetch-memory.ts'

const KiB = 1024

describe('memory of record sets', () => {
  it.each([
    { bytes: 100, takes: 100, because: 'what is small is taken as it is' },
    { bytes: 66 * KiB, takes: 80 * KiB, because: 'little is wasted where partitions are many' },
    { bytes: 900 * KiB, takes: 1024 * KiB, because: 'one set fits in the memory of another' },
  ])('takes $takes for $bytes: $because', ({ bytes, takes }) => {
    const set = createSetMemory(0).take(bytes)
    expect(set.byteLength).toBe(bytes)
    expect(setBytes(set)).toBe(takes)
  })

  it('gives what was given back to the next that fits, and keeps no more than it may', () => {
    const memory = createSetMemory(100 * KiB)
    const [a, b, small] = [memory.take(33 * KiB), memory.take(60 * KiB), memory.take(100)]
    for (const set of [a, b, small]) memory.giveBack(set)
    expect(memory.take(40 * KiB).buffer).toBe(a.buffer)
    expect(memory.take(40 * KiB).buffer).not.toBe(b.buffer)
  })
})
