import type { MessageBatch } from '../batch/batch.ts'
import { checkResult } from '../kernel/fault.ts'
import type { RecordRows } from '../kernel/record-read.ts'
import { withRows } from '../kernel/rows.ts'
import type { UnencodableMessage } from './avro-block.ts'
import { areShort, type BytesPart, lineWriter, type LineProgram, MAX_LINE_BYTES } from './line-program.ts'
import { withBeyondTime } from './record-times.ts'

/** What a part of every message must be for a format to hold it; null is anything. */
export interface LineCheck {
  readonly part: BytesPart
  readonly is: 'json' | 'utf8'
}

const columnOf: Readonly<Record<BytesPart, number>> = { key: 0, value: 2, id: 4 }
const kindOf = { json: 0, utf8: 1 } as const
const names = { json: 'no JSON', utf8: 'not UTF-8' } as const

/** Whether all messages pass the checks; 4 bytes a row behind them are written to. */
export function passAll(checks: readonly LineCheck[], { kernel, columns, count, bytesAt, free }: RecordRows): boolean {
  return checks.every(({ part, is }) => {
    const found = kernel.exports.findUnlike(columns.start, columns.count, count, columnOf[part], kindOf[is], bytesAt, free)
    return checkResult(found, 'INTERNAL', 'messages cannot be checked') === 0
  })
}

/** Messages that do not pass the checks, or whose line is too long: one entry a message, rising by row. */
export function findFailing(batch: MessageBatch, checks: readonly LineCheck[], program: LineProgram): UnencodableMessage[] {
  const reasons = new Map<number, string[]>()
  const note = (row: number, reason: string) => reasons.set(row, [...(reasons.get(row) ?? []), reason])
  if (checks.length > 0 || !areShort(program, batch)) {
    const writer = lineWriter(program)
    for (let from = 0; from < batch.count;) {
      from = withRows(
        batch,
        from,
        ({ columns }) => 4 * columns.count,
        (rows) => {
          const { kernel, columns, bytesAt, free, nextRow } = rows
          if (columns.count === 1 && writer.isTooLarge(rows)) note(from, `its line may have more than ${MAX_LINE_BYTES} bytes`)
          for (const { part, is } of checks) {
            const { start, count } = columns
            const found = kernel.exports.findUnlike(start, count, count, columnOf[part], kindOf[is], bytesAt, free)
            for (let i = 0; i < found; i++) note(from + kernel.i32[free / 4 + i]!, `the ${part} is ${names[is]}`)
          }
          return nextRow
        },
      )
    }
  }
  const found = [...reasons].map(([row, all]) => ({ row, reason: all.join(' and ') })).sort((a, b) => a.row - b.row)
  return withBeyondTime(batch, found)
}
