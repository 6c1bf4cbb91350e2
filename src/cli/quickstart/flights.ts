import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type * as Hyparquet from 'hyparquet'
import type * as HyparquetCompressors from 'hyparquet-compressors'
import type { MessageBatch } from '../../batch/batch.ts'
import { MillpondError } from '../../errors.ts'

/** Which of the two sets of flights is taken: 200,000 of one day, or three million of 2001. */
export type FlightSet = '200k' | '3m'

/** 2001-01-01T00:00:00Z, ms: the midnight that the smaller set counts its hours from. */
const YEAR_BEGIN_MS = 978_307_200_000
const HOUR_MS = 3_600_000
/** A flight this late or later is worth a second look, minutes. */
const LATE_MINUTES = 60

const encoder = new TextEncoder()

/** One flight, as a message is made of it. */
interface Flight {
  readonly timestampMs: number
  readonly key: string
  readonly delayMinutes: number
}

/**
 * The flights of `vega-datasets` as one batch: positions count them from 0, the value is the record's JSON as it stands in the file, the id
 * is `flight-<number>`, the key the route, and a header `punctuality` says `on-time` or `late`.
 * @throws MillpondError `DEPENDENCY_MISSING` where the package is not installed.
 */
export async function loadFlights(set: FlightSet): Promise<MessageBatch> {
  return set === '200k'
    ? fromJson(await readFile(datasetPath('flights-200k.json')))
    : fromParquet(datasetPath('flights-3m.parquet'))
}

function datasetPath(file: string): string {
  try {
    return fileURLToPath(new URL(`../data/${file}`, import.meta.resolve('vega-datasets')))
  } catch (error) {
    const message = 'the flights come with the package vega-datasets: npm install vega-datasets@3.2.1'
    throw new MillpondError('DEPENDENCY_MISSING', message, { cause: error })
  }
}

/** The file is one array of flat objects, so a record ends at its closing brace; its bytes are taken as they are. */
function fromJson(file: Uint8Array): MessageBatch {
  const columns = createFlightColumns()
  const decoder = new TextDecoder()
  for (let start = file.indexOf(0x7b); start >= 0;) {
    const end = file.indexOf(0x7d, start) + 1
    const record = JSON.parse(decoder.decode(file.subarray(start, end))) as { delay: number; distance: number; time: number }
    const flight = {
      timestampMs: YEAR_BEGIN_MS + Math.round(record.time * HOUR_MS),
      key: `distance-${record.distance}`,
      delayMinutes: record.delay,
    }
    columns.add(file.subarray(start, end), flight)
    start = file.indexOf(0x7b, end)
  }
  return columns.build()
}

async function fromParquet(path: string): Promise<MessageBatch> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetRead } = await importOptional<typeof Hyparquet>('hyparquet')
  const { compressors } = await importOptional<typeof HyparquetCompressors>('hyparquet-compressors')
  const file = await asyncBufferFromFile(path)
  const metadata = await parquetMetadataAsync(file)
  const columns = createFlightColumns()
  let rowStart = 0
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    const read = new Map<string, ArrayLike<unknown>[]>()
    const onChunk = ({ columnName, columnData }: { columnName: string; columnData: ArrayLike<unknown> }) => {
      read.set(columnName, [...(read.get(columnName) ?? []), columnData])
    }
    await parquetRead({ file, metadata, compressors, rowStart, rowEnd, onChunk })
    addRows(columns, read)
    rowStart = rowEnd
  }
  return columns.build()
}

