import { describe, expect, it } from 'vitest'
import type { PrimitiveType } from '../../src/iceberg/schema.ts'
import { applyTransform, parseTerm, resultType, type Transform } from '../../src/iceberg/transform.ts'
import type { Value } from '../../src/iceberg/values.ts'

const micros = (text: string) => BigInt(Date.parse(text)) * 1000n
const hash: Transform = `bucket[${2 ** 31 - 1}]`

describe('parseTerm', () => {
  it.each([
    { text: 'country', term: { transform: 'identity', column: 'country' } },
    { text: ' identity( country ) ', term: { transform: 'identity', column: 'country' } },
    { text: 'day(timestamp)', term: { transform: 'day', column: 'timestamp' } },
    { text: 'hours(timestamp)', term: { transform: 'hour', column: 'timestamp' } },
    { text: 'bucket(16, address.city)', term: { transform: 'bucket[16]', column: 'address.city' } },
    { text: 'truncate(4,name)', term: { transform: 'truncate[4]', column: 'name' } },
  ])('reads $text', ({ text, term }) => {
    expect(parseTerm(text)).toEqual(term)
  })
  it.each([
    '',
    ' ',
    'week(timestamp)',
    'bucket(key)',
    'bucket(0, key)',
    'truncate(-1, key)',
    'day(1, timestamp)',
    'day(',
    'a,b',
    'bucket(4294967296, a)',
  ])('does not take "%s"', (text) => {
    expect(parseTerm(text)).toBeUndefined()
  })
})

describe('applyTransform', () => {
  it.each<{ transform: Transform; type: PrimitiveType; value: Value; result: Value }>([
    { transform: 'year', type: 'timestamptz', value: micros('1969-12-31T23:59:59Z'), result: -1 },
    { transform: 'month', type: 'timestamptz', value: micros('1969-12-31T23:59:59Z'), result: -1 },
    { transform: 'day', type: 'timestamptz', value: -1n, result: -1 },
    { transform: 'hour', type: 'timestamp', value: -3_600_000_001n, result: -2 },
    { transform: 'day', type: 'timestamp', value: micros('2017-11-16T22:31:08Z'), result: 17_486 },
    { transform: 'month', type: 'date', value: 17_486, result: 574 },
    { transform: 'year', type: 'date', value: 17_486, result: 47 },
    { transform: 'hour', type: 'timestamptz', value: micros('2017-11-16T22:31:08Z'), result: 419_686 },
    { transform: 'year', type: 'timestamptz', value: 9_007_199_254_740_991_000n, result: 285_426 },
    { transform: 'truncate[10]', type: 'int', value: -1, result: -10 },
    { transform: 'truncate[10]', type: 'long', value: -1n, result: -10n },
    { transform: 'truncate[10]', type: 'long', value: 19n, result: 10n },
    { transform: 'truncate[50]', type: 'decimal(9, 2)', value: 1065n, result: 1050n },
    { transform: 'truncate[3]', type: 'string', value: 'ž🐸ab', result: 'ž🐸a' },
    { transform: 'truncate[2]', type: 'binary', value: Uint8Array.of(1, 2, 3), result: Uint8Array.of(1, 2) },
    { transform: 'identity', type: 'string', value: 'x', result: 'x' },
  ])('$transform of $value is $result', ({ transform, type, value, result }) => {
    expect(applyTransform(transform, type, value)).toEqual(result)
  })

  // The examples of the specification, "32-bit hash requirements".
  it.each<{ type: PrimitiveType; value: Value; hashed: number }>([
    { type: 'int', value: 34, hashed: 2_017_239_379 },
    { type: 'long', value: 34n, hashed: 2_017_239_379 },
    { type: 'decimal(4, 2)', value: 1420n, hashed: -500_754_589 },
    { type: 'date', value: 17_486, hashed: -653_330_422 },
    { type: 'time', value: 81_068_000_000n, hashed: -662_762_989 },
    { type: 'timestamp', value: micros('2017-11-16T22:31:08Z'), hashed: -2_047_944_441 },
    { type: 'timestamptz', value: micros('2017-11-16T22:31:08Z') + 1n, hashed: -1_207_196_810 },
    { type: 'string', value: 'iceberg', hashed: 1_210_000_089 },
    { type: 'uuid', value: Buffer.from('f79c3e09677c4bbda4793f349cb785e7', 'hex'), hashed: 1_488_055_340 },
    { type: 'binary', value: Uint8Array.of(0, 1, 2, 3), hashed: -188_683_207 },
  ])('hashes a $type as the specification does', ({ type, value, hashed }) => {
    const positive = hashed & (2 ** 31 - 1)
    expect(applyTransform(hash, type, value)).toBe(positive % (2 ** 31 - 1))
    expect(applyTransform('bucket[16]', type, value)).toBe(positive % 16)
  })
})

describe('resultType', () => {
  it.each([
    { transform: 'day', type: 'timestamptz', result: 'date' },
    { transform: 'month', type: 'date', result: 'int' },
    { transform: 'bucket[4]', type: 'uuid', result: 'int' },
    { transform: 'truncate[4]', type: 'decimal(9, 2)', result: 'decimal(9, 2)' },
    { transform: 'identity', type: 'fixed[3]', result: 'fixed[3]' },
  ] as const)('of $transform of $type is $result', ({ transform, type, result }) => {
    expect(resultType(transform, type, 'c')).toBe(result)
  })
  it.each([
    { transform: 'day', type: 'string' },
    { transform: 'hour', type: 'date' },
    { transform: 'identity', type: 'double' },
    { transform: 'bucket[4]', type: 'boolean' },
    { transform: 'truncate[4]', type: 'date' },
    { transform: 'identity', type: { type: 'struct', fields: [] } },
  ] as const)('refuses $transform of $type', ({ transform, type }) => {
    expect(() => resultType(transform, type, 'c')).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})
