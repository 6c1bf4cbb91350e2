import avsc from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createAvroJsonEncoder } from '../../../src/values/avro/json.ts'
import { parseAvroSchema } from '../../../src/values/avro/schema.ts'

const encoderOf = (schema: unknown) => createAvroJsonEncoder(parseAvroSchema(JSON.stringify(schema)))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** avsc, which knows nothing of this encoder. */
const otherwise = (schema: unknown, json: unknown): string => {
  const type = avsc.Type.forSchema(schema as avsc.Schema)
  return type.toBuffer(type.fromString(JSON.stringify(json, withSign))).toString('hex')
}

/** A zero with its sign, which is otherwise lost in JSON's text. */
const withSign = (_name: string, value: unknown): unknown =>
  Object.is(value, -0) ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON('-0') : value

interface Case {
  readonly schema: unknown
  readonly json: unknown
}

const latin1 = fc.array(fc.integer({ min: 0, max: 255 })).map((bytes) => Buffer.from(bytes).toString('latin1'))
const text = fc.string({ unit: 'grapheme' })
/** avsc counts with doubles, twice the number: what is larger has tables of its own. */
const whole = fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 1 })

/** The elements of Avro, each with some of its values in Avro's JSON. */
const leaves: fc.Arbitrary<{ readonly schema: unknown; readonly branch: string; readonly json: fc.Arbitrary<unknown> }> =
  fc.constantFrom(
    { schema: 'null', branch: 'null', json: fc.constant(null) },
    { schema: 'boolean', branch: 'boolean', json: fc.boolean() },
    { schema: 'int', branch: 'int', json: fc.integer() },
    { schema: 'long', branch: 'long', json: whole },
    { schema: 'float', branch: 'float', json: fc.float({ noNaN: true, noDefaultInfinity: true }) },
    { schema: 'double', branch: 'double', json: fc.double({ noNaN: true, noDefaultInfinity: true }) },
    { schema: 'bytes', branch: 'bytes', json: latin1 },
    { schema: 'string', branch: 'string', json: text },
    { schema: { type: 'long', logicalType: 'timestamp-millis' }, branch: 'long', json: whole },
  )

let names = 0

const cases: fc.Arbitrary<Case & { readonly branch: string }> = fc.letrec<{ any: Case & { readonly branch: string } }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaves.chain(({ schema, branch, json }) => json.map((one) => ({ schema, branch, json: one }))),
    fc.array(fc.constantFrom('A', 'B', 'C'), { minLength: 1 }).map(([json]) => {
      const name = `E${names++}`
      return { schema: { type: 'enum', name, symbols: ['A', 'B', 'C'] }, branch: name, json }
    }),
    latin1.map((json) => {
      const name = `F${names++}`
      return { schema: { type: 'fixed', name, size: json.length }, branch: name, json }
    }),
    fc.tuple(tie('any'), fc.integer({ min: 0, max: 3 })).map(([item, count]) => ({
      schema: { type: 'array', items: item.schema },
      branch: 'array',
      json: Array.from({ length: count }, () => item.json),
    })),
    fc.tuple(tie('any'), fc.uniqueArray(fc.string(), { maxLength: 3 })).map(([value, keys]) => ({
      schema: { type: 'map', values: value.schema },
      branch: 'map',
      json: Object.fromEntries(keys.map((key) => [`k${key}`, value.json])),
    })),
    fc.array(tie('any'), { maxLength: 4 }).map((fields) => {
      const name = `space.R${names++}`
      const schema = { type: 'record', name, fields: fields.map((field, i) => ({ name: `f${i}`, type: field.schema })) }
      return { schema, branch: name, json: Object.fromEntries(fields.map((field, i) => [`f${i}`, field.json])) }
    }),
  ),
})).any

