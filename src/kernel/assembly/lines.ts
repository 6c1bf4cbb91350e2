/**
 * Messages out of columns as lines, rows of a table or plain values: a program says what is written for each message. `../../encode/line-program.ts`
 * makes programs; a step is three 32-bit words: what to do, and two words for it.
 */
import { writeLength, writeOptional } from './avro-write'
import { headersOf, spansOf, timestampsOf } from './columns'
import { copyShort } from './copy'
import { writeCsvBase64, writeCsvField, writeCsvText } from './csv-put'
import { writeField } from './json-field'
import { beginScan, skipSpace, skipValue, SPACES_IN_TEXT } from './json-scan'
import { writeBase64, writeLiteral, writeNumber, writeText } from './json-put'
import { writeCompact } from './json-compact'
import { writeIsoTime } from './json-time'
import { writeEnvelope } from './json-write'
import { isUtf8 } from './utf8'

/** The bytes at the first word's place in the program, as many as the second says. */
const LITERAL: i32 = 0
/** The rest of an object of docs/formats.md, "JSON lines that lose nothing", from the number of its position on. */
const ENVELOPE: i32 = 1
const POSITION: i32 = 2
/** Milliseconds. */
const TIMESTAMP: i32 = 3
/** RFC 3339, in UTC, without quotes. */
const TIME: i32 = 4
// Those that follow take a column of bytes: 0 key, 2 value, 4 id.
/** As they are; nothing for null. */
const BYTES: i32 = 5
/** JSON on one line, as it is where it has no line breaks; `null` for null. */
const JSON: i32 = 6
/** A JSON string; base64 where it is not UTF-8; `null` for null. */
const TEXT: i32 = 7
/** A JSON string of base64; `null` for null. */
const BASE64: i32 = 8
/** As a field of a table, quoted where it has to be; nothing for null. The second word is the sign between fields. */
const CSV_TEXT: i32 = 9
/** Quoted where it is empty, unless the second word is 1. */
const CSV_BASE64: i32 = 10
/** A list of objects with `key` and `value`; the value as TEXT has it, or, where the first word is 1, as BASE64 has it. */
const HEADERS: i32 = 11
/** The same as a field of a table. */
const CSV_HEADERS: i32 = 12
/** Base64 of name and value with a colon between and a semicolon behind them. */
const CSV_PAIRS: i32 = 13
/** A field of the value, whose name is at the first word's place: parts of it end in 0, the last in two. The second word is the sign between fields. */
const CSV_FIELD: i32 = 14

/** In Avro, `["null", "bytes"]` or `["null", "string"]`. */
const AVRO_BYTES: i32 = 15
/** In Avro, a list of records of a name and `["null", "string"]`; the value as TEXT has it, without quotes and escapes. */
const AVRO_HEADERS: i32 = 16

const STEP_BYTES: usize = 12

/**
 * Writes what the program says for the rows from `from` to before `to`, as many as fit: a row that would make the block longer than `blockBytes` ends
 * the call, unless the block holds nothing yet. In, as 32-bit words at `call` (a multiple of 8): 0 what the columns count from, 1 columns, 2 their
 * rows, 3 their headers, 4 from, 5 to, 6 program, 7 its steps, 8 output, which has room for all of it, 9 bytes of the block that are written
 * elsewhere, 10 `blockBytes`. Out: 11 bytes written, and as f64 smallest and largest timestamp, at word 12 and 14. Gives the number of rows. The columns
 * must have passed `measureRows` or come from `readRecords`, and must point at memory that may be written: what is behind a value is changed and restored.
 */
