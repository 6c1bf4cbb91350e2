/** Fields of JSON values, found by their names without anything else being decoded. */
import { writeCsvText } from './csv-put'
import {
  beginScan, CLOSE_BRACE, COMMA, isNull, OPEN_BRACE, QUOTE, readText, skipColon, skipSpace, skipString, skipValue, SPACES_IN_TEXT, textEnd,
  textStart,
} from './json-scan'
import { writeCompact } from './json-compact'

const BACKSLASH: i32 = 0x5c

/** The part of a name that is looked for. */
let part: usize = 0
let partBytes: usize = 0

// @ts-ignore: decorator
@inline
function setPart(name: usize): void {
  part = name
  partBytes = 0
  while (load<u8>(name + partBytes) != 0) partBytes++
}

/** Whether a string that lies from behind its quote to before `end`, its closing quote, is the part that is looked for. */
function isPart(start: usize, end: usize, scratch: usize): bool {
  if (end - start == partBytes && memory.compare(start, part, partBytes) == 0) return true
  if (end - start <= partBytes) return false
  for (let p = start; p < end; p++) {
    if (load<u8>(p) != BACKSLASH) continue
    // The input must stay as it is, and escapes are replaced where they lie.
    memory.copy(scratch, start, end + 1 - start)
    return (
      readText(scratch) != 0 && textEnd - textStart == partBytes && memory.compare(textStart, part, partBytes) == 0
    )
  }
  return false
}

/** The value of the field of the object at `p` whose name is the part that is looked for: the last one, as most readers have it; 0 for none. */
function findPart(p: usize, scratch: usize): usize {
  let found: usize = 0
  p = skipSpace(p + 1)
  if (load<u8>(p) == CLOSE_BRACE) return 0
  while (true) {
    if (load<u8>(p) != QUOTE) return 0
    const name = p + 1
    const behind = skipString(name)
    if (behind == 0) return 0
    p = skipColon(behind)
    if (p == 0) return 0
    if (isPart(name, behind - 1, scratch)) found = p
    p = skipValue(p)
    if (p == 0) return 0
    p = skipSpace(p)
    if (load<u8>(p) != COMMA) return load<u8>(p) == CLOSE_BRACE ? found : 0
    p = skipSpace(p + 1)
  }
}

/**
 * Writes a field of the JSON value as a field of a table: text without its quotes and escapes, everything else as JSON; nothing where it is null or
 * missing. `name` is parts that end in 0, the last one in two. `out` has room for the value twice, and again.
 */
export function writeField(out: usize, start: usize, end: usize, name: usize, separator: u8): usize {
  const behind = load<u8>(end)
  store<u8>(end, 0)
  beginScan(end, SPACES_IN_TEXT)
  const written = writeFound(out, skipSpace(start), name, separator)
  store<u8>(end, behind)
  return written
}

function writeFound(out: usize, p: usize, name: usize, separator: u8): usize {
  for (setPart(name); ; setPart(name)) {
    if (load<u8>(p) != OPEN_BRACE) return out
    p = findPart(p, out)
    if (p == 0) return out
    name += partBytes + 1
    if (load<u8>(name) == 0) break
  }
  if (isNull(p)) return out
  const valueEnd = skipValue(p)
  const length = valueEnd - p
  // Out of the way of what is written before it.
  const copy = out + 2 * length + 64
  if (load<u8>(p) != QUOTE) return writeCsvText(out, copy, writeCompact(copy, p, valueEnd), separator)
  memory.copy(copy, p, length)
  if (readText(copy + 1) != 0) return writeCsvText(out, textStart, textEnd, separator)
  // Half of a surrogate pair alone is no text: it stays as it was written.
  return writeCsvText(out, p, valueEnd, separator)
}
