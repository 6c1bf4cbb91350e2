import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { goNumber, goString, goTime } from '../../../src/api/dataphos/go-text.ts'
import { parseTime } from '../../../src/api/dataphos/time.ts'

const at = (text: string): number => Date.parse(text)

describe('times', () => {
  it.each([
    { text: '2023-02-05T19:20:55.342Z', ms: at('2023-02-05T19:20:55.342Z') },
    { text: '2023-02-05T19:20:55.34299999Z', ms: at('2023-02-05T19:20:55.342Z') },
    { text: '2023-02-05 19:20:55.342', ms: at('2023-02-05T19:20:55.342Z') },
    { text: '2023-02-05 19:20:55', ms: at('2023-02-05T19:20:55Z') },
    { text: '2023-02-05 19:20', ms: at('2023-02-05T19:20:00Z') },
    { text: '2023-02-05', ms: at('2023-02-05T00:00:00Z') },
    { text: '2023-02-05T19:20:55+01:00', ms: at('2023-02-05T18:20:55Z') },
    { text: '2023-02-05T19:20:55 01:00', ms: at('2023-02-05T18:20:55Z') },
    { text: '2023-02-05T19:20:55-0530', ms: at('2023-02-06T00:50:55Z') },
    { text: '2023-02-05t19:20:55z', ms: at('2023-02-05T19:20:55Z') },
    { text: '2023-02-05 19:20:55.99999999', ms: at('2023-02-05T19:20:55.999Z') },
    { text: '0001-01-01T00:00:00Z', ms: at('0001-01-01T00:00:00Z') },
    { text: '0001/01/01 00:00:00.000000000 UTC', ms: at('0001-01-01T00:00:00Z') },
    { text: '2024-02-29', ms: at('2024-02-29T00:00:00Z') },
  ])('$text is read', ({ text, ms }) => expect(parseTime(text)).toBe(ms))

  it.each([
    '',
    'yesterday',
    '2023-13-05',
    '2023-02-30',
    '2023-02-05T25:00:00Z',
    '2023-02-05T10:61:00Z',
    '2023-2-5',
    '1675624855',
    '2023-02-05T10:00:00+99:00',
  ])('%j is none', (text) => expect(parseTime(text)).toBeUndefined())

  it('are written as Go writes them, and read again', () => {
    expect(goTime(at('2023-02-05T19:20:55.340Z'))).toBe('2023-02-05T19:20:55.34Z')
    expect(goTime(at('2023-02-05T19:20:00.000Z'))).toBe('2023-02-05T19:20:00Z')
    expect(goTime(at('0001-01-01T00:00:00Z'))).toBe('0001-01-01T00:00:00Z')
    expect(goTime(253_402_300_800_000)).toBeUndefined()
    fc.assert(
      fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) => parseTime(goTime(ms)!) === ms),
    )
  })
})

describe('texts and numbers of Go', () => {
  it('are JSON that says the same', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => JSON.parse(goString(text)) === text))
    expect(goString('\u0008\u007f\ud800<')).toBe(String.raw`"\u0008${'\u007f'}\ufffd\u003c"`)
    expect(goString('😀')).toBe('"😀"')
  })
  it.each([
    { text: undefined, number: 0n },
    { text: '', number: 0n },
    { text: '12', number: 12n },
    { text: '+12', number: 12n },
    { text: '-12', number: -12n },
    { text: '1e3', number: 0n },
    { text: ' 1', number: 0n },
    { text: '99999999999999999999', number: 9_223_372_036_854_775_807n },
    { text: '-99999999999999999999', number: -9_223_372_036_854_775_808n },
  ])('$text is $number', ({ text, number }) => expect(goNumber(text)).toBe(number))
})
