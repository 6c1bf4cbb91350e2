import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { createChecker } from './check.ts'
import { createLedger } from './ledger.ts'
import { messageOf } from './message.ts'

const START_MS = 1_700_000_000_000

/** Two partitions: in the first ten messages are acknowledged at offset 100, two are not, ten more at offset 112; in the second one is, at 0. */
function ledgerOf() {
  const ledger = createLedger(2)
  ledger.add(0, { first: 0, count: 10, baseOffset: 100 })
  ledger.add(0, { first: 10, count: 2, baseOffset: undefined })
  ledger.add(0, { first: 12, count: 10, baseOffset: 112 })
  ledger.add(1, { first: 0, count: 1, baseOffset: 0 })
  return ledger
}

const found = (number: number, position = 100 + number, partition = 0) => ({
  ...messageOf({ partition, number }, START_MS),
  position,
})
const all = Array.from({ length: 22 }, (_, number) => found(number))
const second = found(0, 0, 1)

function reportOf(first: readonly ReturnType<typeof found>[], atOffsets = true) {
  const checker = createChecker(ledgerOf(), { startMs: START_MS, atOffsets })
  if (first.length > 0) checker.add(0, batchOf(first))
  checker.add(1, batchOf([second]))
  const { digests: _, examples: __, ...counts } = checker.report()
  return counts
}

const CLEAN = { found: 23, lost: 0, doubled: 0, changed: 0, misplaced: 0, foreign: 0, unacknowledgedFound: 2 }

describe('the comparison of what was found with what was sent', () => {
  it.each([
    ['all of it is clean', all, {}],
    ['what was not acknowledged may be missing', [...all.slice(0, 10), ...all.slice(12)], { found: 21, unacknowledgedFound: 0 }],
    ['an acknowledged one that is missing is lost', [...all.slice(0, 3), ...all.slice(4)], { found: 22, lost: 1 }],
    ['nothing at all is all lost', [], { found: 1, lost: 20, unacknowledgedFound: 0 }],
    ['an acknowledged one twice is doubled', [...all, found(21, 122)], { found: 24, doubled: 1, misplaced: 1 }],
    ['one that was not acknowledged twice is doubled', [...all, found(10, 122), found(10, 123)], { found: 25, doubled: 2 }],
    ['another value is changed', [...all.slice(0, 21), { ...all[21]!, value: Buffer.from('x') }], { changed: 1 }],
    ['null for an empty value is changed', all.map((one) => ({ ...one, value: one.value ?? Buffer.alloc(0) })), { changed: 1 }],
    ['another timestamp is changed', [...all.slice(0, 21), { ...all[21]!, timestamp: 1 }], { changed: 1 }],
    ['a header less is changed', [...all.slice(0, 21), { ...all[21]!, headers: [] }], { changed: 1 }],
    ['another offset is misplaced', [...all.slice(0, 21), found(21, 122)], { misplaced: 1 }],
    [
      'a message of the other partition is misplaced, and there twice',
      [...all, found(0, 122, 1)],
      { found: 24, doubled: 1, misplaced: 1 },
    ],
    ['one that was never sent is foreign', [...all, found(22, 122)], { found: 24, foreign: 1 }],
  ])('%s', (_, messages, difference) => {
    expect(reportOf(messages)).toEqual({ ...CLEAN, ...difference })
  })

  it('sees two that changed places, wherever they may lie', () => {
    const swapped = [...all.slice(0, 20), found(21, 120), found(20, 121)]
    expect(reportOf(swapped, false)).toEqual({ ...CLEAN, misplaced: 1 })
  })

  it('gives equal digests for equal contents, and others for another order', () => {
    const digestOf = (messages: typeof all) => {
      const checker = createChecker(ledgerOf(), { startMs: START_MS, atOffsets: false })
      checker.add(0, batchOf(messages))
      return checker.report().digests[0]
    }
    const moved = all.map((one, at) => ({ ...one, position: 7 + 2 * at }))
    expect(digestOf(moved)).toBe(digestOf(all))
    expect(digestOf([found(1, 0), found(0, 1)])).not.toBe(digestOf([found(0, 0), found(1, 1)]))
  })
})
