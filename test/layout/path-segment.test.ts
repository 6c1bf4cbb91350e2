import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePathSegment, pathSegment } from '../../src/layout/path-segment.ts'
import { checkKey } from '../../src/store/key.ts'

/** Texts of whole UTF-16 code units: halves of pairs, controls, path characters and what the escaping itself uses. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
  fc
    .array(fc.constantFrom('.', '_', '/', '%', '~', '@', '2', 'E', 'a', '\ud83d', '\ude00', '\0', '\ufeff'), { maxLength: 90 })
    .map((all) => all.join('')),
)

describe('pathSegment', () => {
  it.each([
    { name: 'orders', segment: 'orders', because: 'letters stay' },
    { name: 'Orders-2024_v1.2', segment: 'Orders-2024_v1.2', because: 'so do digits, "-", "_" and "." within' },
    { name: '', segment: '~', because: 'no segment may be empty' },
    { name: '.', segment: '%2E', because: 'it names the folder itself' },
    { name: '..', segment: '%2E%2E', because: 'it leads out' },
    { name: '...', segment: '%2E.%2E', because: 'a leading dot hides, and Windows drops a trailing one' },
    { name: '.env', segment: '%2Eenv', because: 'a leading dot hides' },
    { name: '_millpond', segment: '%5Fmillpond', because: "a leading underscore is Millpond's own" },
    { name: 'a.', segment: 'a%2E', because: 'Windows drops a trailing dot' },
    { name: 'a/b', segment: 'a%2Fb', because: 'it would be two segments' },
    { name: '../../etc/passwd', segment: '%2E.%2F..%2Fetc%2Fpasswd', because: 'it would lead out' },
    { name: 'a\\b', segment: 'a%5Cb', because: 'it would be two segments on Windows' },
    { name: 'a\0b', segment: 'a%00b', because: 'file names end at a NUL' },
    { name: 'a b', segment: 'a%20b', because: 'shells split at spaces' },
    { name: '100%', segment: '100%25', because: 'it is what escapes begin with' },
    { name: 'a%2Fb', segment: 'a%252Fb', because: 'it is another name than a/b' },
    { name: 'a~b', segment: 'a%7Eb', because: 'it is what hashes begin with' },
    { name: 'a@b', segment: 'a%40b', because: "it is what the topic's id begins with" },
    { name: '\u00e9', segment: '%C3%A9', because: 'é is two bytes of UTF-8' },
    { name: 'e\u0301', segment: 'e%CC%81', because: 'it is é too, but other bytes' },
    { name: '\u{1f600}', segment: '%F0%9F%98%80', because: 'an emoji is four bytes' },
    { name: '\ud83d', segment: '%ED%A0%BD', because: 'half of an emoji is not the replacement character' },
    { name: '\ufffd', segment: '%EF%BF%BD', because: 'this is the replacement character' },
    { name: '\ufeffa', segment: '%EF%BB%BFa', because: 'a byte order mark is part of the name' },
  ])('writes $name as $segment: $because', ({ name, segment }) => {
    expect(pathSegment(name)).toBe(segment)
    expect(parsePathSegment(segment)).toBe(name)
  })

  it('keeps names of up to 180 bytes whole', () => {
    expect(pathSegment('x'.repeat(180))).toBe('x'.repeat(180))
    expect(pathSegment('/'.repeat(60))).toBe('%2F'.repeat(60))
    expect(parsePathSegment('%2F'.repeat(60))).toBe('/'.repeat(60))
  })

  it('cuts longer ones to 120 bytes and the hash of the whole name', () => {
    const name = 'x'.repeat(1024)
    const hash = createHash('sha256').update(name).digest('hex').slice(0, 40)
    expect(pathSegment(name)).toBe(`${'x'.repeat(120)}~${hash}`)
    expect(parsePathSegment(pathSegment(name))).toBeUndefined()
    expect(pathSegment(`${name}y`)).not.toBe(pathSegment(name))
  })

  it.each([
    { name: `a${'/'.repeat(300)}`, kept: `a${'%2F'.repeat(39)}` },
    { name: `ab${'/'.repeat(300)}`, kept: `ab${'%2F'.repeat(39)}` },
    { name: `abc${'/'.repeat(300)}`, kept: `abc${'%2F'.repeat(39)}` },
  ])('cuts no escape in two: $kept', ({ name, kept }) => {
    expect(pathSegment(name).split('~')[0]).toBe(kept)
  })

  it('gives a segment that any store takes, for any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          anyText.map((text) => text.repeat(40)),
        ),
        (name) => {
          const segment = pathSegment(name)
          expect(segment).toMatch(/^[A-Za-z0-9%~-][A-Za-z0-9._%~-]*$/)
          expect(segment.length).toBeLessThanOrEqual(180)
          checkKey(segment)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('can be read back, or says that it cannot', () => {
    fc.assert(
      fc.property(anyText, (name) => {
        const segment = pathSegment(name)
        expect(parsePathSegment(segment)).toBe(/~[0-9a-f]{40}$/.test(segment) ? undefined : name)
      }),
      { numRuns: 5000 },
    )
  })

  it('gives different names different segments', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyText, { minLength: 2, maxLength: 20 }), (names) => {
        const long = names.map((name) => 'long'.repeat(50) + name)
        expect(new Set([...names, ...long].map(pathSegment)).size).toBe(names.length * 2)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('parsePathSegment', () => {
  it.each([
    { segment: '', because: 'it is empty' },
    { segment: '..', because: 'it is never written' },
    { segment: '_x', because: 'it is never written' },
    { segment: '%2f', because: 'escapes are upper case' },
    { segment: '%41', because: 'A is never escaped' },
    { segment: '%2', because: 'the escape is not finished' },
    { segment: '%', because: 'the escape is not finished' },
    { segment: 'a/b', because: 'it is two' },
    { segment: 'a b', because: 'a space is escaped' },
    { segment: '~~', because: "it is no name's" },
    { segment: '%FF', because: 'it is no UTF-8' },
    { segment: '%C3', because: 'it is half a character' },
    { segment: '%C0%AF', because: 'it is "/" in too many bytes' },
    { segment: '%ED%A0%BD%ED%B8%80', because: 'a whole pair is one character of four bytes' },
    { segment: '%ED%A0', because: 'it is half of half a pair' },
    { segment: '%ED%A0a', because: 'it is half of half a pair' },
  ])('does not read $segment: $because', ({ segment }) => {
    expect(parsePathSegment(segment)).toBeUndefined()
  })

  it('reads no two segments as one name', () => {
    const text = fc.array(fc.constantFrom('%', '2', 'F', 'E', 'D', 'A', '0', 'B', '8', 'a', '.', '_', '%ED', '%A0', '%80', '~'), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(
        text.map((all) => all.join('')),
        (segment) => {
          const name = parsePathSegment(segment)
          expect(name === undefined ? segment : pathSegment(name)).toBe(segment)
        },
      ),
      { numRuns: 5000 },
    )
  })
})