export function writeLines(call: usize): i32 {
  const bytes = <usize>load<u32>(call)
  const columns = <usize>load<u32>(call, 4)
  const n = <usize>load<u32>(call, 8)
  const h = <usize>load<u32>(call, 12)
  const from = load<u32>(call, 16)
  const to = load<u32>(call, 20)
  const program = <usize>load<u32>(call, 24)
  const steps = program + <usize>load<u32>(call, 28) * STEP_BYTES
  const first = <usize>load<u32>(call, 32)
  const pendingBytes = load<u32>(call, 36)
  const room = <i64>load<u32>(call, 40) - <i64>pendingBytes
  const timestamps = timestampsOf(columns, n)
  let smallest: f64 = Infinity
  let largest: f64 = -Infinity
  let out = first
  let row = from
  for (; row < to; row++) {
    const rowStart = out
    for (let step = program; step < steps; step += STEP_BYTES) out = writeStep(out, step, program, columns, n, h, row, bytes)
    if (<i64>(out - first) > room && (pendingBytes > 0 || row > from)) {
      out = rowStart
      break
    }
    const timestamp = load<f64>(timestamps + (<usize>row << 3))
    smallest = min(smallest, timestamp)
    largest = max(largest, timestamp)
  }
  store<u32>(call, <u32>(out - first), 44)
  store<f64>(call, smallest, 48)
  store<f64>(call, largest, 56)
  return <i32>(row - from)
}

function writeStep(out: usize, step: usize, program: usize, columns: usize, n: usize, h: usize, row: usize, bytes: usize): usize {
  const what = load<i32>(step)
  const first = load<u32>(step, 4)
  const second = load<u32>(step, 8)
  if (what == LITERAL) {
    copyShort(out, program + first, second)
    return out + second
  }
  if (what == ENVELOPE) return writeEnvelope(out, columns, n, h, row, bytes)
  if (what >= BYTES && what <= CSV_BASE64) return writeSpan(out, what, first, second, columns, n, row, bytes)
  if (what == POSITION) return writeNumber(out, load<f64>(columns + (row << 3)))
  if (what == TIMESTAMP) return writeNumber(out, load<f64>(timestampsOf(columns, n) + (row << 3)))
  if (what == TIME) return writeIsoTime(out, load<f64>(timestampsOf(columns, n) + (row << 3)))
  if (what == AVRO_BYTES) {
    const at = spansOf(columns, n, first) + (row << 2)
    return writeOptional(out, bytes, load<i32>(at), load<i32>(at + (n << 2)))
  }
  if (what == CSV_FIELD) {
    const at = spansOf(columns, n, 2) + (row << 2)
    const start = load<i32>(at)
    if (start < 0) return out
    return writeField(out, bytes + start, bytes + load<i32>(at + (n << 2)), program + first, <u8>second)
  }
  const headerFrom = spansOf(columns, n, 6)
  const firstHeader = <usize>load<i32>(headerFrom)
  const from = <usize>load<i32>(headerFrom + (row << 2)) - firstHeader
  const to = <usize>load<i32>(headerFrom + (row << 2), 4) - firstHeader
  if (what == AVRO_HEADERS) return writeAvroHeaders(out, columns, n, h, from, to, bytes)
  if (what == CSV_PAIRS) return writePairs(out, columns, n, h, from, to, bytes)
  if (what == HEADERS) return writeHeaderList(out, columns, n, h, from, to, bytes, first == 1)
  const end = writeHeaderList(out, columns, n, h, from, to, bytes, false)
  return writeCsvField(out, end)
}

function writeSpan(out: usize, what: i32, column: usize, separator: u32, columns: usize, n: usize, row: usize, bytes: usize): usize {
  const at = spansOf(columns, n, column) + (row << 2)
  const start = load<i32>(at)
  if (start < 0) return what >= JSON && what <= BASE64 ? writeLiteral(out, 'null') : out
  const from = bytes + start
  const end = bytes + load<i32>(at + (n << 2))
  switch (what) {
    case BYTES:
      copyShort(out, from, <u32>(end - from))
      return out + (end - from)
    case JSON:
      return writeCompact(out, from, end)
    case TEXT:
      return writeText(out, from, end)
    case BASE64:
      return writeQuotedBase64(out, from, end)
    case CSV_TEXT:
      return writeCsvText(out, from, end, <u8>separator)
    default:
      return separator == 1 ? writeBase64(out, from, end) : writeCsvBase64(out, from, end)
  }
}

function writeQuotedBase64(out: usize, from: usize, end: usize): usize {
  store<u8>(out, 0x22)
  out = writeBase64(out + 1, from, end)
  store<u8>(out, 0x22)
  return out + 1
}

