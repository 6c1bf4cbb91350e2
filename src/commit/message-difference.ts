import type { MessageBatch } from '../batch/batch.ts'

/** Which part of two messages differs, in words; undefined where they are equal in all but their position. */
export function messageDifference(
  left: MessageBatch,
  leftRow: number,
  right: MessageBatch,
  rightRow: number,
): string | undefined {
  if (left.timestamps[leftRow] !== right.timestamps[rightRow]) return 'timestamp'
  for (const part of ['key', 'value', 'id'] as const) {
    const isSame = isSameSpan(
      left,
      left[`${part}Start`][leftRow]!,
      left[`${part}End`][leftRow]!,
      right,
      right[`${part}Start`][rightRow]!,
      right[`${part}End`][rightRow]!,
    )
    if (!isSame) return part
  }
  const leftHeader = left.headerFrom[leftRow]!
  const rightHeader = right.headerFrom[rightRow]!
  const count = left.headerFrom[leftRow + 1]! - leftHeader
  if (right.headerFrom[rightRow + 1]! - rightHeader !== count) return 'number of headers'
  for (let i = 0; i < count; i++) if (!isSameHeader(left, leftHeader + i, right, rightHeader + i)) return 'headers'
  return undefined
}

const isSameHeader = (left: MessageBatch, l: number, right: MessageBatch, r: number): boolean =>
  isSameSpan(left, left.headerNameStart[l]!, left.headerNameEnd[l]!, right, right.headerNameStart[r]!, right.headerNameEnd[r]!) &&
  isSameSpan(
    left,
    left.headerValueStart[l]!,
    left.headerValueEnd[l]!,
    right,
    right.headerValueStart[r]!,
    right.headerValueEnd[r]!,
  )

/** Null is not empty. Plain arguments: it is asked several times for every message. */
function isSameSpan(
  left: MessageBatch,
  leftStart: number,
  leftEnd: number,
  right: MessageBatch,
  rightStart: number,
  rightEnd: number,
): boolean {
  if (leftStart < 0 || rightStart < 0) return leftStart < 0 && rightStart < 0
  const length = leftEnd - leftStart
  if (rightEnd - rightStart !== length) return false
  const { bytes: a } = left
  const { bytes: b } = right
  for (let i = 0; i < length; i++) if (a[leftStart + i] !== b[rightStart + i]) return false
  return true
}