/** Adds one row group: the pieces of each of its columns, by name. */
function addRows(
  columns: ReturnType<typeof createFlightColumns>,
  read: ReadonlyMap<string, readonly ArrayLike<unknown>[]>,
): void {
  const column = <T>(name: string): T[] => (read.get(name) ?? []).flatMap((piece) => Array.from(piece as ArrayLike<T>))
  const dates = column<Date>('date')
  const delays = column<bigint>('delay')
  const distances = column<bigint>('distance')
  const origins = column<string>('origin')
  const destinations = column<string>('destination')
  for (const [row, date] of dates.entries()) {
    const origin = origins[row]!
    const destination = destinations[row]!
    const delayMinutes = Number(delays[row])
    const json = `{"date":"${date.toISOString()}","delay":${delayMinutes},"distance":${distances[row]},"origin":"${origin}","destination":"${destination}"}`
    columns.add(encoder.encode(json), { timestampMs: date.getTime(), key: `${origin}-${destination}`, delayMinutes })
  }
}

async function importOptional<Module>(name: string): Promise<Module> {
  try {
    return (await import(name)) as Module
  } catch (error) {
    throw new MillpondError(
      'DEPENDENCY_MISSING',
      `the three million flights are read with the package ${name}: npm install ${name}`,
      { cause: error },
    )
  }
}

const ID_PREFIX = 'flight-'
const ID_DIGITS = 7

/** The number in the id of message `row`, or undefined where it is not the id of a flight. */
export function flightNumberOf(batch: MessageBatch, row: number): number | undefined {
  const start = batch.idStart[row]!
  if (batch.idEnd[row]! - start !== ID_PREFIX.length + ID_DIGITS) return undefined
  let number = 0
  for (let at = start + ID_PREFIX.length; at < batch.idEnd[row]!; at++) number = number * 10 + batch.bytes[at]! - 48
  return number
}

/** The id of flight `number`. */
export const flightId = (number: number): string => `${ID_PREFIX}${String(number).padStart(ID_DIGITS, '0')}`

/** Gathers flights as columns; one growing piece of memory holds all of their bytes. */
function createFlightColumns() {
  const header = { name: encoder.encode('punctuality'), late: encoder.encode('late'), onTime: encoder.encode('on-time') }
  let bytes = new Uint8Array(32 * 1024 * 1024)
  let used = 0
  const timestamps: number[] = []
  const spans: number[] = []
  const append = (content: Uint8Array): number => {
    if (used + content.byteLength > bytes.byteLength) {
      const grown = new Uint8Array(bytes.byteLength * 2)
      grown.set(bytes)
      bytes = grown
    }
    bytes.set(content, used)
    used += content.byteLength
    return used - content.byteLength
  }
  const nameStart = append(header.name)
  const lateStart = append(header.late)
  const onTimeStart = append(header.onTime)

  return {
    add(value: Uint8Array, flight: Flight) {
      const number = timestamps.length
      const keyStart = append(encoder.encode(flight.key))
      const idStart = append(encoder.encode(flightId(number)))
      const valueStart = append(value)
      spans.push(keyStart, idStart, valueStart, used, flight.delayMinutes >= LATE_MINUTES ? 1 : 0)
      timestamps.push(flight.timestampMs)
    },
    build(): MessageBatch {
      const count = timestamps.length
      const column = (length: number, of: (i: number) => number) => Int32Array.from({ length }, (_, i) => of(i))
      const span = (offset: number) => column(count, (i) => spans[i * 5 + offset]!)
      const isLate = (i: number) => spans[i * 5 + 4] === 1
      return {
        count,
        bytes: bytes.subarray(0, used),
        positions: Float64Array.from({ length: count }, (_, i) => i),
        timestamps: Float64Array.from(timestamps),
        keyStart: span(0),
        keyEnd: span(1),
        idStart: span(1),
        idEnd: span(2),
        valueStart: span(2),
        valueEnd: span(3),
        headerFrom: column(count + 1, (i) => i),
        headerNameStart: column(count, () => nameStart),
        headerNameEnd: column(count, () => nameStart + header.name.byteLength),
        headerValueStart: column(count, (i) => (isLate(i) ? lateStart : onTimeStart)),
        headerValueEnd: column(count, (i) =>
          isLate(i) ? lateStart + header.late.byteLength : onTimeStart + header.onTime.byteLength,
        ),
      }
    },
  }
}
