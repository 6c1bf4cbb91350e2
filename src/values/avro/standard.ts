import { MillpondError } from '../../errors.ts'
import { Output } from './output.ts'
import type { AvroRecord, AvroType } from './schema.ts'

/**
 * The encoding of a field's default, as the schema gives it in JSON; undefined where it is none of the type. Bytes are text whose characters stand for a
 * byte each, as the specification has it.
 */
export function encodeStandard(type: AvroType, standard: unknown): Uint8Array | undefined {
  const output = new Output()
  try {
    write(type, standard, output)
  } catch (error) {
    if (error instanceof MillpondError) return undefined
    throw error
  }
  return output.bytes.slice(0, output.used)
}

const wrong = (type: AvroType, value: unknown) =>
  new MillpondError('SCHEMA_INVALID', `${JSON.stringify(value)} is no ${type.kind}`)

function write(type: AvroType, value: unknown, output: Output): void {
  switch (type.kind) {
    case 'null':
      if (value !== null) throw wrong(type, value)
      return
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong(type, value)
      return output.writeByte(value ? 1 : 0)
    case 'int':
    case 'long':
      if (typeof value !== 'number' || !Number.isInteger(value)) throw wrong(type, value)
      return output.writeLong(value)
    case 'float':
      return output.writeFloat(numberOf(type, value))
    case 'double':
      return output.writeDouble(numberOf(type, value))
    case 'string':
      return output.writeText(textOf(type, value))
    case 'bytes':
      return output.writeSized(Buffer.from(textOf(type, value), 'latin1'))
    case 'fixed': {
      const bytes = Buffer.from(textOf(type, value), 'latin1')
      if (bytes.byteLength !== type.size) throw wrong(type, value)
      return output.copy(bytes)
    }
    case 'enum': {
      const index = type.symbols.indexOf(textOf(type, value))
      if (index === -1) throw wrong(type, value)
      return output.writeLong(index)
    }
    case 'array':
      if (!Array.isArray(value)) throw wrong(type, value)
      return writeBlock(value, output, (item) => write(type.items, item, output))
    case 'map':
      return writeBlock(Object.entries(objectOf(type, value)), output, ([key, one]) => {
        output.writeText(key)
        write(type.values, one, output)
      })
    case 'union':
      return writeUnion(type.branches, value, output)
    case 'record':
      return writeRecord(type, objectOf(type, value), output)
  }
}

/** The first branch that the default is one of: older versions of the specification know only the first. */
function writeUnion(branches: readonly AvroType[], value: unknown, output: Output): void {
  for (const [index, branch] of branches.entries()) {
    const encoded = encodeStandard(branch, value)
    if (encoded === undefined) continue
    output.writeLong(index)
    return output.copy(encoded)
  }
  throw wrong({ kind: 'union', branches }, value)
}

function writeRecord(type: AvroRecord, value: Readonly<Record<string, unknown>>, output: Output): void {
  for (const { name, type: fieldType, standard } of type.fields) {
    write(fieldType, Object.hasOwn(value, name) ? value[name] : standard, output)
  }
}

function writeBlock<T>(items: readonly T[], output: Output, writeItem: (item: T) => void): void {
  if (items.length > 0) output.writeLong(items.length)
  for (const item of items) writeItem(item)
  output.writeByte(0)
}

function numberOf(type: AvroType, value: unknown): number {
  if (typeof value === 'number') return value
  throw wrong(type, value)
}

function textOf(type: AvroType, value: unknown): string {
  if (typeof value === 'string') return value
  throw wrong(type, value)
}

function objectOf(type: AvroType, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  throw wrong(type, value)
}
