/** Values of Avro as columns: schema and columns become small functions that read a value where it lies. */
import { isAscii } from 'node:buffer'
import { Cursor } from '../values/avro/cursor.ts'
import type { AvroType } from '../values/avro/schema.ts'
import { avroShape, recordOf } from '../values/avro/shape.ts'
import { leastBytes } from '../values/avro/walk.ts'
import { fault } from '../values/fault.ts'
import { type AvroBatch, type AvroScalar, avroScalar, textScalar } from './parquet-avro-scalar.ts'
import { type ColumnTarget, type PlannedPart, planColumns, skipColumns } from './parquet-plan.ts'
import type { ValueWriter } from './parquet-value-writer.ts'

/** Writes one part of values, or looks whether it could; takes the next value of the cursor. */
interface PartWriter {
  readonly write: (repetition: number) => void
  readonly check: () => void
}

interface Making {
  readonly cursor: Cursor
  readonly target: ColumnTarget
  readonly batch: AvroBatch
}

const MiB = 1024 * 1024

/** What writes data of the type. One that is no record is a column named `value`. @throws MillpondError `SCHEMA_INVALID`. */
export function avroWriter(type: AvroType, target: ColumnTarget): ValueWriter {
  const record = recordOf(type)
  const { schema, root } = planColumns(avroShape(record))
  const [cursor, batch] = [new Cursor(), { isAscii: false }]
  const writer = partWriter(record, root, { cursor, target, batch })
  const toEnd = () => {
    if (cursor.at !== cursor.end) throw fault('bytes follow it')
  }
  return {
    schema,
    begin({ bytes, count }) {
      batch.isAscii = bytes.byteLength <= Math.max(MiB, count * 4096) && isAscii(bytes)
    },
    check({ bytes, valueEnd }, row, start) {
      cursor.open(bytes, start, valueEnd[row]!)
      writer.check()
      toEnd()
    },
    write({ bytes, valueEnd }, row, start) {
      cursor.open(bytes, start, valueEnd[row]!)
      writer.write(0)
      toEnd()
    },
  }
}

function partWriter(type: AvroType, part: PlannedPart, making: Making): PartWriter {
  const isJson = part.shape.kind === 'json'
  if (type.kind === 'union' && part.shape.kind === 'choice') return choiceWriter(type.branches, part, making)
  if (type.kind === 'union' && !(isJson && isNullAlone(type))) return optionalWriter(type.branches, part, making)
  if (isJson) return columnWriter(avroScalar(type, part.shape, making.batch), part, making)
  if (type.kind === 'null') return nothing
  if (type.kind === 'record') return allWriter(type.fields.map((field, i) => partWriter(field.type, part.parts[i]!, making)))
  if (type.kind === 'array')
    return itemsWriter(partWriter(type.items, part.parts[0]!, making), leastBytes(type.items), part, making)
  if (type.kind === 'map') {
    const key = columnWriter(textScalar(making.batch), part.parts[0]!, making)
    return itemsWriter(allWriter([key, partWriter(type.values, part.parts[1]!, making)]), 1, part, making)
  }
  return columnWriter(avroScalar(type, part.shape, making.batch), part, making)
}

const isNullAlone = ({ branches }: { readonly branches: readonly AvroType[] }): boolean =>
  branches.every(({ kind }) => kind === 'null')

const nothing: PartWriter = { write: () => undefined, check: () => undefined }

function columnWriter({ put, check }: AvroScalar, { from, definition }: PlannedPart, { cursor, target }: Making): PartWriter {
  return {
    write(repetition) {
      const builder = target.columns[from]!
      put(builder, cursor)
      builder.addLevel(definition, repetition)
    },
    check: () => void check(cursor),
  }
}

const allWriter = (writers: readonly PartWriter[]): PartWriter => ({
  write(repetition) {
    for (const writer of writers) writer.write(repetition)
  },
  check() {
    for (const writer of writers) writer.check()
  },
})

/** A union of null and one type at the most. */
function optionalWriter(branches: readonly AvroType[], part: PlannedPart, making: Making): PartWriter {
  const { cursor, target } = making
  const there = branches.findIndex(({ kind }) => kind !== 'null')
  const inner = there === -1 ? nothing : partWriter(branches[there]!, part, making)
  return {
    write(repetition) {
      if (cursor.readIndex(branches.length, 'branch') === there) inner.write(repetition)
      else skipColumns(target, part, part.absent, repetition)
    },
    check() {
      if (cursor.readIndex(branches.length, 'branch') === there) inner.check()
    },
  }
}

function choiceWriter(branches: readonly AvroType[], part: PlannedPart, making: Making): PartWriter {
  const { cursor, target } = making
  const { parts, absent, definition } = part
  const types = branches.filter(({ kind }) => kind !== 'null')
  const members = types.map((type, i) => partWriter(type, parts[i]!, making))
  /** For each branch its member; -1 for null. */
  const memberOf = branches.map((branch) => types.indexOf(branch))
  const readMember = () => memberOf[cursor.readIndex(memberOf.length, 'branch')]!
  return {
    write(repetition) {
      const chosen = readMember()
      for (let i = 0; i < members.length; i++) {
        if (i === chosen) members[i]!.write(repetition)
        else skipColumns(target, parts[i]!, chosen < 0 ? absent : definition, repetition)
      }
    },
    check() {
      const chosen = readMember()
      if (chosen >= 0) members[chosen]!.check()
    },
  }
}

/** Lists, and maps, whose items are pairs. */
function itemsWriter(item: PartWriter, itemBytes: number, part: PlannedPart, { cursor, target }: Making): PartWriter {
  const depth = part.depth + 1
  return {
    write(repetition) {
      let next = repetition
      for (let count = cursor.readBlock(itemBytes); count > 0; count = cursor.readBlock(itemBytes)) {
        for (let i = 0; i < count; i++) {
          item.write(next)
          next = depth
        }
      }
      if (next === repetition) skipColumns(target, part, part.definition, repetition)
    },
    check() {
      for (let count = cursor.readBlock(itemBytes); count > 0; count = cursor.readBlock(itemBytes))
        for (let i = 0; i < count; i++) item.check()
    },
  }
}
