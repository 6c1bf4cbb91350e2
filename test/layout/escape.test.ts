import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { escapeBytes, escapeText, safePath, unescapeText } from '../../src/layout/escape.ts'

/** Texts of the kind that leaves its place. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('.', '/', '\\', '=', '%', '~', 'a', '\u0000', '\ud800', 'ü', '2', 'F') }),
)

describe('escapeText', () => {
  it.each([
    ['DE', 'DE'],
    ['a b', 'a b'],
    ['Zürich', 'Zürich'],
    ['a/b', 'a%2Fb'],
    ['a=b%', 'a%3Db%25'],
    ['..', '%2E%2E'],
    ['.', '%2E'],
    ['...', '...'],
    ['a..b', 'a..b'],
    ['..\\x', '..%5Cx'],
    ['\n\u0085', '%0A%C2%85'],
    ['\ud83d', '%ED%A0%BD'],
    ['😀', '😀'],
  ])('makes of %j %j', (text, escaped) => {
    expect(escapeText(text, { strict: false })).toBe(escaped)
  })

  it('leaves slashes, = and % in strict mode, and nothing that no key can have', () => {
    expect(escapeText('a/b=c%2F\\\n', { strict: true })).toBe('a/b=c%2F%5C%0A')
  })

  it('makes delimiters safe too', () => {
    expect(escapeText('a_b', { strict: false, delimiters: '_' })).toBe('a%5Fb')
  })

  it('can be read again', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const escaped = escapeText(text, { strict: false })
        // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
        expect(escaped).not.toMatch(/[/\\=\u0000-\u001f\u007f-\u009f]/u)
        const wasCut = /~[0-9a-f]{40}$/u.test(escaped)
        expect(unescapeText(escaped)).toBe(wasCut ? undefined : text)
      }),
    )
  })

  it('cuts what is long, within no escape and no character, and keeps it different', () => {
    const [one, other] = ['/', '%'].map((end) => escapeText(`${'ü/'.repeat(100)}${end}`, { strict: false }))
    expect(one).toMatch(/^(?:ü%2F)+~[0-9a-f]{40}$/u)
    expect(other).not.toBe(one)
    expect(Buffer.byteLength(one!)).toBeLessThanOrEqual(180)
    expect(unescapeText(one!)).toBeUndefined()
  })
})

describe('escapeBytes', () => {
  it('writes bytes that are no text one by one', () => {
    expect(escapeBytes(Uint8Array.of(0x61, 0xff, 0x2f), { strict: false }).escaped).toBe('a%FF%2F')
  })
})

describe('safePath', () => {
  it.each([
    ['a/../b', 'a/%2E%2E/b'],
    ['a//b/.', 'a/~/b/%2E'],
    ['_millpond/x', '%5Fmillpond/x'],
    ['x/_millpond', 'x/_millpond'],
    ['a=../b', 'a=../b'],
  ])('makes of %j %j', (path, safe) => {
    expect(safePath(path)).toBe(safe)
  })
})
