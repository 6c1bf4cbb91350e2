import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bigEndian, bigEndianBytes, compareValues, shortBound, statisticValue, valueBytes } from '../../src/iceberg/values.ts'

const leaf = (physical: number) => ({ names: ['c'], repeated: false, type: 'long', physical }) as const

describe('bigEndianBytes', () => {
  it.each([
    { value: 0n, bytes: [0] },
    { value: -1n, bytes: [255] },
    { value: 127n, bytes: [127] },
    { value: 128n, bytes: [0, 128] },
    { value: -128n, bytes: [128] },
    { value: -129n, bytes: [255, 127] },
  ])('are $bytes for $value', ({ value, bytes }) => {
    expect([...bigEndianBytes(value)]).toEqual(bytes)
  })
  it('are read again', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }), (value) => bigEndian(bigEndianBytes(value)) === value),
    )
  })
})

describe('valueBytes', () => {
  it.each([
    { type: 'boolean', value: true, hex: '01' },
    { type: 'int', value: -2, hex: 'feffffff' },
    { type: 'long', value: 1n, hex: '0100000000000000' },
    { type: 'float', value: 1.5, hex: '0000c03f' },
    { type: 'double', value: -0, hex: '0000000000000080' },
    { type: 'date', value: 1, hex: '01000000' },
    { type: 'timestamptz', value: -1n, hex: 'ffffffffffffffff' },
    { type: 'string', value: 'ž', hex: 'c5be' },
    { type: 'decimal(9, 2)', value: 1420n, hex: '058c' },
    { type: 'binary', value: Uint8Array.of(1, 2), hex: '0102' },
  ] as const)('of $value as $type are $hex', ({ type, value, hex }) => {
    expect(Buffer.from(valueBytes(type, value)).toString('hex')).toBe(hex)
  })
})

describe('statisticValue', () => {
  it.each([
    { what: 'an int in a table of longs', physical: 1, type: 'long', bytes: [255, 255, 255, 255], value: -1n },
    { what: 'a float in a table of doubles', physical: 4, type: 'double', bytes: [0, 0, 192, 63], value: 1.5 },
    { what: 'a decimal that lies in a long', physical: 2, type: 'decimal(9, 2)', bytes: [1, 0, 0, 0, 0, 0, 0, 0], value: 1n },
    { what: 'a decimal that lies in bytes', physical: 7, type: 'decimal(9, 2)', bytes: [255, 254], value: -2n },
    { what: 'bytes', physical: 6, type: 'binary', bytes: [0, 255], value: Uint8Array.of(0, 255) },
    { what: 'a truth', physical: 0, type: 'boolean', bytes: [1], value: true },
    { what: 'not a number', physical: 5, type: 'double', bytes: [0, 0, 0, 0, 0, 0, 248, 127], value: undefined },
    { what: 'too few bytes', physical: 2, type: 'long', bytes: [1], value: undefined },
    { what: 'a text that is cut', physical: 6, type: 'string', bytes: [97, 0xc5], value: 'a' },
  ] as const)('reads $what', ({ physical, type, bytes, value }) => {
    expect(statisticValue(leaf(physical), type, Uint8Array.from(bytes), 'min')).toEqual(value)
  })
  it('takes no cut text for the largest', () => {
    expect(statisticValue(leaf(6), 'string', Uint8Array.of(97, 0xc5), 'max')).toBeUndefined()
    expect(statisticValue(leaf(6), 'string', Uint8Array.of(97), 'max')).toBe('a')
  })
  it('knows that zero is the negative one below, and the other above', () => {
    const zero = new Uint8Array(8)
    expect(statisticValue(leaf(5), 'double', zero, 'min')).toBe(-0)
    expect(statisticValue(leaf(5), 'double', zero, 'max')).toBe(0)
  })
})

describe('shortBound', () => {
  it.each([
    { value: 'a'.repeat(16), end: 'max', bound: 'a'.repeat(16) },
    { value: 'a'.repeat(17), end: 'min', bound: 'a'.repeat(16) },
    { value: 'a'.repeat(17), end: 'max', bound: `${'a'.repeat(15)}b` },
    { value: `${'a'.repeat(15)}\u{10ffff}x`, end: 'max', bound: `${'a'.repeat(14)}b` },
    { value: `${'a'.repeat(15)}\ud7ffx`, end: 'max', bound: `${'a'.repeat(15)}\ue000` },
    { value: '\u{10ffff}'.repeat(17), end: 'max', bound: undefined },
    { value: new Uint8Array(17).fill(255), end: 'max', bound: undefined },
    { value: Uint8Array.from([1, ...new Uint8Array(16).fill(255)]), end: 'max', bound: Uint8Array.of(2) },
    { value: 5n, end: 'max', bound: 5n },
  ] as const)('of $value ($end) is $bound', ({ value, end, bound }) => {
    expect(shortBound(value, end)).toEqual(bound)
  })
  it('stays around every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
        const [min, max] = [shortBound(text, 'min'), shortBound(text, 'max')]
        return compareValues(min!, text) <= 0 && (max === undefined || compareValues(text, max) <= 0)
      }),
      { numRuns: 40 },
    )
  })
})
