import type { MessageBatch } from '../../batch/batch.ts'
import { BatchBuilder } from '../../batch/builder.ts'
import { compactJson, parseJson } from '../../encode/json-spans.ts'
import { isMillpondError } from '../../errors.ts'
import type { Taken } from '../../sink/inlet.ts'
import { PREFIX_BYTES } from '../../values/wire-format.ts'
import { REST, type RecordError, recordError, refuse } from './errors.ts'
import type { EmbeddedFormat } from './media-types.ts'
import { bytesOfBase64, type ProduceRequest, type RestRecord } from './request.ts'
import type { ValueSchema } from './schemas.ts'

/** What keys and values of a request become. */
export interface RecordEncoding {
  readonly format: EmbeddedFormat
  readonly keySchema: ValueSchema | undefined
  readonly valueSchema: ValueSchema | undefined
  readonly nowMs: number
  /** The partition of records that name none; -1 leaves it to their keys. */
  readonly partition: number
  readonly maxMessageBytes: number
}

/** The records of a request as messages, those left out that are too large. */
export interface EncodedRecords {
  readonly batch: MessageBatch
  /** Which record each message is. */
  readonly recordOf: readonly number[]
  /** The partition of each message, -1 for none; undefined where no message has one. */
  readonly laneOf: Int32Array | undefined
  readonly failed: ReadonlyMap<number, RecordError>
}

type EncodePart = (text: string, what: string) => Uint8Array | string

/**
 * Makes messages of records.
 * @throws MillpondError with `details.errorCode` for keys and values that are not what the request says; then nothing is to be taken.
 */
export function encodeRecords({ records }: ProduceRequest, encoding: RecordEncoding): EncodedRecords {
  const { format, keySchema, valueSchema, nowMs, partition, maxMessageBytes } = encoding
  const encodeKey = partEncoder(format, keySchema, REST.keySchemaMissing)
  const encodeValue = partEncoder(format, valueSchema, REST.valueSchemaMissing)
  const builder = new BatchBuilder()
  const recordOf: number[] = []
  const lanes: number[] = []
  const failed = new Map<number, RecordError>()
  for (const [i, record] of records.entries()) {
    const key = record.key === undefined ? null : encodeKey(record.key, `record ${i}: key`)
    const value = record.value === undefined ? null : encodeValue(record.value, `record ${i}: value`)
    const bytes = bytesOf(key) + bytesOf(value) + headerBytes(record)
    if (bytes > maxMessageBytes) {
      const reason = `the message has ${bytes} bytes, more than the ${maxMessageBytes} of http.maxMessageBytes`
      failed.set(i, recordError({ row: i, reason, isLaneUnknown: false }))
      continue
    }
    const { timestamp = nowMs, headers } = record
    builder.add({ position: recordOf.length, timestamp, key, value, headers })
    recordOf.push(i)
    lanes.push(record.partition < 0 ? partition : record.partition)
  }
  const laneOf = lanes.some((lane) => lane >= 0) ? Int32Array.from(lanes) : undefined
  return { batch: builder.build(), recordOf, laneOf, failed }
}

const bytesOf = (part: Uint8Array | string | null): number => (part === null ? 0 : Buffer.byteLength(part))

const headerBytes = ({ headers }: RestRecord): number =>
  headers.reduce((sum, { name, value }) => sum + Buffer.byteLength(name) + bytesOf(value), 0)

function partEncoder(format: EmbeddedFormat, schema: ValueSchema | undefined, missing: number): EncodePart {
  if (format === 'binary') return binaryPart
  if (format === 'json') return jsonPart
  if (schema === undefined) {
    return () => {
      throw refuse(missing)
    }
  }
  const { id, encode } = schema
  return (text, what) =>
    framed(
      id,
      converted(() => encode(parsed(text, what)), what),
    )
}

function binaryPart(text: string, what: string): Uint8Array {
  const base64 = parsed(text, what)
  if (typeof base64 === 'string') return bytesOfBase64(base64, what)
  throw refuse(REST.badRequest, `${what} is not a base64 string`)
}

function jsonPart(text: string, what: string): string {
  // Only to see whether it is JSON.
  parsed(text, what)
  return compactJson(text)
}

function parsed(text: string, what: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    throw refuse(REST.badRequest, `${what} is no JSON`, error)
  }
}

function converted<T>(convert: () => T, what: string): T {
  try {
    return convert()
  } catch (error) {
    if (!isMillpondError(error, 'INPUT_INVALID')) throw error
    throw refuse(REST.conversion, `${what}: ${error.message}`, error)
  }
}

/** Confluent's wire format V0: a byte 0, the schema's id, the datum. */
function framed(id: number, datum: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + datum.byteLength)
  bytes[0] = 0
  bytes.writeInt32BE(id, 1)
  bytes.set(datum, PREFIX_BYTES)
  return bytes
}

/** What became of each record of a request. */
export interface RecordOutcomes {
  readonly count: number
  readonly failed: ReadonlyMap<number, RecordError>
  /** By record: partition and offset of those that were taken, as JSON texts. */
  readonly places: ReadonlyMap<number, { readonly partition: string; readonly offset: number }>
}

/** What became of all records, from what became of the messages. */
export function outcomesOf(
  count: number,
  { recordOf, failed }: EncodedRecords,
  { lanes, rows, failed: refused = [] }: Taken,
): RecordOutcomes {
  const places = new Map<number, { partition: string; offset: number }>()
  const all = new Map(failed)
  for (const row of refused) all.set(recordOf[row.row]!, recordError(row))
  for (const [row, record] of recordOf.entries()) {
    const lane = rows === undefined ? undefined : lanes[rows.laneIndex[row]!]?.lane
    if (lane !== undefined && !all.has(record)) places.set(record, { partition: lane, offset: rows!.positions[row]! })
  }
  return { count, failed: all, places }
}

/** The JSON text of an answer to a produce request. */
export function producedJson(
  { count, failed, places }: RecordOutcomes,
  encoding: Pick<RecordEncoding, 'keySchema' | 'valueSchema'>,
): string {
  const offsets = Array.from({ length: count }, (_, record) => {
    const place = places.get(record)
    if (place !== undefined) return `{"partition":${place.partition},"offset":${place.offset},"error_code":null,"error":null}`
    const { errorCode, error } = failed.get(record) ?? NOT_TOLD
    return `{"partition":null,"offset":null,"error_code":${errorCode},"error":${JSON.stringify(error)}}`
  })
  const idOf = (schema: ValueSchema | undefined) => schema?.id ?? 'null'
  return `{"offsets":[${offsets.join(',')}],"key_schema_id":${idOf(encoding.keySchema)},"value_schema_id":${idOf(encoding.valueSchema)}}`
}

const NOT_TOLD: RecordError = { errorCode: REST.kafka, error: 'the broker did not say what became of it' }
