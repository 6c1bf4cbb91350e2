import type { MessageBatch } from '../batch/batch.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import { type CompiledKind, opaqueKind, plainKind, type ReadDatumField } from './compiled-kind.ts'
import { markSchemas, type SchemaMarks } from './marks.ts'
import { createSchemaLookup, type FoundSchema, type SchemaLookup, type SchemaName } from './schema-lookup.ts'
import type { RegisteredType, SchemaRegistry } from './schema-registry.ts'
import type { FieldColumn, PreparedValues, UnreadableValue, Values } from './values.ts'
import { readMessageIndexes } from './wire-format.ts'

/**
 * What values are: `none`: nothing is known of them; `json`: plain JSON; `registry`, or one of its types: every value names a schema of the
 * registry; `auto`: what names a schema has it, all else is plain JSON.
 */
export type ValuesType = 'auto' | 'none' | 'json' | 'registry' | RegisteredType

/** What values are made of. */
export interface ValuesOptions {
  readonly type: ValuesType
  /** Closed with the values. Without it no schemas are looked up. */
  readonly registry: SchemaRegistry | undefined
  /** Whether each value is looked at whole, so that one that its schema does not describe is told. */
  readonly check: boolean
  /** Whether kinds say under which subjects and versions their schema is registered: what `placeValue` asks for. */
  readonly withVersions?: boolean
  readonly nowMs: () => number
}

/** Schemas that are asked for at the same time. */
const LOOKUPS_AT_ONCE = 8

/**
 * What is known about values.
 * @throws MillpondError `CONFIG_INVALID` where the type needs a registry and there is none.
 */
export function createValues({ type, registry, check, nowMs, withVersions = false }: ValuesOptions): Values {
  const close = async () => registry?.[Symbol.asyncDispose]()
  if (type === 'none' || type === 'json' || (type === 'auto' && registry === undefined)) {
    const kind = type === 'none' ? opaqueKind : plainKind
    return { prepare: async (batch) => prepareAlike(batch, kind), [Symbol.asyncDispose]: close }
  }
  if (registry === undefined) throw new MillpondError('CONFIG_INVALID', `values of the type ${type} need a schema registry`)
  const lookup = createSchemaLookup(registry, { nowMs, withVersions })
  return {
    async prepare(batch, signal, topic) {
      const marks = markSchemas(batch)
      if (marks.names.length === 0 && type === 'auto') return prepareAlike(batch, plainKind)
      const schemas = await findAll(lookup, { names: marks.names, topic }, signal)
      return prepare(batch, marks, { type, schemas, check })
    },
    [Symbol.asyncDispose]: close,
  }
}

/** All values are of one kind, but for those that are null. */
function prepareAlike(batch: MessageBatch, one: CompiledKind): PreparedValues {
  const kindOf = new Int32Array(batch.count)
  for (let row = 0; row < batch.count; row++) if (batch.valueStart[row] === -1) kindOf[row] = -1
  return {
    kinds: [one.kind],
    kindOf,
    datumStart: undefined,
    unreadable: [],
    field: (name) => fieldColumn(batch, { kinds: [one], kindOf, datumStart: batch.valueStart }, name),
  }
}

async function findAll(
  lookup: SchemaLookup,
  { names, topic }: { readonly names: readonly SchemaName[]; readonly topic: string | undefined },
  signal: AbortSignal,
): Promise<FoundSchema[]> {
  const found = names.map((name) => lookup.known(name, topic))
  const missing = [...found.keys()].filter((index) => found[index] === undefined)
  while (missing.length > 0) {
    const some = missing.splice(0, LOOKUPS_AT_ONCE)
    const schemas = await Promise.all(some.map((index) => lookup.find(names[index]!, signal, topic)))
    for (const [i, index] of some.entries()) found[index] = schemas[i]
  }
  return found as FoundSchema[]
}

interface Known {
  readonly type: ValuesType
  /** In the order of the marks' names. */
  readonly schemas: readonly FoundSchema[]
  readonly check: boolean
}

