import type { MessageBatch } from '../../batch/batch.ts'
import { REPLAY_HEADERS } from '../../replay/marks.ts'
import { flightNumberOf } from './flights.ts'

/** What came out, held against what went in. */
export interface Comparison {
  /** Takes messages that came out, in the order in which their lane gave them. */
  take(lane: string, batch: MessageBatch): void
  /** Messages taken so far. */
  readonly count: number
  /** True where each message that was expected came out once, byte for byte and in its lane's order, and nothing else did. */
  isEqual(): boolean
}

/**
 * Expects the rows of `input` for which `isExpected` holds, by id. A message may have the headers of a replay behind its own.
 */
export function createComparison(input: MessageBatch, isExpected: (row: number) => boolean): Comparison {
  const seen = new Uint8Array(input.count)
  const lastRows = new Map<string, number>()
  let count = 0
  let faults = 0
  return {
    get count() {
      return count
    },
    take(lane, batch) {
      for (let row = 0; row < batch.count; row++) {
        const number = flightNumberOf(batch, row)
        const isRight =
          number !== undefined &&
          number < input.count &&
          seen[number] === 0 &&
          isExpected(number) &&
          number > (lastRows.get(lane) ?? -1) &&
          isSameMessage(input, number, batch, row)
        count += 1
        if (!isRight) faults += 1
        else {
          seen[number] = 1
          lastRows.set(lane, number)
        }
      }
    },
    isEqual() {
      let expected = 0
      for (let row = 0; row < input.count; row++) if (isExpected(row)) expected += 1
      return faults === 0 && count === expected
    },
  }
}

function isSameMessage(a: MessageBatch, i: number, b: MessageBatch, j: number): boolean {
  return (
    a.timestamps[i] === b.timestamps[j] &&
    isSameSpan(a, a.keyStart[i]!, a.keyEnd[i]!, b, b.keyStart[j]!, b.keyEnd[j]!) &&
    isSameSpan(a, a.valueStart[i]!, a.valueEnd[i]!, b, b.valueStart[j]!, b.valueEnd[j]!) &&
    isSameSpan(a, a.idStart[i]!, a.idEnd[i]!, b, b.idStart[j]!, b.idEnd[j]!) &&
    hasSameHeaders(a, i, b, j)
  )
}

/** The headers of the one are those of the other; behind them nothing, or the marks of one replay. */
function hasSameHeaders(a: MessageBatch, i: number, b: MessageBatch, j: number): boolean {
  const own = a.headerFrom[i + 1]! - a.headerFrom[i]!
  const added = b.headerFrom[j + 1]! - b.headerFrom[j]! - own
  if (added !== 0 && added !== REPLAY_HEADERS.length) return false
  for (let h = 0; h < own; h++) {
    const x = a.headerFrom[i]! + h
    const y = b.headerFrom[j]! + h
    if (!isSameSpan(a, a.headerNameStart[x]!, a.headerNameEnd[x]!, b, b.headerNameStart[y]!, b.headerNameEnd[y]!)) return false
    if (!isSameSpan(a, a.headerValueStart[x]!, a.headerValueEnd[x]!, b, b.headerValueStart[y]!, b.headerValueEnd[y]!))
      return false
  }
  return true
}

// Six numbers in the innermost loop, where objects for the spans would cost more than comparing them.
function isSameSpan(a: MessageBatch, aStart: number, aEnd: number, b: MessageBatch, bStart: number, bEnd: number): boolean {
  if (aStart < 0 || bStart < 0) return aStart < 0 && bStart < 0
  if (aEnd - aStart !== bEnd - bStart) return false
  for (let x = aStart, y = bStart; x < aEnd; x++, y++) if (a.bytes[x] !== b.bytes[y]) return false
  return true
}
