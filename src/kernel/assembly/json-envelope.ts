/**
 * One message as JSON (docs/formats.md), read into a row of the columns. Text without escapes and raw values are pointed at where
 * they lie; text with escapes and base64 is decoded in place, which never makes it longer.
 */
import { headersOf, spansOf, timestampsOf } from './columns'
import {
  COLUMNS_FULL, COMMA_EXPECTED, HEADER_EXPECTED, HEADER_NAMED_TWICE, HEADER_NAME_MISSING, HEADER_PROPERTY_UNKNOWN, HEADERS_EXPECTED,
  MESSAGE_TOO_LARGE, NAME_EXPECTED, OBJECT_EXPECTED, POSITION_MISSING, PROPERTY_TWICE, PROPERTY_UNKNOWN, TEXT_EXPECTED, TOO_MANY_NAMED_HEADERS,
} from './json-reasons'
import {
  CLOSE_BRACE, CLOSE_BRACKET, COMMA, fail, isNull, OPEN_BRACE, OPEN_BRACKET, QUOTE, readText, skipColon, skipSpace, skipValue,
  textEnd, textStart,
} from './json-scan'
import { readBase64OrNull, readTextOrNull, spanEnd, spanStart } from './json-text'
import { readTimestamp, readWhole, setTimestamp, timestampMs, whole } from './json-time'

/** Headers that an object may hold: each name is compared with each other one. A list of headers has no limit. */
const MAX_NAMED_HEADERS: usize = 256

const KEY: i32 = 1
const KEY_BASE64: i32 = 2
const VALUE: i32 = 3
const VALUE_TEXT: i32 = 4
const VALUE_BASE64: i32 = 5
const ID: i32 = 6
const ID_BASE64: i32 = 7
const HEADERS: i32 = 8
const TIMESTAMP: i32 = 9
const TOPIC: i32 = 10
const LANE: i32 = 11
const POSITION: i32 = 12
const NAME: i32 = 13
const NAME_BASE64: i32 = 14

/** The field that each property fills: an object may have one property for a field. */
const fields: usize = memory.data<u8>([0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 9])

/** The property of this name, or 0. The numbers are the bytes of the names, little endian. */
function propertyOf(name: usize, length: usize): i32 {
  const head = load<u64>(name)
  switch (<i32>length) {
    case 2:
      return (head & 0xffff) == 0x6469 ? ID : 0
    case 3:
      return (head & 0xffffff) == 0x79656b ? KEY : 0
    case 4:
      if (<u32>head == 0x656d616e) return NAME
      return <u32>head == 0x656e616c ? LANE : 0
    case 5:
      if ((head & 0xffffffffff) == 0x65756c6176) return VALUE
      return (head & 0xffffffffff) == 0x6369706f74 ? TOPIC : 0
    case 7:
      return (head & 0xffffffffffffff) == 0x73726564616568 ? HEADERS : 0
    case 8:
      if (head == 0x6e6f697469736f70) return POSITION
      return head == 0x3436657361426469 ? ID_BASE64 : 0
    case 9: {
      const last = <i32>load<u8>(name, 8)
      if (head == 0x6d617473656d6974 && last == 0x70) return TIMESTAMP
      if (head == 0x78655465756c6176 && last == 0x74) return VALUE_TEXT
      return head == 0x366573614279656b && last == 0x34 ? KEY_BASE64 : 0
    }
    case 10:
      return head == 0x65736142656d616e && load<u16>(name, 8) == 0x3436 ? NAME_BASE64 : 0
    case 11:
      return head == 0x73614265756c6176 && (load<u32>(name, 8) & 0xffffff) == 0x343665 ? VALUE_BASE64 : 0
    default:
      return 0
  }
}

/** Address that offset 0 of the columns stands for. */
let origin: usize = 0
let columns: usize = 0
let maxRows: usize = 0
let maxHeaders: usize = 0
let maxMessageBytes: u32 = 0
let nowMs: f64 = 0
let firstPosition: f64 = 0
/** Whether messages keep the positions that they bring. */
let keepsPositions = false

/** Rows that are whole, and the headers they have. */
export let rows: usize = 0
export let headers: usize = 0
/** Payload of the row that was stored last. */
export let messageBytes: u32 = 0

export function beginRows(target: usize, rowRoom: usize, headerRoom: usize, zero: usize): void {
  columns = target
  maxRows = rowRoom
  maxHeaders = headerRoom
  origin = zero
  rows = 0
  headers = 0
  store<i32>(spansOf(target, rowRoom, 6), 0)
}

export function setRowDefaults(ms: f64, position: f64, messageLimit: u32, keeps: bool): void {
  nowMs = ms
  keepsPositions = keeps
  firstPosition = position
  maxMessageBytes = messageLimit
}

/** Whether another row has room. */
export function hasRoom(): bool {
  return rows < maxRows
}

