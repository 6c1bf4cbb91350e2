import type { MessageBatch } from '../batch/batch.ts'
import type { SchemaName } from './schema-lookup.ts'
import { createGuidFinder, guidAt, guidEnd, idAt, isSameGuid, KEY_HEADER, PREFIX_BYTES, VALUE_HEADER } from './wire-format.ts'

/** What the values, or the keys, of a batch say of their schemas, before any is looked up. */
export interface SchemaMarks {
  /** Each once. */
  readonly names: readonly SchemaName[]
  /** For each row the index of its name; -1 where it has none. */
  readonly nameOf: Int32Array
  /** Where data begin behind a prefix, Protobuf's indexes not counted in; undefined where no value has one. */
  readonly datumStart: Int32Array | undefined
  /** Whether the row's mark is a prefix, not a header. */
  isPrefixed(row: number): boolean
  /** Where Protobuf's indexes of a row that has a name lie. */
  indexesAt(row: number): { readonly at: number; readonly end: number }
}

/** Looks for marks: a header goes before a prefix, as in Confluent's own deserializers. */
export function markSchemas(batch: MessageBatch, part: 'key' | 'value' = 'value'): SchemaMarks {
  const { bytes, count } = batch
  const { valueStart, valueEnd } = part === 'value' ? batch : { valueStart: batch.keyStart, valueEnd: batch.keyEnd }
  const guids = createGuidFinder(batch, part === 'value' ? VALUE_HEADER : KEY_HEADER)
  const names: SchemaName[] = []
  const indexOf = new Map<SchemaName, number>()
  const nameOf = new Int32Array(count).fill(-1)
  let datumStart: Int32Array | undefined
  let lastGuid = -1
  let lastGuidIndex = -1
  let lastId = -1
  let lastIdIndex = -1
  const note = (name: SchemaName): number => {
    const known = indexOf.get(name)
    if (known !== undefined) return known
    indexOf.set(name, names.length)
    return names.push(name) - 1
  }
  for (let row = 0; row < count; row++) {
    const start = valueStart[row]!
    if (start === -1) continue
    const guid = guids.find(row)
    if (guid !== -1) {
      if (lastGuid === -1 || !isSameGuid(bytes, guid, lastGuid)) lastGuidIndex = note(guidAt(bytes, guid))
      lastGuid = guid
      nameOf[row] = lastGuidIndex
      continue
    }
    const id = idAt(bytes, start, valueEnd[row]!)
    if (id === undefined) continue
    if (id !== lastId) lastIdIndex = note(id)
    lastId = id
    nameOf[row] = lastIdIndex
    datumStart ??= Int32Array.from(valueStart)
    datumStart[row] = start + PREFIX_BYTES
  }
  const isPrefixed = (row: number): boolean => nameOf[row] !== -1 && typeof names[nameOf[row]!] === 'number'
  return {
    names,
    nameOf,
    datumStart,
    isPrefixed,
    indexesAt(row) {
      if (isPrefixed(row)) return { at: valueStart[row]! + PREFIX_BYTES, end: valueEnd[row]! }
      const at = guidEnd(guids.find(row))
      return { at, end: guids.end }
    },
  }
}
