import { describe, expect, it } from 'vitest'
import { closeLargest } from '../../src/batch/close-largest.ts'

function closed(held: readonly number[], isWorthFrom: number, reclaimBytes: number): number[] {
  const found: number[] = []
  closeLargest(held, { isWorthFrom, reclaimBytes, bytesOf: (bytes) => bytes, close: (bytes) => found.push(bytes) })
  return found
}

describe('closeLargest', () => {
  it.each([
    {
      what: 'the largest until enough is given back',
      held: [10, 40, 30, 20],
      isWorthFrom: 100,
      reclaimBytes: 50,
      expected: [40, 30],
    },
    { what: 'none while they hold little together', held: [10, 40, 30, 19], isWorthFrom: 100, reclaimBytes: 50, expected: [] },
    {
      what: 'all where that is not enough, but for those without anything',
      held: [0, 5, 0, 6],
      isWorthFrom: 11,
      reclaimBytes: 50,
      expected: [6, 5],
    },
    { what: 'none of none', held: [], isWorthFrom: 0, reclaimBytes: 1, expected: [] },
  ])('closes $what', ({ held, isWorthFrom, reclaimBytes, expected }) => {
    expect(closed(held, isWorthFrom, reclaimBytes)).toEqual(expected)
  })
})
