import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createHeap } from '../../src/commit/heap.ts'

describe('a heap', () => {
  it('gives the least of what is in it, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 50 }))), (steps) => {
        const heap = createHeap<number>((left, right) => left < right)
        let model: number[] = []
        for (const step of steps) {
          if (step === null) {
            heap.removeFirst()
            model = model.slice(1)
          } else {
            heap.add(step)
            model = [...model, step].sort((a, b) => a - b)
          }
          expect(heap.first).toBe(model[0])
        }
      }),
    )
  })
})
