import { setImmediate as nextTurn } from 'node:timers/promises'
import { selectRows, sliceBatch } from '../batch/batch.ts'
import type { MessageBatch } from '../batch/batch.ts'
import type { ReadValue } from '../values/decoded.ts'
import type { Range } from './condition.ts'
import type { RowTest } from './row-test.ts'

/** The messages within the positions; the batch itself where that is all of it. */
export function byPosition(batch: MessageBatch, { from, to }: Range): MessageBatch {
  const first = firstRowFrom(batch, from)
  const end = firstRowFrom(batch, to)
  return first === 0 && end === batch.count ? batch : sliceBatch(batch, first, Math.max(first, end))
}

/** The first row whose position is `position` or behind it; `count` where there is none. */
export function firstRowFrom({ positions, count }: MessageBatch, position: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (positions[middle]! < position) low = middle + 1
    else high = middle
  }
  return low
}

/** The messages that pass all tests; undefined where there are none. */
export function selectMatching(batch: MessageBatch, tests: readonly RowTest[], value: ReadValue): MessageBatch | undefined {
  const rows = new Int32Array(batch.count)
  return selected(batch, rows, findRows(batch, tests, value, { rows, found: 0, row: 0 }, Infinity))
}

/** For how long others wait at the most, but for the test of one row. */
const TURN_MS = 10

/** The same for tests that may take long: others have their turn between rows, and it ends when `signal` aborts. */
export async function selectInTurns(
  batch: MessageBatch,
  tests: readonly RowTest[],
  value: ReadValue,
  signal: AbortSignal,
): Promise<MessageBatch | undefined> {
  const rows = new Int32Array(batch.count)
  const state = { rows, found: 0, row: 0 }
  for (;;) {
    findRows(batch, tests, value, state, performance.now() + TURN_MS)
    if (state.row === batch.count) return selected(batch, rows, state.found)
    await nextTurn()
    signal.throwIfAborted()
  }
}

interface Finding {
  readonly rows: Int32Array
  found: number
  row: number
}

/** Goes on from the row where it is, until the last one or past `untilMs`; gives how many were found. */
function findRows(batch: MessageBatch, tests: readonly RowTest[], value: ReadValue, state: Finding, untilMs: number): number {
  for (; state.row < batch.count; state.row++) {
    let matches = true
    for (let t = 0; matches && t < tests.length; t++) matches = tests[t]!(batch, state.row, value)
    if (matches) state.rows[state.found++] = state.row
    if (untilMs !== Infinity && performance.now() > untilMs) {
      state.row++
      break
    }
  }
  return state.found
}

function selected(batch: MessageBatch, rows: Int32Array, found: number): MessageBatch | undefined {
  if (found === 0) return undefined
  if (found === batch.count) return batch
  const first = rows[0]!
  if (rows[found - 1]! - first === found - 1) return sliceBatch(batch, first, first + found)
  return selectRows(batch, rows.subarray(0, found))
}
