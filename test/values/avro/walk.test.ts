import avro from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Cursor } from '../../../src/values/avro/cursor.ts'
import { createFieldReader } from '../../../src/values/avro/field.ts'
import { parseAvroSchema } from '../../../src/values/avro/schema.ts'
import { createWalks } from '../../../src/values/avro/walk.ts'
import type { FieldValue } from '../../../src/values/values.ts'
import { schemaArbitrary } from './arbitrary-schema.ts'

// The library notes names in the options, so that each schema needs its own.
const typeOf = (schema: unknown) => avro.Type.forSchema(schema as avro.Schema, { wrapUnions: false })

/** Walks one datum; gives where it ends. */
function walk(schema: unknown, bytes: Uint8Array, start = 0, end = bytes.byteLength): number {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  createWalks()(parseAvroSchema(JSON.stringify(schema)))(cursor)
  return cursor.at
}

function read(schema: unknown, name: string, bytes: Uint8Array): FieldValue {
  const cursor = new Cursor()
  cursor.open(bytes, 0, bytes.byteLength)
  return createFieldReader(parseAvroSchema(JSON.stringify(schema)), name)(cursor)
}

/** What a decoded datum holds under a dotted name, as fields are given. */
function fieldOf(datum: unknown, path: readonly string[]): FieldValue {
  const [name, ...rest] = path
  if (name !== undefined) {
    if (typeof datum !== 'object' || datum === null || Array.isArray(datum) || datum instanceof Uint8Array) return undefined
    return Object.hasOwn(datum, name) ? fieldOf((datum as Record<string, unknown>)[name], rest) : undefined
  }
  return typeof datum === 'object' && datum !== null ? undefined : (datum as FieldValue)
}

const faultsOnly = (act: () => unknown) => {
  try {
    act()
  } catch (error) {
    expect(error).toMatchObject({ code: 'INPUT_INVALID' })
  }
}

