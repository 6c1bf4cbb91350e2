import type { MessageBatch } from '../batch/batch.ts'
import { isMillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { createDatumReader, type ReadDatum } from '../values/datum.ts'
import { type DecodedValues, onceEachRow, type ReadValue } from '../values/decoded.ts'
import { createValues } from '../values/create-values.ts'
import type { SchemaRegistry } from '../values/schema-registry.ts'
import type { SchemaType, ValueKind, Values } from '../values/values.ts'
import { createArchivedRegistry } from './archived-registry.ts'

const MAX_TOPICS = 1000

/**
 * Values as JSON, whatever registered schema they have: those that name one in Confluent's wire format are read by it, all others are JSON. The schemas are
 * those that the archive keeps, and of `registry` where it lacks one, or where there is no archive yet.
 */
export function createArchivedValues(
  store: Store | undefined,
  { nowMs, registry }: { readonly nowMs: () => number; readonly registry?: SchemaRegistry | undefined },
): DecodedValues {
  const topics = new Map<string, Values>()
  const readers = new WeakMap<ValueKind, ReadDatum>()
  const valuesOf = (topic: string): Values => {
    const known = topics.get(topic)
    if (known !== undefined) return known
    const own = createArchivedRegistry(store, topic, registry)
    const values = createValues({ type: 'auto', registry: own, check: false, nowMs })
    topics.set(topic, values)
    if (topics.size > MAX_TOPICS) topics.delete(topics.keys().next().value!)
    return values
  }
  const readerOf = (kind: ValueKind): ReadDatum => {
    const known = readers.get(kind) ?? createDatumReader(kind)
    readers.set(kind, known)
    return known
  }
  const prepared = async (batch: MessageBatch, topic: string, signal: AbortSignal): Promise<PreparedRows> => {
    const { kinds, kindOf, datumStart = batch.valueStart } = await valuesOf(topic).prepare(batch, signal, topic)
    const readers = kinds.map(readerOf)
    const read: ReadValue = (row) => {
      const kind = kindOf[row]!
      return kind === -1 ? undefined : readFitting(readers[kind]!, batch, row, datumStart[row]!)
    }
    return { read, typeOf: (row) => (kindOf[row] === -1 ? 'none' : kinds[kindOf[row]!]!.type), datumStart }
  }
  return {
    open: async (batch, topic, signal) => onceEachRow((await prepared(batch, topic, signal)).read),
    decode: async (batch, topic, signal) => withTexts(batch, await prepared(batch, topic, signal)),
  }
}

interface PreparedRows {
  readonly read: ReadValue
  readonly typeOf: (row: number) => SchemaType
  readonly datumStart: Int32Array
}

/** Undefined where the schema does not describe it. */
function readFitting(read: ReadDatum, { bytes, valueEnd }: MessageBatch, row: number, start: number): unknown {
  try {
    return read(bytes, start, valueEnd[row]!)
  } catch (error) {
    if (!isMillpondError(error, 'INPUT_INVALID')) throw error
    return undefined
  }
}

function withTexts(batch: MessageBatch, { read, typeOf, datumStart }: PreparedRows): MessageBatch {
  const valueStart = Int32Array.from(batch.valueStart)
  const valueEnd = Int32Array.from(batch.valueEnd)
  const texts: Uint8Array[] = []
  let end = batch.bytes.byteLength
  for (let row = 0; row < batch.count; row++) {
    const type = typeOf(row)
    const value = type === 'none' ? undefined : read(row)
    if (value === undefined) continue
    if (type === 'json-schema') {
      valueStart[row] = datumStart[row]!
      continue
    }
    const text = Buffer.from(JSON.stringify(value))
    texts.push(text)
    valueStart[row] = end
    end += text.byteLength
    valueEnd[row] = end
  }
  return { ...batch, bytes: texts.length === 0 ? batch.bytes : Buffer.concat([batch.bytes, ...texts], end), valueStart, valueEnd }
}
