import { describe, expect, it } from 'vitest'
import { parseAvroSchema } from '../../src/values/avro/schema.ts'
import { avroShape, recordOf } from '../../src/values/avro/shape.ts'
import { compileSchema } from '../../src/values/compiled-kind.ts'
import { jsonSchemaShape } from '../../src/values/json/shape.ts'
import { widen } from '../../src/values/json/widen.ts'
import { messageShape } from '../../src/values/protobuf/shape.ts'
import { type Shape, UNKNOWN } from '../../src/values/shape.ts'
import { kindWith, schemaOf } from '../../src/values/value-schema.ts'
import type { ValueKind } from '../../src/values/values.ts'

const ofAvro = (schema: unknown): Shape => avroShape(recordOf(parseAvroSchema(JSON.stringify(schema))))
const ofAvroField = (type: unknown): Shape => {
  const shape = ofAvro({ type: 'record', name: 'R', fields: [{ name: 'a', type }] })
  return (shape.kind === 'record' ? shape.fields.get('a') : undefined) ?? UNKNOWN
}

async function ofProtobuf(text: string): Promise<Shape> {
  const schema = schemaOf(await messageKind(text))
  if (schema.type !== 'protobuf') throw new Error('it is no schema of Protobuf')
  return messageShape(schema.message)
}

async function messageKind(text: string): Promise<ValueKind> {
  const compiled = await compileSchema({ type: 'protobuf', text, references: [] })
  if (compiled.type !== 'protobuf') throw new Error('it is no schema of Protobuf')
  return compiled.message([0])!.kind
}

/** Fields that all of them can say. */
const fields = new Map<string, Shape>([
  ['id', { kind: 'int' }],
  ['name', { kind: 'string' }],
  ['amount', { kind: 'double' }],
  ['paid', { kind: 'boolean' }],
  ['tags', { kind: 'list', items: { kind: 'string' } }],
  ['counts', { kind: 'map', items: { kind: 'int' } }],
  ['place', { kind: 'record', fields: new Map([['city', { kind: 'string' }]]), isOpen: false }],
])

/** A shape of which nothing is required. */
function optional(shape: Shape): Shape {
  const { isRequired: _, ...rest } = shape
  if (rest.kind === 'list' || rest.kind === 'map') return { ...rest, items: optional(rest.items) }
  if (rest.kind !== 'record') return rest
  return { ...rest, fields: new Map([...rest.fields].map(([name, field]) => [name, optional(field)])) }
}

describe('a shape', () => {
  it('is the same whatever describes the values', async () => {
    const expected: Shape = { kind: 'record', fields, isOpen: false }
    const list = { type: 'array', items: 'string' }
    const place = { type: 'record', name: 'Place', fields: [{ name: 'city', type: 'string' }] }
    const types = {
      id: 'long',
      name: 'string',
      amount: 'double',
      paid: 'boolean',
      tags: list,
      counts: { type: 'map', values: 'long' },
      place,
    }
    const avro = ofAvro({ type: 'record', name: 'R', fields: Object.entries(types).map(([name, type]) => ({ name, type })) })
    expect(optional(avro)).toEqual(expected)
    expect(
      await ofProtobuf(`syntax = "proto3"; message R { int64 id = 1; string name = 2; double amount = 3; bool paid = 4;
        repeated string tags = 5; map<string, int64> counts = 6; Place place = 7; } message Place { string city = 1; }`),
    ).toEqual(expected)
    const string = { type: 'string' }
    const closed = { type: 'object', additionalProperties: false }
    const properties = {
      id: { type: 'integer' },
      name: string,
      amount: { type: 'number' },
      paid: { type: 'boolean' },
      tags: { type: 'array', items: string },
      counts: { type: 'object', additionalProperties: { type: 'integer' } },
      place: { ...closed, properties: { city: string } },
    }
    expect(jsonSchemaShape(JSON.stringify({ ...closed, properties }))).toEqual(expected)
    // Of what is seen only, an object is never a map.
    const seen = widen(UNKNOWN, { id: 1, name: 'a', amount: 0.5, paid: true, tags: ['a'], place: { city: 'b' } })
    const { counts: _, ...known } = Object.fromEntries(fields)
    expect(seen).toEqual({ kind: 'record', fields: new Map(Object.entries(known)), isOpen: false })
  })

  const decimal = (more: object) => ({ type: 'bytes', logicalType: 'decimal', precision: 4, ...more })
  it.each([
    { type: ['null', 'int'], shape: { kind: 'int32', isRequired: false } },
    { type: ['int'], shape: { kind: 'int32', isRequired: true } },
    { type: ['null'], shape: { kind: 'nothing' } },
    { type: decimal({}), shape: { kind: 'decimal', precision: 4, scale: 0, size: undefined, isRequired: true } },
    { type: decimal({ scale: 5 }), shape: { kind: 'bytes', isRequired: true } },
    { type: decimal({ scale: -1 }), shape: { kind: 'bytes', isRequired: true } },
    { type: decimal({ precision: 39 }), shape: { kind: 'bytes', isRequired: true } },
    { type: { type: 'long', logicalType: 'date' }, shape: { kind: 'int', isRequired: true } },
    { type: { type: 'fixed', name: 'F', size: 0 }, shape: { kind: 'bytes', isRequired: true } },
    {
      type: { type: 'fixed', name: 'F', size: 17, logicalType: 'decimal', precision: 4 },
      shape: { kind: 'fixed', size: 17, isRequired: true },
    },
    { type: ['null', 'R'], shape: { kind: 'json', isRequired: false } },
  ])('of Avro $type is $shape', ({ type, shape }) => {
    expect(ofAvroField(type)).toEqual(shape)
  })

  it.each([
    { type: ['null', { type: 'array', items: 'int' }, { type: 'array', items: 'long' }] },
    {
      type: {
        type: 'record',
        name: 'Twice',
        fields: [
          { name: 'b', type: 'int' },
          { name: 'b', type: 'int' },
        ],
      },
    },
  ])('of Avro $type is refused: its parts could not be told apart', ({ type }) => {
    expect(() => ofAvroField(type)).toThrow(expect.objectContaining({ code: 'SCHEMA_INVALID' }))
  })
})

describe('schemaOf', () => {
  it('is read once, and stays with a kind of which more comes to be known', async () => {
    const kind = await messageKind('syntax = "proto3"; message A { int32 a = 1; }')
    const more = kindWith(kind, { versions: [{ subject: 's', version: 1 }] })
    expect(more.versions).toHaveLength(1)
    expect(schemaOf(more)).toBe(schemaOf(kind))
    const plain: ValueKind = { id: 'x', type: 'avro', name: undefined, text: '"int"', references: [] }
    expect(schemaOf(plain)).toBe(schemaOf(plain))
  })
})
