import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compactJson, itemsOf, membersOf, parseJson, wholeValue } from '../../src/encode/json-spans.ts'

/** Any JSON value, as a text with white space in any place that takes it. */
const spaced: fc.Arbitrary<{ readonly value: unknown; readonly text: string }> = fc
  .tuple(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom('', ' ', '\n\t'))
  .map(([value, space]) => ({ value, text: `${space}${JSON.stringify(value, undefined, space)}${space}` }))

const parts = (text: string, spans: Iterable<{ readonly start: number; readonly end: number }>): string[] =>
  [...spans].map(({ start, end }) => text.slice(start, end))

describe('JSON spans', () => {
  it('are the members of an object, whatever they hold', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom('', ' ', '\r\n'), (object, space) => {
        const text = `${space}${JSON.stringify(object, undefined, space)}${space}`
        const members = [...membersOf(text, wholeValue(text))]
        expect(members.map(({ name, start, end }) => [name, JSON.parse(text.slice(start, end))])).toEqual(
          Object.entries(JSON.parse(text) as object),
        )
      }),
    )
  })

  it('are the items of a list, whatever they hold', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom('', ' '), (list, space) => {
        const text = JSON.stringify(list, undefined, space)
        expect(parts(text, itemsOf(text, wholeValue(text))).map((item) => JSON.parse(item) as unknown)).toEqual(JSON.parse(text))
      }),
    )
  })

  it('are not misled by brackets, quotes and backslashes in strings', () => {
    const text = String.raw`{"a":"}]\"\\","b\"":["{",{"c":"\\\\"}],"d":1}`
    expect(parts(text, membersOf(text, { start: 0 }))).toEqual([String.raw`"}]\"\\"`, String.raw`["{",{"c":"\\\\"}]`, '1'])
  })

  it.each([
    { text: '', why: 'ends where a value' },
    { text: '{} {}', why: 'column 4: the end of the JSON' },
    { text: '{"a" 1}', why: 'a colon' },
    { text: '{"a":1', why: 'closing bracket' },
    { text: '{"a":1 "b":2}', why: 'a comma or }' },
    { text: '{"a":}', why: 'a value' },
    { text: '{"a":1,}', why: 'a name in quotes' },
    { text: "{'a':1}", why: 'a name in quotes' },
    { text: '{"a":"x}', why: 'the end of a string' },
    { text: '{\n "a":1,\n b:2}', why: 'line 3, column 2' },
    { text: String.raw`{"\x":1}`, why: 'no JSON' },
  ])('refuse $text: $why', ({ text, why }) => {
    expect(() => [...membersOf(text, wholeValue(text))]).toThrow(
      expect.objectContaining({ code: 'JSON_INVALID', message: expect.stringContaining(why) as string }),
    )
  })

  it.each(['[1,]', '[,1]', '[1 2]', '[1', '['])('refuse the list %s', (text) => {
    expect(() => [...itemsOf(text, wholeValue(text))]).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }))
  })

  it('take time in proportion to the text, also of very many quotes and brackets', () => {
    const text = `{"a":"${'\\"'.repeat(200_000)}","b":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
    const startedMs = performance.now()
    expect([...membersOf(text, wholeValue(text))].map(({ name }) => name)).toEqual(['a', 'b'])
    expect(performance.now() - startedMs).toBeLessThan(5000)
  })
})

describe('parseJson', () => {
  it('keeps whole numbers past 2^53 as they are, and nothing else differs from JSON.parse', () => {
    expect(parseJson('[9007199254740993, -9223372036854775808, 1.5, 1e400, "12345678901234567890"]')).toEqual([
      9007199254740993n,
      -9223372036854775808n,
      1.5,
      Infinity,
      '12345678901234567890',
    ])
    fc.assert(
      fc.property(spaced, ({ text }) => {
        fc.pre(!/\d{16}/u.test(text))
        expect(parseJson(text)).toEqual(JSON.parse(text))
      }),
    )
  })
})

describe('compactJson', () => {
  it('takes the white space between parts away, and changes no value', () => {
    fc.assert(
      fc.property(spaced, ({ text, value }) => {
        expect(compactJson(text)).toBe(JSON.stringify(value))
      }),
    )
  })

  it.each([
    { text: ' { "b" : 1.10 , "1" : 1E3 } ', compact: '{"b":1.10,"1":1E3}', because: 'numbers and order stay' },
    { text: String.raw`"\u00e9\/ \n"`, compact: String.raw`"é/ \n"`, because: 'escapes are the shortest' },
    { text: String.raw`"\ud800"`, compact: String.raw`"\ud800"`, because: 'half a pair stays an escape' },
    { text: '{"a b":"c  d"}', compact: '{"a b":"c  d"}', because: 'spaces in strings stay' },
    { text: '9007199254740993 ', compact: '9007199254740993', because: 'digits stay' },
  ])('makes $compact of $text: $because', ({ text, compact }) => {
    expect(compactJson(text)).toBe(compact)
  })
})
