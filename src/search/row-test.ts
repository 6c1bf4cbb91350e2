import type { MessageBatch } from '../batch/batch.ts'
import { isMillpondError } from '../errors.ts'
import { compileJq } from '../jq/jq.ts'
import type { JqValue } from '../jq/value.ts'
import type { ReadValue } from '../values/decoded.ts'
import { bytesHold, type BytesField, type BytesTest, type Condition, equalAt, type NumberTest } from './condition.ts'

/** Whether the row of the batch is meant; `value` reads values where a condition looks into them. */
export type RowTest = (batch: MessageBatch, row: number, value: ReadValue) => boolean

/** Whether bytes from `start` on are meant; -1 is null. */
type SpanTest = (bytes: Uint8Array, start: number, end: number) => boolean

/** The condition as a test of rows. Hot: it looks at the columns' bytes and makes no objects, but for values that jq is asked about. */
export function rowTestOf(condition: Condition): RowTest {
  switch (condition.kind) {
    case 'all':
      return () => true
    case 'none':
      return () => false
    case 'and': {
      const tests = inOrder(condition.parts)
      return (batch, row, value) => {
        for (let t = 0; t < tests.length; t++) if (!tests[t]!(batch, row, value)) return false
        return true
      }
    }
    case 'or': {
      const tests = inOrder(condition.parts)
      return (batch, row, value) => {
        for (let t = 0; t < tests.length; t++) if (tests[t]!(batch, row, value)) return true
        return false
      }
    }
    case 'not': {
      const test = rowTestOf(condition.part)
      return (batch, row, value) => !test(batch, row, value)
    }
    case 'number':
      return numberTest(condition.field === 'position' ? 'positions' : 'timestamps', condition.test)
    case 'bytes':
      return fieldTest(condition.field, spanTest(condition.test), condition.test.kind === 'there')
    case 'jq':
      return jqTest(condition.program)
    case 'unknown':
      throw new TypeError('rows are tested where their lane is known')
    default:
      throw new TypeError(`no condition ${String(condition satisfies never)}`)
  }
}

/** Enough for any test of a value of a few kilobytes; a program that does not end is stopped within milliseconds. */
const MAX_STEPS = 100_000

function jqTest(text: string): RowTest {
  const program = compileJq(text, { maxSteps: MAX_STEPS })
  return (_batch, row, value) => {
    const read = value(row)
    if (read === undefined) return false
    try {
      // It was made of JSON, or is what JSON has.
      return program.test(read as JqValue)
    } catch (error) {
      if (!isMillpondError(error, 'JQ_FAILED')) throw error
      return false
    }
  }
}

/** Whether the condition looks into values. */
export function readsValues(condition: Condition): boolean {
  if (condition.kind === 'jq') return true
  if (condition.kind === 'not') return readsValues(condition.part)
  return (condition.kind === 'and' || condition.kind === 'or') && condition.parts.some(readsValues)
}

/** What looks into values comes last: it costs most. */
function inOrder(parts: readonly Condition[]): readonly RowTest[] {
  return parts.toSorted((a, b) => Number(readsValues(a)) - Number(readsValues(b))).map(rowTestOf)
}

function numberTest(column: 'positions' | 'timestamps', test: NumberTest): RowTest {
  if (test.kind === 'in') return (batch, row) => test.values.has(batch[column][row]!)
  const { from, to } = test.range
  return (batch, row) => batch[column][row]! >= from && batch[column][row]! < to
}

function fieldTest(field: BytesField, test: SpanTest, isThere: boolean): RowTest {
  if (field === 'key') return (batch, row) => test(batch.bytes, batch.keyStart[row]!, batch.keyEnd[row]!)
  if (field === 'id') return (batch, row) => test(batch.bytes, batch.idStart[row]!, batch.idEnd[row]!)
  const name = field.header
  return (batch, row) => {
    const end = batch.headerFrom[row + 1]!
    for (let h = batch.headerFrom[row]!; h < end; h++) {
      if (!equalAt(batch.bytes, batch.headerNameStart[h]!, batch.headerNameEnd[h]!, name)) continue
      if (isThere || test(batch.bytes, batch.headerValueStart[h]!, batch.headerValueEnd[h]!)) return true
    }
    return false
  }
}

/** Among so many values a hash is quicker than comparing. */
const MANY_VALUES = 8

function spanTest(test: BytesTest): SpanTest {
  if (test.kind === 'in') {
    if (test.values.length > MANY_VALUES) return amongMany(test.values)
    const [only, ...others] = test.values
    if (others.length === 0) return (bytes, start, end) => start >= 0 && equalAt(bytes, start, end, only!)
  }
  return (bytes, start, end) => bytesHold(test, bytes, start, end)
}

function amongMany(values: readonly Uint8Array[]): SpanTest {
  const byHash = Map.groupBy(values, (value) => hashOf(value, 0, value.byteLength))
  return (bytes, start, end) =>
    start >= 0 && byHash.get(hashOf(bytes, start, end))?.some((value) => equalAt(bytes, start, end, value)) === true
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash
}