// The message that is being read: addresses, 0 for null.
let keyStart: usize = 0
let keyEnd: usize = 0
let valueStart: usize = 0
let valueEnd: usize = 0
let idStart: usize = 0
let idEnd: usize = 0
let position: f64 = 0
/** Its headers included. */
let header: usize = 0
let property: i32 = 0
/** One bit for each field that the object has. */
let seen: i32 = 0

// @ts-ignore: decorator
@inline
function storeSpan(starts: usize, ends: usize, at: usize, start: usize, end: usize): void {
  store<i32>(starts + (at << 2), start == 0 ? -1 : <i32>(start - origin))
  store<i32>(ends + (at << 2), start == 0 ? -1 : <i32>(end - origin))
  messageBytes += <u32>(end - start)
}

// @ts-ignore: decorator
@inline
function span(column: usize): usize {
  return spansOf(columns, maxRows, column)
}

// @ts-ignore: decorator
@inline
function headerColumn(column: usize): usize {
  return headersOf(columns, maxRows, maxHeaders, column)
}

/** Reads a name and its colon, and leaves in `property` which one it is. */
function readProperty(p: usize, ofHeader: bool): usize {
  if (load<u8>(p) != QUOTE) return fail(NAME_EXPECTED, p)
  const at = p
  p = readText(p + 1)
  if (p == 0) return 0
  property = propertyOf(textStart, textEnd - textStart)
  if (ofHeader) {
    if (property < NAME && property != VALUE && property != VALUE_BASE64) return fail(HEADER_PROPERTY_UNKNOWN, at)
  } else if (property == 0 || property >= NAME) return fail(PROPERTY_UNKNOWN, at)
  const field = 1 << <i32>load<u8>(fields + property)
  if ((seen & field) != 0) return fail(PROPERTY_TWICE, at)
  seen |= field
  return skipColon(p)
}

/** Adds a header to the message; false where the columns are full. */
function addHeader(nameStart: usize, nameEnd: usize, start: usize, end: usize): bool {
  if (header == maxHeaders) {
    fail(COLUMNS_FULL, nameStart)
    return false
  }
  storeSpan(headerColumn(0), headerColumn(1), header, nameStart, nameEnd)
  storeSpan(headerColumn(2), headerColumn(3), header, start, end)
  header++
  return true
}

/** One header of a list: an object of a name and a value, either also in base64. */
function readHeader(p: usize): usize {
  const at = p
  if (load<u8>(p) != OPEN_BRACE) return fail(HEADER_EXPECTED, p)
  seen = 0
  let nameStart: usize = 0
  let nameEnd: usize = 0
  let start: usize = 0
  let end: usize = 0
  p = skipSpace(p + 1)
  if (load<u8>(p) == CLOSE_BRACE) return fail(HEADER_NAME_MISSING, at)
  while (true) {
    p = readProperty(p, true)
    if (p == 0) return 0
    const from = p
    p = property == VALUE_BASE64 || property == NAME_BASE64 ? readBase64OrNull(p) : readTextOrNull(p)
    if (p == 0) return 0
    if (property >= NAME) {
      if (spanStart == 0) return fail(TEXT_EXPECTED, from)
      nameStart = spanStart
      nameEnd = spanEnd
    } else {
      start = spanStart
      end = spanEnd
    }
    p = skipSpace(p)
    const sign = <i32>load<u8>(p)
    if (sign == CLOSE_BRACE) break
    if (sign != COMMA) return fail(COMMA_EXPECTED, p)
    p = skipSpace(p + 1)
  }
  if (nameStart == 0) return fail(HEADER_NAME_MISSING, at)
  return addHeader(nameStart, nameEnd, start, end) ? p + 1 : 0
}

/** `{"name": "text"}`: a header for each property. */
function readNamedHeaders(p: usize): usize {
  const first = header
  p = skipSpace(p + 1)
  if (load<u8>(p) == CLOSE_BRACE) return p + 1
  while (true) {
    const at = p
    if (load<u8>(p) != QUOTE) return fail(NAME_EXPECTED, p)
    p = readText(p + 1)
    if (p == 0) return 0
    const nameStart = textStart
    const nameEnd = textEnd
    if (header - first == MAX_NAMED_HEADERS) return fail(TOO_MANY_NAMED_HEADERS, at)
    if (isNamed(first, nameStart, nameEnd)) return fail(HEADER_NAMED_TWICE, at)
    p = skipColon(p)
    if (p != 0) p = readTextOrNull(p)
    if (p == 0 || !addHeader(nameStart, nameEnd, spanStart, spanEnd)) return 0
    p = skipSpace(p)
    const sign = <i32>load<u8>(p)
    if (sign == CLOSE_BRACE) return p + 1
    if (sign != COMMA) return fail(COMMA_EXPECTED, p)
    p = skipSpace(p + 1)
  }
}

