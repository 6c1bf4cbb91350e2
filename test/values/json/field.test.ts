import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createJsonFieldReader } from '../../../src/values/json/field.ts'
import { isJson } from '../../../src/values/json/scan.ts'
import type { FieldValue } from '../../../src/values/values.ts'

const encoder = new TextEncoder()
const read = (name: string, text: string, before = 0, behind = '') => {
  const bytes = encoder.encode(`${'x'.repeat(before)}${text}${behind}`)
  return createJsonFieldReader(name)(bytes, before, bytes.byteLength - behind.length)
}
const isText = (text: string) => isJson(encoder.encode(text), 0, encoder.encode(text).byteLength)

/** What `JSON.parse` makes of the field. */
function parsed(text: string, name: string): FieldValue {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part)) return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return typeof value === 'object' && value !== null ? undefined : (value as FieldValue)
}

/** JSON text written in every way that the grammar allows: spaces, escapes, names that come twice. */
const jsonText = fc.letrec<{ value: string; object: string; text: string }>((tie) => {
  const space = fc.constantFrom('', '', ' ', '\n\t', '\r ')
  const text = fc.oneof(
    fc.constantFrom(
      '"a"',
      '"b"',
      '"\\u0061"',
      '"a\\u0000"',
      '"\\ud83d\\udc38"',
      '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
      '""',
      '"ž🐸"',
      '"\u007f"',
    ),
    fc.string({ unit: 'grapheme', maxLength: 40 }).map((any) => JSON.stringify(any)),
  )
  const number = fc.oneof(
    fc.constantFrom('0', '-0', '1e5', '1E+2', '-1.5e-3', '0.10', '9007199254740991', '-9007199254740991', '1e400', '5e-324'),
    // Whole numbers that are not exact are bigints.
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((any) => !Number.isInteger(any) || Number.isSafeInteger(any) || Math.abs(any) >= 1e21)
      .map((any) => JSON.stringify(any)),
  )
  const spaced = (any: fc.Arbitrary<string>) => fc.tuple(space, any, space).map((parts) => parts.join(''))
  return {
    value: fc.oneof(
      { depthSize: 'small' },
      text,
      number,
      fc.constantFrom('true', 'false', 'null'),
      tie('object'),
      fc.array(spaced(tie('value')), { maxLength: 3 }).map((items) => `[${items.join(',')}]`),
    ),
    object: fc
      .array(fc.tuple(spaced(fc.oneof(fc.constantFrom('"a"', '"b"', '"\\u0061"', '"\\u0062"'), text)), spaced(tie('value'))), {
        maxLength: 5,
      })
      .map((entries) => `{${entries.map(([name, value]) => `${name}:${value}`).join(',')}}`),
    text,
  }
})

describe('a field of JSON text', () => {
  it('is what JSON.parse gives, however the text is written and wherever it lies', () => {
    fc.assert(
      fc.property(jsonText.object, fc.constantFrom('a', 'b', 'a.a', 'a.b', 'b.a.b', 'c', ''), fc.nat(9), (text, name, before) => {
        expect(read(name, ` ${text}\n`, before, '}"')).toBe(parsed(text, name))
      }),
      { numRuns: 400 },
    )
  })

  it('is nothing where JSON.parse refuses the text', () => {
    fc.assert(
      fc.property(
        jsonText.object,
        fc.nat(),
        fc.constantFrom('', '"', '{', '}', ',', ':', '\\', '0', 'e', '-', '[', '\u0001', 'é'),
        (text, at, put) => {
          const cut = at % (text.length + 1)
          const broken = text.slice(0, cut) + put + text.slice(cut + 1)
          // Half of a character would be another text in UTF-8.
          fc.pre(broken.isWellFormed())
          expect(read('a', broken)).toBe(parsed(broken, 'a'))
          let isRight = true
          try {
            JSON.parse(broken)
          } catch {
            isRight = false
          }
          expect(isText(broken)).toBe(isRight)
        },
      ),
      { numRuns: 400 },
    )
  })

  it.each([
    { what: 'a whole number that a number does not hold', text: '{"a":12345678901234567890}', is: 12345678901234567890n },
    { what: 'one below 0', text: '{"a":-9007199254740993}', is: -9007199254740993n },
    { what: 'the same with a point, which is a number', text: '{"a":9007199254740993.0}', is: 9007199254740992 },
    { what: 'the last of equal names', text: '{"a":1,"b":2,"\\u0061":3}', is: 3 },
    { what: 'nothing, where the last of equal names is an object', text: '{"a":1,"a":{}}', is: undefined },
    { what: 'nothing, for an array', text: '[{"a":1}]', is: undefined },
    { what: 'nothing, where something lies behind the text', text: '{"a":1} {}', is: undefined },
    { what: 'nothing, for no text', text: '', is: undefined },
    { what: 'a name of the language', name: '__proto__', text: '{"__proto__":1}', is: 1 },
    { what: 'nothing, for a name of the language that is not there', name: 'constructor', text: '{"a":1}', is: undefined },
    { what: 'long text', text: `{"a":"${'ž'.repeat(50)}"}`, is: 'ž'.repeat(50) },
    { what: 'long text with escapes', text: `{"a":"${'\\n'.repeat(50)}"}`, is: '\n'.repeat(50) },
  ])('is $what', ({ name = 'a', text, is }) => {
    expect(read(name, text)).toBe(is)
  })

  it('reads text that is nested deeply, and none that is too deep for its stack', () => {
    const nested = (depth: number) => `{"a":1,"b":${'['.repeat(depth)}${']'.repeat(depth)}}`
    expect([read('a', nested(900)), isText(nested(900))]).toEqual([1, true])
    expect([read('a', nested(100_000)), isText(nested(100_000))]).toEqual([undefined, false])
  })
  it('takes bytes that are no UTF-8 for no JSON', () => {
    expect(isJson(Uint8Array.of(0x22, 0xff, 0x22), 0, 3)).toBe(false)
  })
})
