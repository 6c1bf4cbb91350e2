import { array, assert, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { groupRows } from '../../src/archive/group-rows.ts'

describe('rows by target', () => {
  it('lie group by group in the order of the first row of each, rising in each, without those that are left out', () => {
    assert(
      property(array(integer({ min: -1, max: 6 }), { maxLength: 60 }), (targetOf) => {
        const expected = new Map<number, number[]>()
        for (const [row, target] of targetOf.entries())
          if (target !== -1) expected.set(target, [...(expected.get(target) ?? []), row])
        const { rows, groups } = groupRows(targetOf.length, 7, (row) => targetOf[row]!)
        expect(groups.map(({ target, from, to }) => [target, [...rows.subarray(from, to)]])).toEqual([...expected])
        expect(rows).toHaveLength([...expected.values()].flat().length)
      }),
    )
  })
})
