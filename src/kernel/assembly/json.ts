/**
 * JSON in and out. A call is described by 32-bit words at `call` (a multiple of 8), results are left there; `CALL` in
 * `../json.ts` has the same places.
 */
import { addValue, beginRows, hasRoom, headers, messageBytes, readEnvelope, rows, setRowDefaults } from './json-envelope'
import {
  BODY_END_EXPECTED, BODY_EXPECTED, COLUMNS_FULL, COMMA_EXPECTED, LINE_END_EXPECTED, MESSAGE_TOO_LARGE,
} from './json-reasons'
import {
  beginScan, changed, CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, fail, failedAt, failedReason, LF, OPEN_BRACE, OPEN_BRACKET, QUOTE,
  skipSpace, SPACES_IN_LINE, SPACES_IN_TEXT, textEnd, textStart,
} from './json-scan'

export { writeJson } from './json-write'

const LINES: i32 = 0
const VALUES: i32 = 1
const STORED_LINES: i32 = 3

// How far a body is read.
const BEFORE: i32 = 0
const IN_LIST: i32 = 1
const IN_WRAPPED_LIST: i32 = 2
const BEHIND: i32 = 3

/** Behind the last whole row, and how far a body is read there. */
let consumed: usize = 0
let state: i32 = 0

/**
 * Reads messages into columns until the input ends, the columns are full or something is wrong. In: 0 input, 1 its length (the 64
 * bytes behind it are 0), 2 what is added to every offset, 3 mode (0 lines of envelopes, 1 lines of values, 2 a body of one
 * envelope, a list of them, or `{"messages": list}`, 3 lines of envelopes that keep their positions), 4 columns, 5 and 6 their room for rows and headers, 7 the most bytes of a
 * message, 8 timestamp of messages without one (f64), 10 first position (f64), 12 how far a body is read (0 at first, then what
 * came out). Out: 12, 13 bytes of whole rows that were consumed, 14 rows, 15 headers, 16 whether input was changed, 17 where it is
 * wrong, 18 and 19 the text that was read last and its length, 20 payload of the last message.
 * Gives 0, or why the input is wrong (`json-reasons.ts`), or COLUMNS_FULL.
 */
export function readJson(call: usize): i32 {
  const input = <usize>load<u32>(call)
  const end = input + <usize>load<u32>(call, 4)
  const mode = load<i32>(call, 12)
  const isLines = mode == LINES || mode == STORED_LINES
  beginScan(end, isLines ? SPACES_IN_LINE : SPACES_IN_TEXT)
  beginRows(load<u32>(call, 16), load<u32>(call, 20), load<u32>(call, 24), input - <usize>load<u32>(call, 8))
  setRowDefaults(load<f64>(call, 32), load<f64>(call, 40), load<u32>(call, 28), mode == STORED_LINES)
  state = load<i32>(call, 48)
  consumed = input
  if (isLines) readLines(input, end)
  else if (mode == VALUES) readValues(input, end)
  else readBody(input, end)
  store<i32>(call, state, 48)
  store<u32>(call, <u32>(consumed - input), 52)
  store<u32>(call, <u32>rows, 56)
  store<u32>(call, <u32>headers, 60)
  store<i32>(call, changed, 64)
  store<u32>(call, <u32>(failedAt - input), 68)
  store<u32>(call, <u32>textStart, 72)
  store<u32>(call, <u32>(textEnd - textStart), 76)
  store<u32>(call, messageBytes, 80)
  return failedReason
}

function readLines(p: usize, end: usize): void {
  while (true) {
    p = skipSpace(p)
    if (load<u8>(p) == LF) {
      consumed = ++p
      continue
    }
    if (p >= end) {
      consumed = end
      return
    }
    if (!hasRoom()) {
      fail(COLUMNS_FULL, p)
      return
    }
    p = readEnvelope(p)
    if (p == 0) return
    p = skipSpace(p)
    if (load<u8>(p) == LF) p++
    else if (p < end) {
      fail(LINE_END_EXPECTED, p)
      return
    }
    consumed = p
  }
}

/** Address of the next line break, `end` where there is none. */
// @ts-ignore: decorator
@inline
function findLineBreak(p: usize, end: usize): usize {
  while (p < end) {
    const breaks = v128.bitmask<i8>(v128.eq<i8>(v128.load(p), i8x16.splat(10)))
    if (breaks != 0) return p + ctz(breaks)
    p += 16
  }
  return end
}

function readValues(p: usize, end: usize): void {
  while (p < end) {
    const lineEnd = findLineBreak(p, end)
    const valueEnd = lineEnd > p && load<u8>(lineEnd - 1) == 0x0d ? lineEnd - 1 : lineEnd
    if (valueEnd > p) {
      if (!hasRoom()) {
        fail(COLUMNS_FULL, p)
        return
      }
      if (!addValue(p, valueEnd)) {
        fail(MESSAGE_TOO_LARGE, p)
        return
      }
    }
    p = lineEnd < end ? lineEnd + 1 : end
    consumed = p
  }
}

/** The list of `{"messages": [`, or 0 where the object at `p` does not begin so. */
function wrappedList(p: usize): usize {
  p = skipSpace(p + 1)
  const isMessages = load<u8>(p) == QUOTE && load<u64>(p, 1) == 0x736567617373656d && load<u8>(p, 9) == QUOTE
  if (!isMessages) return 0
  p = skipSpace(p + 10)
  if (load<u8>(p) != COLON) return 0
  return skipSpace(p + 1)
}

function readBody(p: usize, end: usize): void {
  let part = state
  let first = false
  if (part == BEFORE) {
    p = skipSpace(p)
    part = IN_LIST
    if (load<u8>(p) == OPEN_BRACE) {
      const list = wrappedList(p)
      part = list == 0 ? BEHIND : IN_WRAPPED_LIST
      p = list == 0 ? readEnvelope(p) : list
      if (p == 0) return
    }
    if (part != BEHIND) {
      if (load<u8>(p) != OPEN_BRACKET) {
        fail(BODY_EXPECTED, p)
        return
      }
      p = skipSpace(p + 1)
      first = true
    }
  }
  if (part != BEHIND) p = readList(p, part, first)
  if (p == 0) return
  p = skipSpace(p)
  if (p < end) {
    fail(BODY_END_EXPECTED, p)
    return
  }
  consumed = end
  state = BEHIND
}

/** The rest of a list, from its first message on or from behind a message, to behind its end and its wrapper's. */
function readList(p: usize, part: i32, first: bool): usize {
  while (true) {
    p = skipSpace(p)
    const sign = <i32>load<u8>(p)
    if (sign == CLOSE_BRACKET) break
    if (!first) {
      if (sign != COMMA) return fail(COMMA_EXPECTED, p)
      p = skipSpace(p + 1)
    }
    first = false
    if (!hasRoom()) return fail(COLUMNS_FULL, p)
    p = readEnvelope(p)
    if (p == 0) return 0
    consumed = p
    state = part
  }
  if (part == IN_LIST) return p + 1
  p = skipSpace(p + 1)
  return load<u8>(p) == CLOSE_BRACE ? p + 1 : fail(COMMA_EXPECTED, p)
}