describe('Avro from its JSON encoding', () => {
  it('is what another implementation of Avro makes of it', () => {
    fc.assert(
      fc.property(cases, ({ schema, json }) => {
        expect(hex(encoderOf(schema)(json))).toBe(otherwise(schema, json))
      }),
      { numRuns: 300 },
    )
  })

  it('is so for unions of any two types too', () => {
    fc.assert(
      fc.property(cases, fc.boolean(), (one, isFirst) => {
        fc.pre(one.branch !== 'null' && !one.branch.startsWith('space.'))
        const schema = isFirst ? [one.schema, 'null'] : ['null', one.schema]
        for (const json of [null, { [one.branch]: one.json }]) {
          expect(hex(encoderOf(schema)(json))).toBe(otherwise(schema, json))
        }
      }),
    )
  })

  it.each([
    { json: 9007199254740993n, bytes: '8280808080808020' },
    { json: -9223372036854775808n, bytes: 'ffffffffffffffffff01' },
    { json: 9223372036854775807n, bytes: 'feffffffffffffffff01' },
  ])('holds the long $json', ({ json, bytes }) => {
    expect(hex(encoderOf('long')(json))).toBe(bytes)
  })

  it('holds records within themselves, and names of a namespace', () => {
    const schema = {
      type: 'record',
      name: 'Node',
      namespace: 'a.b',
      fields: [{ name: 'next', type: ['null', 'Node'] }],
    }
    const json = { next: { 'a.b.Node': { next: { 'a.b.Node': { next: null } } } } }
    expect(hex(encoderOf(schema)(json))).toBe('020200')
    expect(() => encoderOf(schema)({ next: { Node: { next: null } } })).toThrow(/a\.b\.Node/u)
  })

  const record = {
    type: 'record',
    name: 'R',
    fields: [
      { name: 'n', type: 'int', default: 1 },
      { name: 's', type: ['null', 'string'], default: null },
    ],
  }

  it.each([
    { schema: record, json: { n: 1 }, why: 's: expected the field, which is missing' },
    { schema: record, json: { n: 1, s: 'x' }, why: 's: expected a union, as {"<branch>": value} of null, string' },
    { schema: record, json: { n: 1, s: { string: 1 } }, why: 's.string: expected a string' },
    { schema: record, json: { n: 1, s: { null: 1 } }, why: 's: expected a union' },
    { schema: record, json: { n: 1, s: { string: 'a', null: null } }, why: 's: expected a union' },
    { schema: record, json: { n: 1, s: null, t: 2 }, why: 'which has no field t' },
    { schema: record, json: [], why: 'the value: expected record R' },
    { schema: record, json: { n: 2 ** 31, s: null }, why: 'n: expected an int' },
    { schema: 'int', json: 1.5, why: 'an int' },
    { schema: 'int', json: '1', why: 'an int' },
    { schema: 'long', json: 2 ** 60, why: 'a long' },
    { schema: 'long', json: 9223372036854775808n, why: 'a long' },
    { schema: 'boolean', json: 1, why: 'a boolean' },
    { schema: 'null', json: 0, why: 'null' },
    { schema: 'double', json: 'x', why: 'a double' },
    { schema: 'bytes', json: 'Ā', why: 'up to U+00FF' },
    { schema: 'string', json: '\ud800', why: 'a string' },
    { schema: { type: 'fixed', name: 'F', size: 2 }, json: 'abc', why: '2 bytes of fixed F' },
    { schema: { type: 'enum', name: 'E', symbols: ['A'] }, json: 'B', why: 'a symbol of enum E' },
    { schema: { type: 'array', items: 'int' }, json: [1, 'x'], why: '1: expected an int' },
    { schema: { type: 'map', values: 'int' }, json: { a: null }, why: 'a: expected an int' },
    { schema: { type: 'map', values: 'int' }, json: [], why: 'a map' },
  ])('refuses $json for $schema: $why', ({ schema, json, why }) => {
    expect(() => encoderOf(schema)(json)).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringContaining(why) as string }),
    )
  })

  it('takes the numbers that JSON has no digits for as text', () => {
    expect(Buffer.from(encoderOf('double')('-Infinity')).readDoubleLE()).toBe(-Infinity)
    expect(Buffer.from(encoderOf('float')('NaN')).readFloatLE()).toBeNaN()
  })

  it('refuses a union with two branches of one name', () => {
    expect(() => encoderOf(['string', { type: 'string' }])).toThrow(expect.objectContaining({ code: 'SCHEMA_INVALID' }))
  })
})
