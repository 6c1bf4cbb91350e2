import type { MessageBatch } from '../batch/batch.ts'
import { MAX_BATCH_BYTES } from '../batch/builder.ts'
import { MillpondError } from '../errors.ts'
import { readDeltas, readHybrid } from '../kernel/parquet.ts'
import { envelopeLeaves } from './parquet-envelope.ts'
import { decompressPage, encodings, type PageCodec, type PageRead, readPage } from './parquet-page.ts'

/** A page and where its bytes lie, decompressed, among those of all pages. */
interface OpenPage extends PageRead {
  readonly at: number
}

/**
 * The messages of a row group from its bytes alone: columns follow each other in the order of the schema, the first has one page, which says how
 * many rows there are, and all others end with the page that holds the last row.
 * @throws MillpondError `BLOCK_CORRUPT`.
 */
export async function readEnvelope(stored: Uint8Array, codec: PageCodec): Promise<MessageBatch> {
  const pages: OpenPage[] = []
  let total = 0
  for (let at = 0; at < stored.byteLength;) {
    const page = readPage(stored, at)
    pages.push({ ...page, at: total })
    total += page.rawBytes
    at = page.end
  }
  if (total > MAX_BATCH_BYTES) throw corrupt(`its pages have ${total} bytes`)
  const raw = await Promise.all(pages.map((page) => decompressPage(page, codec)))
  const bytes = new Uint8Array(total)
  for (const [i, page] of pages.entries()) bytes.set(raw[i]!, page.at)
  return batchOfPages(pages, bytes)
}

function batchOfPages(pages: readonly OpenPage[], bytes: Uint8Array): MessageBatch {
  const count = pages[0]?.count ?? 0
  if (count === 0) throw corrupt('it has no rows')
  const reader: Reader = { pages, bytes, view: new DataView(bytes.buffer), next: 0, count }
  const positions = numbers(reader)
  for (let row = 1; row < count; row++) {
    if (positions[row]! <= positions[row - 1]!) throw corrupt(`position ${positions[row]} follows ${positions[row - 1]}`)
  }
  const timestamps = numbers(reader)
  const key = spans(reader, 2)
  const value = spans(reader, 3)
  const headers = headersOf(reader)
  const id = spans(reader, 6)
  if (reader.next < pages.length) throw corrupt('it has more pages than it should')
  return {
    count,
    bytes,
    positions,
    timestamps,
    keyStart: key.starts,
    keyEnd: key.ends,
    valueStart: value.starts,
    valueEnd: value.ends,
    idStart: id.starts,
    idEnd: id.ends,
    ...headers,
  }
}

interface Reader {
  readonly pages: readonly OpenPage[]
  readonly bytes: Uint8Array
  readonly view: DataView
  /** The page that is to be read. */
  next: number
  readonly count: number
}

function takePage(reader: Reader): OpenPage {
  const page = reader.pages[reader.next++]
  if (page === undefined) throw corrupt('it ends too early')
  return page
}

/** A column without nulls, in one page of packed differences. */
function numbers(reader: Reader): Float64Array {
  const { kind, encoding, count, at, rawBytes } = takePage(reader)
  if (kind !== 'data' || encoding !== encodings.delta || count !== reader.count)
    throw corrupt('a column of numbers is not as it is written')
  return readDeltas(reader.bytes.subarray(at, at + rawBytes), count)
}

/** Where the values of a column lie; -1 for those that are not there. */
interface Spans {
  starts: Int32Array
  ends: Int32Array
  /** Of each; undefined where all of them are there. */
  definition: Int32Array | undefined
  /** Of each; undefined where the column has none. */
  repetition: Int32Array | undefined
  count: number
}

/** The values of a column of BYTE_ARRAY, of all its pages. */
function spans(reader: Reader, column: number): Spans {
  const { maxDefinition, maxRepetition } = envelopeLeaves[column]!
  const dictionary = reader.pages[reader.next]?.kind === 'dictionary' ? readDictionary(reader, takePage(reader)) : undefined
  const parts: Spans[] = []
  for (let rows = 0; rows < reader.count;) {
    const page = takePage(reader)
    if (page.kind !== 'data') throw corrupt('a column has two dictionaries')
    const part = readSpans(reader, page, { maxDefinition, maxRepetition, dictionary })
    const added = part.repetition === undefined ? part.count : rowsIn(part.repetition)
    if (added === 0) throw corrupt('a page begins within a row')
    rows += added
    if (rows > reader.count) throw corrupt(`a column has ${rows} rows, others ${reader.count}`)
    parts.push(part)
  }
  return parts.length === 1 ? parts[0]! : joinSpans(parts, maxDefinition)
}

function rowsIn(repetition: Int32Array): number {
  let rows = 0
  for (let i = 0; i < repetition.length; i++) if (repetition[i] === 0) rows++
  return repetition[0] === 0 ? rows : 0
}

function joinSpans(parts: readonly Spans[], maxDefinition: number): Spans {
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  const join = (of: (part: Spans) => Int32Array | undefined) => {
    if (parts.every((part) => of(part) === undefined)) return undefined
    const joined = new Int32Array(count)
    let at = 0
    for (const part of parts) {
      const found = of(part)
      // Of definitions alone some pages may have none.
      if (found === undefined) joined.fill(maxDefinition, at, at + part.count)
      else joined.set(found, at)
      at += part.count
    }
    return joined
  }
  return {
    count,
    starts: join(({ starts }) => starts)!,
    ends: join(({ ends }) => ends)!,
    definition: join(({ definition }) => definition),
    repetition: join(({ repetition }) => repetition),
  }
}