function prepare(batch: MessageBatch, marks: SchemaMarks, { type, schemas, check }: Known): PreparedValues {
  const { bytes, valueStart, valueEnd, count } = batch
  const kinds: CompiledKind[] = []
  const indexOf = new Map<string, number>()
  let last: CompiledKind | undefined
  let lastIndex = -1
  const kindOf = new Int32Array(count).fill(-1)
  const datumStart = marks.datumStart ?? valueStart
  const unreadable: UnreadableValue[] = []
  const wanted = type === 'auto' || type === 'registry' ? undefined : (type as RegisteredType)
  for (let row = 0; row < count; row++) {
    if (valueStart[row] === -1) continue
    const name = marks.nameOf[row]!
    const found = name === -1 ? plainOf(type) : kindAt(batch, marks, row, schemas[name]!, wanted)
    if ('reason' in found) {
      unreadable.push({ row, reason: found.reason })
      continue
    }
    const reason = check ? faultOf(found, bytes, datumStart[row]!, valueEnd[row]!) : undefined
    if (reason !== undefined) {
      unreadable.push({ row, reason })
      continue
    }
    if (found !== last) {
      lastIndex = indexOf.get(found.kind.id) ?? kinds.push(found) - 1
      indexOf.set(found.kind.id, lastIndex)
      last = found
    }
    kindOf[row] = lastIndex
  }
  return {
    kinds: kinds.map(({ kind }) => kind),
    kindOf,
    datumStart: marks.datumStart,
    unreadable,
    field: (name) => fieldColumn(batch, { kinds, kindOf, datumStart }, name),
  }
}

const withoutSchema = { reason: 'it names no schema' }
const plainOf = (type: ValuesType): CompiledKind | { readonly reason: string } => (type === 'auto' ? plainKind : withoutSchema)

/** The kind of a row whose schema is known; of Protobuf its indexes are read, and the datum begins behind them. */
function kindAt(
  batch: MessageBatch,
  marks: SchemaMarks,
  row: number,
  schema: FoundSchema,
  wanted: RegisteredType | undefined,
): CompiledKind | { readonly reason: string } {
  if ('reason' in schema) return schema
  if (wanted !== undefined && schema.type !== wanted) return { reason: `its schema is one of ${schema.type}, not of ${wanted}` }
  if (schema.type !== 'protobuf') return schema.kind
  const { at, end } = marks.indexesAt(row)
  const indexes = readMessageIndexes(batch.bytes, at, end)
  if (indexes === undefined) return { reason: 'it does not say which message of its schema it is' }
  if (marks.datumStart !== undefined && marks.isPrefixed(row)) marks.datumStart[row] = indexes.end
  return schema.message(indexes.path) ?? { reason: `its schema has no message ${indexes.path.join('.')}` }
}

/** Why the bytes are no datum of the kind; undefined where they are. */
function faultOf(kind: CompiledKind, bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    kind.check(bytes, start, end)
    return undefined
  } catch (error) {
    if (!isMillpondError(error, 'INPUT_INVALID')) throw error
    return `it does not fit its schema: ${error.message}`
  }
}

interface PreparedRows {
  readonly kinds: readonly CompiledKind[]
  readonly kindOf: Int32Array
  readonly datumStart: Int32Array
}

function fieldColumn({ bytes, valueEnd }: MessageBatch, { kinds, kindOf, datumStart }: PreparedRows, name: string): FieldColumn {
  const readers: readonly ReadDatumField[] = kinds.map((kind) => kind.field(name))
  return (row) => {
    const kind = kindOf[row]!
    if (kind === -1) return undefined
    try {
      return readers[kind]!(bytes, datumStart[row]!, valueEnd[row]!)
    } catch (error) {
      // Only where values are not checked.
      if (!isMillpondError(error, 'INPUT_INVALID')) throw error
      return undefined
    }
  }
}
