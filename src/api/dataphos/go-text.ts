/** What Go's encoder of JSON writes with an escape, beside control characters. Source: encoding/json of Go 1.18, with which Dataphos is built, read 2026-11. */
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const ESCAPED = /["\\<>&\u0000-\u001f\u2028\u2029\ud800-\udfff]/gu

/** The text as Go writes it in JSON: `<`, `>`, `&` and the line separators are escaped too, halves of surrogate pairs are U+FFFD. */
export function goString(text: string): string {
  const escaped = text.replaceAll(ESCAPED, (character) => {
    const code = character.charCodeAt(0)
    if (code >= 0xd800 && code <= 0xdfff) return '\\ufffd'
    return ESCAPES[character] ?? `\\u${code.toString(16).padStart(4, '0')}`
  })
  return `"${escaped}"`
}

/** Texts by name as Go writes a map: names in the order of their bytes. */
export function goMap(texts: ReadonlyMap<string, string>): string {
  const names = [...texts.keys()].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return `{${names.map((name) => `${goString(name)}:${goString(texts.get(name)!)}`).join(',')}}`
}

const YEAR_1_MS = -62_135_596_800_000
const YEAR_10000_MS = 253_402_300_800_000

/** The time as Go writes it (RFC 3339 in UTC, no zeros at the end of the second); undefined where Go has no text for it. */
export function goTime(ms: number): string | undefined {
  if (!(ms >= YEAR_1_MS && ms < YEAR_10000_MS)) return undefined
  return new Date(ms).toISOString().replace(/\.?0*Z$/u, 'Z')
}

/** The time as Go prints it for people. */
export function goTimeText(ms: number): string {
  const text = goTime(ms)
  return text === undefined ? `${ms} ms since 1970` : text.replace('T', ' ').replace('Z', ' +0000 UTC')
}

const LARGEST = 9_223_372_036_854_775_807n

/** A whole number as Go's `strconv.Atoi` reads it, its error ignored: 0 for what is none, the largest for what is too large. */
export function goNumber(text: string | undefined): bigint {
  if (text === undefined || !/^[+-]?\d+$/u.test(text)) return 0n
  const value = BigInt(text.replace('+', ''))
  if (value > LARGEST) return LARGEST
  return value < -LARGEST - 1n ? -LARGEST - 1n : value
}