interface Dictionary {
  readonly starts: Int32Array
  readonly ends: Int32Array
}

function readDictionary({ bytes, view }: Reader, { at, count, rawBytes, encoding }: OpenPage): Dictionary {
  if (encoding !== encodings.plain || count > rawBytes >> 2) throw corrupt('its dictionary is none')
  const starts = new Int32Array(count)
  const ends = new Int32Array(count)
  const end = readPlain({ bytes, view }, { at, end: at + rawBytes, starts, ends, isThere: undefined })
  if (end !== at + rawBytes) throw corrupt('bytes follow its dictionary')
  return { starts, ends }
}

interface SpansPlan {
  readonly maxDefinition: number
  readonly maxRepetition: number
  readonly dictionary: Dictionary | undefined
}

function readSpans(reader: Reader, page: OpenPage, { maxDefinition, maxRepetition, dictionary }: SpansPlan): Spans {
  const { bytes, view } = reader
  const { count, encoding } = page
  const end = page.at + page.rawBytes
  let { at } = page
  const levels = (max: number) => {
    if (max === 0) return undefined
    const length = at + 4 <= end ? view.getUint32(at, true) : Infinity
    if (length > end - at - 4) throw corrupt('the levels of a page end too early')
    at += 4 + length
    const found = readHybrid(bytes.subarray(at - length, at), 32 - Math.clz32(max), count)
    for (let i = 0; i < count; i++) if (found[i]! > max) throw corrupt(`a level is ${found[i]}, not ${max} or less`)
    return found
  }
  const repetition = levels(maxRepetition)
  const found = levels(maxDefinition)
  const definition = found?.every((level) => level === maxDefinition) === true ? undefined : found
  const starts = new Int32Array(count)
  const ends = new Int32Array(count)
  const isThere = definition && ((i: number) => definition[i] === maxDefinition)
  if (encoding === encodings.plain) at = readPlain({ bytes, view }, { at, end, starts, ends, isThere })
  else if (encoding === encodings.dictionary && dictionary !== undefined)
    readIndexes(bytes.subarray(at, end), dictionary, { starts, ends, isThere })
  else throw corrupt(`a page has the encoding ${encoding}`)
  if (encoding === encodings.plain && at !== end) throw corrupt('bytes follow the values of a page')
  return { starts, ends, definition, repetition, count }
}

interface Target {
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly isThere: ((i: number) => boolean) | undefined
}

/** Gives where the values end. */
function readPlain(
  { view }: Pick<Reader, 'bytes' | 'view'>,
  { at: start, end, starts, ends, isThere }: Target & { readonly at: number; readonly end: number },
): number {
  let at = start
  for (let i = 0; i < starts.length; i++) {
    if (isThere !== undefined && !isThere(i)) {
      starts[i] = -1
      ends[i] = -1
      continue
    }
    const length = at + 4 <= end ? view.getUint32(at, true) : Infinity
    if (length > end - at - 4) throw corrupt('the values of a page end too early')
    starts[i] = at + 4
    at += 4 + length
    ends[i] = at
  }
  return at
}

function readIndexes(packed: Uint8Array, dictionary: Dictionary, { starts, ends, isThere }: Target): void {
  let there = 0
  for (let i = 0; i < starts.length; i++) if (isThere === undefined || isThere(i)) there++
  const width = packed[0] ?? 33
  if (width > 32) throw corrupt(`indexes cannot have ${width} bits`)
  const indexes = readHybrid(packed.subarray(1), width, there)
  let next = 0
  for (let i = 0; i < starts.length; i++) {
    if (isThere !== undefined && !isThere(i)) {
      starts[i] = -1
      ends[i] = -1
      continue
    }
    const index = indexes[next++]!
    if (index < 0 || index >= dictionary.starts.length) throw corrupt(`its dictionary has no value ${index}`)
    starts[i] = dictionary.starts[index]!
    ends[i] = dictionary.ends[index]!
  }
}

type Headers = Pick<MessageBatch, 'headerFrom' | 'headerNameStart' | 'headerNameEnd' | 'headerValueStart' | 'headerValueEnd'>

/** Names and values are columns of their own with levels that agree; a row without headers has one entry of definition 0 in both. */
function headersOf(reader: Reader): Headers {
  const name = spans(reader, 4)
  const value = spans(reader, 5)
  if (name.count !== value.count) throw corrupt('headers have not as many values as names')
  const headerFrom = new Int32Array(reader.count + 1)
  let row = -1
  let header = 0
  for (let i = 0; i < name.count; i++) {
    const isNew = name.repetition![i] === 0
    const isHeader = (name.definition?.[i] ?? 1) > 0
    if (isNew !== (value.repetition![i] === 0) || isHeader !== (value.definition?.[i] ?? 2) > 0)
      throw corrupt('names and values of headers do not agree')
    if (isNew) headerFrom[++row] = header
    else if (!isHeader || header === headerFrom[row]) throw corrupt('a header follows none')
    if (!isHeader) continue
    // What is no header moves the others forward.
    name.starts[header] = name.starts[i]!
    name.ends[header] = name.ends[i]!
    value.starts[header] = value.starts[i]!
    value.ends[header] = value.ends[i]!
    header++
  }
  headerFrom[reader.count] = header
  return {
    headerFrom,
    headerNameStart: name.starts.subarray(0, header),
    headerNameEnd: name.ends.subarray(0, header),
    headerValueStart: value.starts.subarray(0, header),
    headerValueEnd: value.ends.subarray(0, header),
  }
}

const corrupt = (what: string) => new MillpondError('BLOCK_CORRUPT', `a row group cannot be read: ${what}`)
