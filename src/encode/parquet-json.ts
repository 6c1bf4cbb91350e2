/** Values of JSON as columns, by a shape that was seen or that a schema gives. */
import type { MessageBatch } from '../batch/batch.ts'
import { parseJsonValue } from '../values/json/value.ts'
import { widen } from '../values/json/widen.ts'
import { type Shape, UNKNOWN } from '../values/shape.ts'
import { rootWriter } from './parquet-plain.ts'
import type { ColumnTarget } from './parquet-plan.ts'
import type { ValueWriter } from './parquet-value-writer.ts'

/** What writes values of a shape that a schema gives. */
export function jsonWriter(shape: Shape, target: ColumnTarget): ValueWriter {
  const root = rootWriter(shape, target)
  return {
    schema: root.schema,
    begin: () => undefined,
    check: (batch, row, start) => root.check(parseJsonValue(batch, row, start)),
    write: (batch, row, start) => root.write(parseJsonValue(batch, row, start)),
  }
}

/** What writes whatever values come, by the shape of all that it was let see. */
export function learningWriter(target: ColumnTarget): ValueWriter {
  let shape = UNKNOWN
  let root = rootWriter(shape, target)
  return {
    get schema() {
      return root.schema
    },
    learn(batch: MessageBatch, from: number, to: number) {
      const before = shape
      for (let row = from; row < to; row++) shape = widen(shape, parseJsonValue(batch, row, batch.valueStart[row]!))
      if (shape === before) return false
      root = rootWriter(shape, target)
      return true
    },
    begin: () => undefined,
    check: (batch, row, start) => void parseJsonValue(batch, row, start),
    write: (batch, row, start) => root.write(parseJsonValue(batch, row, start)),
  }
}
