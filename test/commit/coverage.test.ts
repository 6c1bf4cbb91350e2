import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import type { DeadLetter, Gap } from '../../src/commit/commit.ts'
import { coverageFaults, PositionRuns } from '../../src/commit/coverage.ts'

const runsOf = (...parts: (readonly number[])[]) => {
  const runs = new PositionRuns()
  for (const positions of parts) runs.add(batchOf(positions.map((position) => ({ position, timestamp: 0 }))))
  return runs
}

/** What a position of a commit is: `loose` ones are neither there nor explained. */
const kinds = fc.array(fc.constantFrom('message', 'letter', 'gap'), { minLength: 1, maxLength: 40 })

function commitOf(what: readonly string[], firstPosition: number) {
  const at = (kind: string) => what.flatMap((one, i) => (one === kind ? [firstPosition + i] : []))
  const deadLetters: DeadLetter[] = at('letter').map((position) => ({ position, reason: '' }))
  const missing = at('gap')
  // One wide gap: it may hold messages and dead letters between what it misses.
  const gaps: Gap[] =
    missing.length === 0
      ? []
      : [{ firstPosition: missing[0]!, nextPosition: missing.at(-1)! + 1, missing: missing.length, reason: 'skipped' }]
  return { commit: { firstPosition, nextPosition: firstPosition + what.length, gaps, deadLetters }, messages: at('message') }
}

describe('coverageFaults', () => {
  it('is nothing where every position is a message, missing or a dead letter, however the messages are spread', () => {
    fc.assert(
      fc.property(kinds, fc.nat(1000), fc.integer({ min: 1, max: 4 }), (what, first, ways) => {
        const { commit, messages } = commitOf(what, first)
        const parts = Array.from({ length: ways }, (_, way) => messages.filter((_, i) => i % ways === way))
        expect(coverageFaults(commit, runsOf(...parts))).toEqual([])
      }),
    )
  })

  it('tells every position that is taken away or there twice', () => {
    fc.assert(
      fc.property(kinds, fc.nat(1000), fc.nat(), (what, first, pick) => {
        const { commit, messages } = commitOf(what, first)
        fc.pre(messages.length > 0)
        const position = messages[pick % messages.length]!
        const without = messages.filter((one) => one !== position)
        expect(coverageFaults(commit, runsOf(without))).not.toEqual([])
        expect(coverageFaults(commit, runsOf(messages, [position]))).toMatchObject([{ position }])
      }),
    )
  })

  it('tells messages where a dead letter or a missing position should be, and outside of the commit', () => {
    const { commit, messages } = commitOf(['message', 'letter', 'gap', 'message'], 10)
    expect(coverageFaults(commit, runsOf(messages))).toEqual([])
    expect(coverageFaults(commit, runsOf([10, 11, 13]))).toMatchObject([{ position: 11 }])
    expect(coverageFaults(commit, runsOf([10, 12, 13]))).toMatchObject([{ position: 12 }])
    expect(coverageFaults(commit, runsOf([9, 10, 13]))).toMatchObject([{ position: 9 }])
    expect(coverageFaults(commit, runsOf([10, 13, 14]))).toMatchObject([{ position: 14 }])
  })
})