/** Whether one of the headers from `first` on has this name. */
function isNamed(first: usize, nameStart: usize, nameEnd: usize): bool {
  const length = <i32>(nameEnd - nameStart)
  for (let h = first; h < header; h++) {
    const start = load<i32>(headerColumn(0) + (h << 2))
    if (load<i32>(headerColumn(1) + (h << 2)) - start != length) continue
    if (memory.compare(origin + <usize>start, nameStart, length) == 0) return true
  }
  return false
}

function readHeaders(p: usize): usize {
  const c = <i32>load<u8>(p)
  if (c == OPEN_BRACE) return readNamedHeaders(p)
  if (c != OPEN_BRACKET) return isNull(p) ? p + 4 : fail(HEADERS_EXPECTED, p)
  p = skipSpace(p + 1)
  if (load<u8>(p) == CLOSE_BRACKET) return p + 1
  while (true) {
    p = readHeader(p)
    if (p == 0) return 0
    p = skipSpace(p)
    const sign = <i32>load<u8>(p)
    if (sign == CLOSE_BRACKET) return p + 1
    if (sign != COMMA) return fail(COMMA_EXPECTED, p)
    p = skipSpace(p + 1)
  }
}

/** The value of the property that `property` names, into the message that is being read. */
function readPropertyValue(p: usize): usize {
  switch (property) {
    case KEY:
    case KEY_BASE64:
      p = property == KEY ? readTextOrNull(p) : readBase64OrNull(p)
      keyStart = spanStart
      keyEnd = spanEnd
      return p
    case VALUE:
      if (isNull(p)) return p + 4
      valueStart = p
      p = skipValue(p)
      valueEnd = p
      return p
    case VALUE_TEXT:
    case VALUE_BASE64:
      p = property == VALUE_TEXT ? readTextOrNull(p) : readBase64OrNull(p)
      valueStart = spanStart
      valueEnd = spanEnd
      return p
    case ID:
    case ID_BASE64:
      p = property == ID ? readTextOrNull(p) : readBase64OrNull(p)
      idStart = spanStart
      idEnd = spanEnd
      return p
    case HEADERS: {
      const fieldsOfMessage = seen
      p = readHeaders(p)
      seen = fieldsOfMessage
      return p
    }
    case TIMESTAMP:
      return isNull(p) ? p + 4 : readTimestamp(p)
    case POSITION:
      if (!keepsPositions) return skipValue(p)
      return readPosition(p)
    default:
      // Topic, lane and position say where a message was; where it goes, the request says.
      return skipValue(p)
  }
}

function readPosition(p: usize): usize {
  const behind = readWhole(p)
  if (behind == 0) return fail(POSITION_MISSING, p)
  position = whole
  return behind
}

/** One message into the next row, for which there is room; gives the address behind it, or 0 with nothing added. */
export function readEnvelope(p: usize): usize {
  const at = p
  if (load<u8>(p) != OPEN_BRACE) return fail(OBJECT_EXPECTED, p)
  seen = 0
  header = headers
  messageBytes = 0
  keyStart = keyEnd = valueStart = valueEnd = idStart = idEnd = 0
  setTimestamp(nowMs)
  p = skipSpace(p + 1)
  if (load<u8>(p) != CLOSE_BRACE) {
    while (true) {
      p = readProperty(p, false)
      if (p == 0) return 0
      p = readPropertyValue(p)
      if (p == 0) return 0
      p = skipSpace(p)
      const sign = <i32>load<u8>(p)
      if (sign == CLOSE_BRACE) break
      if (sign != COMMA) return fail(COMMA_EXPECTED, p)
      p = skipSpace(p + 1)
    }
  }
  // The properties are `seen` by the fields that they fill.
  if (keepsPositions && (seen & (1 << <i32>load<u8>(fields + POSITION))) == 0) return fail(POSITION_MISSING, at)
  return storeRow(timestampMs) ? p + 1 : fail(MESSAGE_TOO_LARGE, at)
}

/** A message of these bytes and nothing else into the next row; false where it is too large. */
export function addValue(start: usize, end: usize): bool {
  messageBytes = 0
  header = headers
  keyStart = keyEnd = idStart = idEnd = 0
  valueStart = start
  valueEnd = end
  return storeRow(nowMs)
}

function storeRow(timestamp: f64): bool {
  storeSpan(span(0), span(1), rows, keyStart, keyEnd)
  storeSpan(span(2), span(3), rows, valueStart, valueEnd)
  storeSpan(span(4), span(5), rows, idStart, idEnd)
  if (messageBytes > maxMessageBytes) return false
  store<f64>(columns + (rows << 3), keepsPositions ? position : firstPosition + <f64>rows)
  store<f64>(timestampsOf(columns, maxRows) + (rows << 3), timestamp)
  rows++
  headers = header
  store<i32>(span(6) + (rows << 2), <i32>headers)
  return true
}
