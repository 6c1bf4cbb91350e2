import type { MessageBatch } from '../batch/batch.ts'
import { checkResult } from '../kernel/fault.ts'
import { SLACK_BYTES } from '../kernel/kernel.ts'
import type { MeasuredRows, RowWriter } from './row-writer.ts'

/** A part of a message that is bytes. */
export type BytesPart = 'key' | 'value' | 'id'

/** One thing that is written for a message; `src/kernel/assembly/lines.ts` says how each looks. */
export type LineStep =
  | { readonly write: 'literal'; readonly bytes: Uint8Array }
  | { readonly write: 'envelope' | 'position' | 'timestamp' | 'time' | 'csvHeaders' | 'csvPairs' | 'avroHeaders' }
  /** Values are text unless they are to be base64. */
  | { readonly write: 'headers'; readonly isBase64?: boolean }
  | { readonly write: 'bytes' | 'json' | 'text' | 'base64' | 'avroBytes'; readonly part: BytesPart }
  /** What is empty is quoted unless it is to be bare. */
  | { readonly write: 'csvBase64'; readonly part: BytesPart; readonly isBare?: boolean }
  | { readonly write: 'csvText'; readonly part: BytesPart; readonly separator: number }
  | { readonly write: 'csvField'; readonly path: readonly string[]; readonly separator: number }

type Write = LineStep['write']

/** The kernel's number of each step; how many times longer than what it writes of a message it may get; what a header adds to that. */
const kinds: Readonly<Record<Write, { readonly step: number; readonly growth: number; readonly headerBytes?: number }>> = {
  literal: { step: 0, growth: 0 },
  envelope: { step: 1, growth: 6, headerBytes: 48 },
  position: { step: 2, growth: 0 },
  timestamp: { step: 3, growth: 0 },
  time: { step: 4, growth: 0 },
  bytes: { step: 5, growth: 1 },
  json: { step: 6, growth: 1 },
  text: { step: 7, growth: 6 },
  base64: { step: 8, growth: 2 },
  csvText: { step: 9, growth: 2 },
  csvBase64: { step: 10, growth: 2 },
  headers: { step: 11, growth: 6, headerBytes: 48 },
  csvHeaders: { step: 12, growth: 12, headerBytes: 96 },
  csvPairs: { step: 13, growth: 2, headerBytes: 16 },
  csvField: { step: 14, growth: 5 },
  avroBytes: { step: 15, growth: 1 },
  avroHeaders: { step: 16, growth: 2, headerBytes: 32 },
}

/** Bytes that a step may take beside what it writes of the message: the envelope most of all. */
const STEP_FIXED_BYTES = 192
const STEP_WORDS = 3
const columnOf: Readonly<Record<BytesPart, number>> = { key: 0, value: 2, id: 4 }

/** What the kernel is told to write for each message. */
export interface LineProgram {
  readonly steps: readonly LineStep[]
  /** The words of the steps, and behind them what they point at. */
  readonly code: Uint8Array
  readonly growth: number
  readonly lineBytes: number
  readonly headerBytes: number
}

/** The program of these steps. */
export function lineProgram(steps: readonly LineStep[]): LineProgram {
  const words = new Int32Array(steps.length * STEP_WORDS)
  const texts: Uint8Array[] = []
  let at = words.byteLength
  const place = (bytes: Uint8Array): number => {
    texts.push(bytes)
    at += bytes.byteLength
    return at - bytes.byteLength
  }
  for (const [i, step] of steps.entries()) words.set([kinds[step.write].step, ...operands(step, place)], i * STEP_WORDS)
  const literals = steps.reduce((sum, step) => sum + (step.write === 'literal' ? step.bytes.byteLength : 0), 0)
  const sum = (of: (kind: (typeof kinds)[Write]) => number) => steps.reduce((total, { write }) => total + of(kinds[write]), 0)
  return {
    steps,
    code: Buffer.concat([new Uint8Array(words.buffer), ...texts]),
    growth: sum(({ growth }) => growth),
    lineBytes: literals + steps.length * STEP_FIXED_BYTES,
    headerBytes: sum(({ headerBytes = 0 }) => headerBytes),
  }
}

function operands(step: LineStep, place: (bytes: Uint8Array) => number): readonly number[] {
  if (step.write === 'literal') return [place(step.bytes), step.bytes.byteLength]
  if (step.write === 'csvField') return [place(Buffer.from(`${step.path.join('\0')}\0\0`)), step.separator]
  if ('separator' in step) return [columnOf[step.part], step.separator]
  if (step.write === 'headers') return [step.isBase64 === true ? 1 : 0, 0]
  if (step.write === 'csvBase64') return [columnOf[step.part], step.isBare === true ? 1 : 0]
  return ['part' in step ? columnOf[step.part] : 0, 0]
}

/** The most bytes that lines of these rows take. */
function boundOf({ growth, lineBytes, headerBytes }: LineProgram, { columns, encodedBytes }: MeasuredRows): number {
  return encodedBytes * growth + columns.count * lineBytes + columns.headers * headerBytes
}

/** Most bytes of a line; a little less than what the kernel counts in 32 bits with a sign. */
export const MAX_LINE_BYTES = 0x7fff_0000

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64

/** Writes messages as the program says. */
export function lineWriter(program: LineProgram): RowWriter {
  const { code, steps } = program
  const outOffset = align(code.byteLength + SLACK_BYTES)
  return {
    scratchBytes: (rows) => outOffset + boundOf(program, rows) + SLACK_BYTES,
    isTooLarge: (rows) => boundOf(program, rows) > MAX_LINE_BYTES,
    write({ kernel, columns, bytesAt, free }, { from, to, pendingBytes, blockBytes }) {
      const call = kernel.arenaStart
      const words = call >> 2
      const start = free + outOffset
      kernel.bytes.set(code, free)
      const { count, headers } = columns
      kernel.i32.set(
        [bytesAt, columns.start, count, headers, from, to, free, steps.length, start, pendingBytes, blockBytes],
        words,
      )
      const taken = checkResult(kernel.exports.writeLines(call), 'INTERNAL', 'messages cannot be written')
      return {
        count: taken,
        start,
        bytes: kernel.i32[words + 11]! >>> 0,
        minTimestamp: kernel.f64[(words + 12) >> 1]!,
        maxTimestamp: kernel.f64[(words + 14) >> 1]!,
      }
    },
  }
}

/** Whether no message of the batch can have a line that is too long: then none needs to be looked at. */
export function areShort(program: LineProgram, batch: MessageBatch): boolean {
  const headers = batch.headerFrom[batch.count]! - batch.headerFrom[0]!
  const most = batch.bytes.byteLength * (program.growth + 1)
  return most + program.lineBytes + headers * (program.headerBytes + 16) < MAX_LINE_BYTES
}
