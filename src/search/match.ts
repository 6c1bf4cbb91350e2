import { selectRows, sliceBatch } from '../batch/batch.ts'
import type { MessageBatch } from '../batch/batch.ts'
import type { SegmentRange } from '../index/segment-directory.ts'
import type { MessageQuery } from './query.ts'

/** Gives the messages of a batch that the query asks for, undefined where there are none. */
export type Matcher = (batch: MessageBatch, range: SegmentRange) => MessageBatch | undefined

/** Whether all of what lies in these ranges is within the query's ranges. */
export function isWithin(range: SegmentRange, { positions = {}, timestamps = {} }: MessageQuery): boolean {
  return (
    range.firstPosition >= (positions.from ?? -Infinity) &&
    range.lastPosition < (positions.to ?? Infinity) &&
    range.minTimestamp >= (timestamps.from ?? -Infinity) &&
    range.maxTimestamp < (timestamps.to ?? Infinity)
  )
}

/** Whether the row of the batch is meant. */
type RowTest = (batch: MessageBatch, row: number) => boolean

/** Compares rows on their bytes; a batch that is meant as a whole is given on as it is. */
export function createMatcher(query: MessageQuery): Matcher {
  const content = contentTests(query)
  const { from = -Infinity, to = Infinity } = query.timestamps ?? {}
  const inTime: RowTest = ({ timestamps }, row) => timestamps[row]! >= from && timestamps[row]! < to
  return (batch, range) => {
    if (content.length === 0 && isWithin(range, query)) return batch
    const part = byPosition(batch, query)
    const timed = range.minTimestamp < from || range.maxTimestamp >= to
    const tests = timed ? [inTime, ...content] : content
    return tests.length === 0 ? nonEmpty(part) : select(part, tests)
  }
}

const nonEmpty = (batch: MessageBatch): MessageBatch | undefined => (batch.count === 0 ? undefined : batch)

function byPosition(batch: MessageBatch, query: MessageQuery): MessageBatch {
  const { from = -Infinity, to = Infinity } = query.positions ?? {}
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

function select(batch: MessageBatch, tests: readonly RowTest[]): MessageBatch | undefined {
  const rows = new Int32Array(batch.count)
  let found = 0
  for (let row = 0; row < batch.count; row++) {
    let matches = true
    for (let t = 0; matches && t < tests.length; t++) matches = tests[t]!(batch, row)
    if (matches) rows[found++] = row
  }
  if (found === 0) return undefined
  if (found === batch.count) return batch
  const first = rows[0]!
  if (rows[found - 1]! - first === found - 1) return sliceBatch(batch, first, first + found)
  return selectRows(batch, rows.subarray(0, found))
}

function contentTests(query: MessageQuery): RowTest[] {
  const tests: RowTest[] = []
  const { key, id } = query
  if (key !== undefined) tests.push((batch, row) => equalAt(batch, batch.keyStart[row]!, batch.keyEnd[row]!, key))
  if (id !== undefined) {
    const bytes = new TextEncoder().encode(id)
    tests.push((batch, row) => equalAt(batch, batch.idStart[row]!, batch.idEnd[row]!, bytes))
  }
  for (const header of query.headers ?? []) tests.push(headerTest(new TextEncoder().encode(header.name), header.equals))
  return tests
}

function headerTest(name: Uint8Array, value: Uint8Array | undefined): RowTest {
  return (batch, row) => {
    const end = batch.headerFrom[row + 1]!
    for (let h = batch.headerFrom[row]!; h < end; h++) {
      if (!equalAt(batch, batch.headerNameStart[h]!, batch.headerNameEnd[h]!, name)) continue
      if (value === undefined || equalAt(batch, batch.headerValueStart[h]!, batch.headerValueEnd[h]!, value)) return true
    }
    return false
  }
}

/** Hot: most rows differ in length or in the last bytes, so those are looked at first. */
function equalAt({ bytes }: MessageBatch, start: number, end: number, wanted: Uint8Array): boolean {
  const length = wanted.byteLength
  if (start < 0 || end - start !== length) return false
  for (let i = length - 1; i >= 0; i--) if (bytes[start + i] !== wanted[i]) return false
  return true
}