describe('a walk over a datum', () => {
  it('ends where the datum does, for any schema, wherever it lies', () => {
    fc.assert(
      fc.property(schemaArbitrary, fc.nat(20), ({ schema }, before) => {
        const datum = typeOf(schema)
        const bytes = datum.toBuffer(datum.random())
        const around = Buffer.concat([Buffer.alloc(before, 0xff), bytes, Buffer.alloc(9, 0xff)])
        expect(walk(schema, around, before, before + bytes.length)).toBe(before + bytes.length)
        for (const end of [0, bytes.length >> 1, bytes.length - 1]) {
          if (end < 0 || end >= bytes.length) continue
          expect(() => walk(schema, bytes, 0, end)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
        }
      }),
      { numRuns: 150 },
    )
  })

  it('says of any bytes that they are a datum, or why not, and ends', () => {
    fc.assert(
      fc.property(schemaArbitrary, fc.uint8Array({ maxLength: 200 }), ({ schema, paths }, bytes) => {
        faultsOnly(() => walk(schema, bytes))
        for (const path of paths.slice(0, 5)) faultsOnly(() => read(schema, path, bytes))
      }),
      { numRuns: 150 },
    )
  })

  const hostile = (schema: unknown, ...bytes: number[]) => ({ schema, bytes: Uint8Array.from(bytes) })
  it.each([
    {
      what: 'an array of more items than there are bytes',
      ...hostile({ type: 'array', items: 'int' }, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0),
    },
    { what: 'an array of a billion nulls', ...hostile({ type: 'array', items: 'null' }, 0x80, 0xa8, 0xd6, 0xb9, 7, 0) },
    { what: 'a length below 0', ...hostile('bytes', 1) },
    { what: 'a length past the end', ...hostile('string', 4, 65) },
    { what: 'text that is not UTF-8', ...hostile('string', 2, 0xff) },
    { what: 'an index that a union does not have', ...hostile(['null', 'int'], 4) },
    { what: 'a symbol that an enum does not have', ...hostile({ type: 'enum', name: 'E', symbols: ['A'] }, 2) },
    { what: 'a block whose length is not its own', ...hostile({ type: 'array', items: 'int' }, 1, 4, 2, 0) },
    { what: 'an int of six bytes', ...hostile('int', 0x80, 0x80, 0x80, 0x80, 0x80, 0) },
    { what: 'a long of eleven bytes', ...hostile('long', ...Array.from({ length: 10 }, () => 0x80), 0) },
    { what: 'a truth of 2', ...hostile('boolean', 2) },
    {
      what: 'a record that holds itself outright',
      ...hostile({ type: 'record', name: 'R', fields: [{ name: 'r', type: 'R' }] }, 0),
    },
    {
      what: 'a list of 5,000 records, one in the other',
      ...hostile(
        { type: 'record', name: 'R', fields: [{ name: 'next', type: ['null', 'R'] }] },
        ...Array.from({ length: 5000 }, () => 2),
        0,
      ),
    },
  ])('refuses $what', ({ schema, bytes }) => {
    expect(() => walk(schema, bytes)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
  })

  it('takes blocks that tell their length', () => {
    expect(walk({ type: 'array', items: 'int' }, Uint8Array.of(3, 4, 2, 4, 2, 6, 0))).toBe(7)
  })
})

describe('a field of a datum', () => {
  it('is what decoding all of it gives, for any schema', () => {
    fc.assert(
      fc.property(schemaArbitrary, ({ schema, paths }) => {
        const type = typeOf(schema)
        const bytes = type.toBuffer(type.random())
        const decoded: unknown = type.fromBuffer(bytes)
        for (const path of [...paths, 'f0.nothing', 'nothing']) {
          expect([path, read(schema, path, bytes)]).toEqual([path, fieldOf(decoded, path.split('.'))])
        }
      }),
      { numRuns: 150 },
    )
  })

  const record = (...types: unknown[]) => ({
    type: 'record',
    name: 'R',
    fields: types.map((type, index) => ({ name: `f${index}`, type })),
  })
  const zigzag = (value: bigint) => {
    const bytes: number[] = []
    for (let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)); ; rest >>= 7n) {
      if (rest < 0x80n) return [...bytes, Number(rest)]
      bytes.push(Number(rest & 0x7fn) | 0x80)
    }
  }
  const logical = (type: string, logicalType: string, more = {}) => ({ type, logicalType, ...more })
  it.each([
    { what: 'a long that a number does not hold', type: 'long', bytes: zigzag(2n ** 63n - 1n), is: 2n ** 63n - 1n },
    { what: 'the smallest long', type: 'long', bytes: zigzag(-(2n ** 63n)), is: -(2n ** 63n) },
    { what: 'the largest number', type: 'long', bytes: zigzag(2n ** 53n - 1n), is: 2 ** 53 - 1 },
    { what: 'the smallest number', type: 'long', bytes: zigzag(1n - 2n ** 53n), is: 1 - 2 ** 53 },
    { what: 'a day', type: logical('int', 'date'), bytes: zigzag(17535n), is: '2018-01-04' },
    { what: 'a day before 1970', type: logical('int', 'date'), bytes: zigzag(-1n), is: '1969-12-31' },
    { what: 'an instant in ms', type: logical('long', 'timestamp-millis'), bytes: zigzag(1515024000123n), is: 1515024000123 },
    { what: 'an instant in µs', type: logical('long', 'timestamp-micros'), bytes: zigzag(1515024000123999n), is: 1515024000123 },
    { what: 'an instant in µs before 1970', type: logical('long', 'timestamp-micros'), bytes: zigzag(-1n), is: -1 },
    {
      what: 'an instant in ns',
      type: logical('long', 'timestamp-nanos'),
      bytes: zigzag(1515024000123999999n),
      is: 1515024000123,
    },
    { what: 'a decimal', type: logical('bytes', 'decimal', { precision: 5, scale: 2 }), bytes: [4, 0xff, 0x7b], is: '-1.33' },
    {
      what: 'a decimal without whole part',
      type: logical('bytes', 'decimal', { precision: 5, scale: 3 }),
      bytes: [2, 7],
      is: '0.007',
    },
    { what: 'a logical type on a type it does not fit', type: logical('string', 'date'), bytes: [2, 65], is: 'A' },
    { what: 'a symbol', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] }, bytes: [2], is: 'B' },
    { what: 'text that is not ASCII', type: 'string', bytes: [4, 0xc5, 0xbe], is: 'ž' },
    { what: 'bytes, which are no scalar', type: 'bytes', bytes: [2, 65], is: undefined },
    { what: 'a fraction', type: 'double', bytes: [0, 0, 0, 0, 0, 0, 0xf8, 0x3f], is: 1.5 },
  ])('is $is for $what', ({ type, bytes, is }) => {
    expect(read(record('string', type), 'f1', Uint8Array.from([6, 1, 2, 3, ...bytes]))).toBe(is)
  })

  it('is the value of the last of equal keys of a map', () => {
    const bytes = Uint8Array.of(4, 2, 65, 2, 2, 65, 4, 2, 2, 66, 6, 0)
    expect(read(record({ type: 'map', values: 'int' }), 'f0.A', bytes)).toBe(2)
  })
})

describe('parseAvroSchema', () => {
  it.each([
    ['{', 'no JSON'],
    ['{"type":"record","name":"R"}', 'no fields'],
    ['{"type":"record","fields":[]}', 'no name'],
    ['{"type":"enum","name":"E"}', 'no symbols'],
    ['{"type":"fixed","name":"F","size":-1}', 'no size'],
    ['[["null"]]', 'a union holds a union'],
    ['"Unknown"', 'not defined'],
    ['7', 'no type'],
    ['[{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":2}]', 'defined twice'],
  ])('refuses %s: %s', (text, reason) => {
    expect(() => parseAvroSchema(text)).toThrow(
      expect.objectContaining({ code: 'SCHEMA_INVALID', message: expect.stringContaining(reason) as string }),
    )
  })
})
