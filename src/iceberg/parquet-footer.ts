import { MillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { readThriftStruct, type ThriftStruct, type ThriftValue } from './parquet-thrift.ts'

/** One element of a file's schema, with what lies below it. Numbers are those of parquet.thrift. */
export interface ParquetElement {
  readonly name: string
  /** Physical type; undefined for groups. */
  readonly physical: number | undefined
  readonly typeBytes: number | undefined
  /** 0 required, 1 optional, 2 repeated. */
  readonly repetition: number
  readonly converted: number | undefined
  readonly scale: number
  readonly precision: number
  readonly fieldId: number | undefined
  /** The logical type: its number in the union, and what it says. */
  readonly logical: { readonly kind: number; readonly fields: ThriftStruct } | undefined
  readonly children: readonly ParquetElement[]
}

/** What a file says of one column, over all its row groups. */
export interface ParquetColumn {
  /** Compressed bytes. */
  readonly bytes: number
  /** Values, nulls included. */
  readonly values: number
  readonly nulls: number | undefined
  readonly nans: number | undefined
  /** Smallest and largest value of each row group; undefined where one does not say. */
  readonly ranges: readonly { readonly min: Uint8Array; readonly max: Uint8Array }[] | undefined
}

/** The end of a Parquet file: what it holds. */
export interface ParquetFooter {
  readonly rows: number
  readonly fields: readonly ParquetElement[]
  /** By names from the outermost on, joined by `\0`. */
  readonly columns: ReadonlyMap<string, ParquetColumn>
  /** Where the row groups begin. */
  readonly splitOffsets: readonly number[]
}

/** Read at first: the footer of most files, and the eight bytes that say how long it is. */
const FIRST_BYTES = 64 * 1024
const TAIL_BYTES = 8
const MAGIC = 'PAR1'

/**
 * Reads the footer of a Parquet file of `bytes` bytes. Source: Apache Parquet format 2.12, parquet.thrift, read 2026-11.
 * @throws MillpondError `SEGMENT_CORRUPT`, and what the store throws.
 */
export async function readParquetFooter(
  store: Store,
  { key, bytes }: { readonly key: string; readonly bytes: number },
  signal?: AbortSignal,
): Promise<ParquetFooter> {
  const start = Math.max(0, bytes - FIRST_BYTES)
  const end = Buffer.from(await store.read(key, { start, end: bytes }, signal))
  const corrupt = (what: string) =>
    new MillpondError('SEGMENT_CORRUPT', `${key} is no Parquet file: ${what}`, { details: { key } })
  if (end.length !== bytes - start) throw corrupt(`it has not the ${bytes} bytes that its commit says`)
  if (end.length < TAIL_BYTES || end.toString('latin1', end.length - 4) !== MAGIC) throw corrupt('it does not end in PAR1')
  const footerBytes = end.readUInt32LE(end.length - TAIL_BYTES)
  if (footerBytes > bytes - TAIL_BYTES) throw corrupt(`its footer of ${footerBytes} bytes is longer than the file`)
  const footerStart = bytes - TAIL_BYTES - footerBytes
  const footer =
    footerStart >= start
      ? end.subarray(footerStart - start, end.length - TAIL_BYTES)
      : await store.read(key, { start: footerStart, end: bytes - TAIL_BYTES }, signal)
  try {
    return parseParquetFooter(footer)
  } catch (error) {
    throw corrupt(error instanceof Error ? error.message : String(error))
  }
}

/** Reads a footer: the bytes before its length. @throws MillpondError `SEGMENT_CORRUPT`. */
export function parseParquetFooter(bytes: Uint8Array): ParquetFooter {
  const footer = readThriftStruct(bytes)
  const elements = list(footer.get(2))
  const taken = takeElement(elements, 0)
  const groups = list(footer.get(4))
  return {
    rows: whole(footer.get(3)),
    fields: taken.element.children,
    columns: columnsOf(groups),
    splitOffsets: groups.map((group) => groupStart(struct(group))).sort((left, right) => left - right),
  }
}

function takeElement(elements: readonly ThriftValue[], at: number): { element: ParquetElement; next: number } {
  const fields = struct(elements[at])
  const children: ParquetElement[] = []
  let next = at + 1
  for (let left = optional(fields.get(5)) ?? 0; left > 0; left--) {
    const child = takeElement(elements, next)
    children.push(child.element)
    next = child.next
  }
  const logical = fields.get(10) === undefined ? undefined : [...struct(fields.get(10))][0]
  const element: ParquetElement = {
    name: text(fields.get(4)),
    physical: optional(fields.get(1)),
    typeBytes: optional(fields.get(2)),
    repetition: optional(fields.get(3)) ?? 0,
    converted: optional(fields.get(6)),
    scale: optional(fields.get(7)) ?? 0,
    precision: optional(fields.get(8)) ?? 0,
    fieldId: optional(fields.get(9)),
    logical: logical && { kind: logical[0], fields: struct(logical[1]) },
    children,
  }
  return { element, next }
}

function columnsOf(groups: readonly ThriftValue[]): Map<string, ParquetColumn> {
  const columns = new Map<string, ParquetColumn>()
  for (const chunk of groups.flatMap((group) => list(struct(group).get(1)))) {
    const said = struct(struct(chunk).get(3))
    const path = list(said.get(3)).map(text).join('\u0000')
    const one = columnOf(said)
    const before = columns.get(path)
    columns.set(path, before === undefined ? one : joined(before, one))
  }
  return columns
}

function columnOf(said: ThriftStruct): ParquetColumn {
  const statistics = said.get(12) === undefined ? undefined : struct(said.get(12))
  const [min, max] = [statistics?.get(6), statistics?.get(5)]
  const values = whole(said.get(5))
  const nulls = optional(statistics?.get(3))
  const range = min instanceof Uint8Array && max instanceof Uint8Array ? [{ min, max }] : undefined
  return {
    bytes: whole(said.get(7)),
    values,
    nulls,
    nans: optional(statistics?.get(9)),
    // Where all is null there is no smallest value, and nothing is missing.
    ranges: range ?? (nulls === values ? [] : undefined),
  }
}

const sum = (left: number | undefined, right: number | undefined): number | undefined =>
  left === undefined || right === undefined ? undefined : left + right

const joined = (left: ParquetColumn, right: ParquetColumn): ParquetColumn => ({
  bytes: left.bytes + right.bytes,
  values: left.values + right.values,
  nulls: sum(left.nulls, right.nulls),
  nans: sum(left.nans, right.nans),
  ranges: left.ranges === undefined || right.ranges === undefined ? undefined : [...left.ranges, ...right.ranges],
})

/** Where the first page of a row group lies. */
function groupStart(group: ThriftStruct): number {
  const said = struct(struct(list(group.get(1))[0]).get(3))
  const [page, dictionary] = [whole(said.get(9)), optional(said.get(11))]
  return dictionary !== undefined && dictionary > 0 ? Math.min(page, dictionary) : page
}

const wrong = (what: string) =>
  new MillpondError('SEGMENT_CORRUPT', `the footer of a Parquet file has ${what} where it should not`)

function struct(value: ThriftValue | undefined): ThriftStruct {
  if (!(value instanceof Map)) throw wrong('no struct')
  return value as ThriftStruct
}

function list(value: ThriftValue | undefined): readonly ThriftValue[] {
  if (!Array.isArray(value)) throw wrong('no list')
  return value as readonly ThriftValue[]
}

function text(value: ThriftValue | undefined): string {
  if (!(value instanceof Uint8Array)) throw wrong('no text')
  return Buffer.from(value).toString('utf8')
}

function optional(value: ThriftValue | undefined): number | undefined {
  if (value !== undefined && typeof value !== 'number') throw wrong('no whole number')
  return value
}

function whole(value: ThriftValue | undefined): number {
  const number = optional(value)
  if (number === undefined || number < 0) throw wrong('no count')
  return number
}
