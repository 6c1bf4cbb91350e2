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
  let found = 0
  for (let row = 0; row < batch.count; row++) {
    let matches = true
    for (let t = 0; matches && t < tests.length; t++) matches = tests[t]!(batch, row, value)
    if (matches) rows[found++] = row
  }
  if (found === 0) return undefined
  if (found === batch.count) return batch
  const first = rows[0]!
  if (rows[found - 1]! - first === found - 1) return sliceBatch(batch, first, first + found)
  return selectRows(batch, rows.subarray(0, found))
}