function writeHeaderList(
  out: usize,
  columns: usize,
  n: usize,
  h: usize,
  from: usize,
  to: usize,
  bytes: usize,
  isBase64: bool,
): usize {
  store<u8>(out++, 0x5b)
  for (let header = from; header < to; header++) {
    const at = header << 2
    if (header > from) store<u8>(out++, 0x2c)
    out = writeLiteral(out, '{"key":')
    out = writeText(out, bytes + load<i32>(headersOf(columns, n, h, 0) + at), bytes + load<i32>(headersOf(columns, n, h, 1) + at))
    out = writeLiteral(out, ',"value":')
    const start = load<i32>(headersOf(columns, n, h, 2) + at)
    if (start < 0) out = writeLiteral(out, 'null')
    else {
      const end = bytes + load<i32>(headersOf(columns, n, h, 3) + at)
      out = isBase64 ? writeQuotedBase64(out, bytes + start, end) : writeText(out, bytes + start, end)
    }
    store<u8>(out++, 0x7d)
  }
  store<u8>(out, 0x5d)
  return out + 1
}

function writeAvroHeaders(out: usize, columns: usize, n: usize, h: usize, from: usize, to: usize, bytes: usize): usize {
  if (from < to) out = writeLength(out, <u32>(to - from))
  for (let header = from; header < to; header++) {
    const at = header << 2
    out = writeAvroText(out, bytes + load<i32>(headersOf(columns, n, h, 0) + at), bytes + load<i32>(headersOf(columns, n, h, 1) + at))
    const start = load<i32>(headersOf(columns, n, h, 2) + at)
    store<u8>(out++, start < 0 ? 0 : 2)
    if (start >= 0) out = writeAvroText(out, bytes + start, bytes + load<i32>(headersOf(columns, n, h, 3) + at))
  }
  store<u8>(out, 0)
  return out + 1
}

/** A string of the bytes, of their base64 where they are not UTF-8. */
function writeAvroText(out: usize, start: usize, end: usize): usize {
  const length = <u32>(end - start)
  if (isUtf8(start, length)) {
    out = writeLength(out, length)
    copyShort(out, start, length)
    return out + length
  }
  return writeBase64(writeLength(out, ((length + 2) / 3) * 4), start, end)
}

function writePairs(out: usize, columns: usize, n: usize, h: usize, from: usize, to: usize, bytes: usize): usize {
  for (let header = from; header < to; header++) {
    const at = header << 2
    out = writeBase64(out, bytes + load<i32>(headersOf(columns, n, h, 0) + at), bytes + load<i32>(headersOf(columns, n, h, 1) + at))
    store<u8>(out++, 0x3a)
    const start = load<i32>(headersOf(columns, n, h, 2) + at)
    if (start >= 0) out = writeBase64(out, bytes + start, bytes + load<i32>(headersOf(columns, n, h, 3) + at))
    store<u8>(out++, 0x3b)
  }
  return out
}

/**
 * Finds rows before `to` whose bytes in the column (0 key, 2 value, 4 id) are not `kind`: 0 one JSON text, 1 UTF-8. Null is either. Writes their
 * numbers to `out`, of 4 bytes a row, and gives how many there are. The columns must be as for `writeLines`.
 */
export function findUnlike(columns: usize, n: u32, to: u32, column: u32, kind: i32, bytes: usize, out: usize): i32 {
  const starts = spansOf(columns, n, column)
  const ends = starts + (<usize>n << 2)
  let found: u32 = 0
  for (let row: u32 = 0; row < to; row++) {
    const start = load<i32>(starts + (<usize>row << 2))
    if (start < 0) continue
    const from = bytes + start
    const end = bytes + load<i32>(ends + (<usize>row << 2))
    const isLike = kind == 0 ? isJson(from, end) : isUtf8(from, <u32>(end - from))
    if (isLike) continue
    store<u32>(out + (<usize>found << 2), row)
    found++
  }
  return <i32>found
}

/** Whether the bytes are one JSON text, white space around it included. */
function isJson(start: usize, end: usize): bool {
  const behind = load<u8>(end)
  store<u8>(end, 0)
  beginScan(end, SPACES_IN_TEXT)
  let p = skipValue(skipSpace(start))
  if (p != 0) p = skipSpace(p)
  store<u8>(end, behind)
  return p == end
}
