import avro from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { valueAt } from '../../src/batch/view.ts'
import { type Compatibility, createValueProjection, type Placement, placeValue, versionFor } from '../../src/values/projection.ts'
import type { SchemaType, ValueKind } from '../../src/values/values.ts'
import { schemaArbitrary } from './avro/arbitrary-schema.ts'

const kindOf = (schema: unknown, id = 'id', type: SchemaType = 'avro'): ValueKind => ({
  id,
  type,
  name: 'R',
  text: JSON.stringify(schema),
  references: [],
})
const typeOf = (schema: unknown) => avro.Type.forSchema(structuredClone(schema) as avro.Schema, { wrapUnions: false })
const project = (from: unknown, to: unknown, ...values: (Uint8Array | null)[]) => {
  const batch = batchOf(values.map((value, position) => ({ position, timestamp: 0, key: `key ${position}`, value })))
  const { batch: projected, unreadable } = createValueProjection(kindOf(from), kindOf(to))(batch)
  return { values: values.map((_, row) => valueAt(projected, row)), unreadable }
}

interface RecordSchema {
  name: string
  fields: { name: string; type: unknown; default?: unknown; aliases?: string[] }[]
}

const promotions: Readonly<Record<string, string>> = {
  int: 'long',
  long: 'double',
  float: 'double',
  string: 'bytes',
}
/** A later version of a schema: fields more, fewer, renamed, in another order, and of wider types. */
function evolve(schema: unknown, choose: (count: number) => number): unknown {
  const later = structuredClone(schema) as RecordSchema
  const fields = later.fields.filter(() => choose(5) > 0)
  for (const field of fields) {
    const type = typeof field.type === 'string' ? promotions[field.type] : undefined
    if (type !== undefined && choose(2) === 0) field.type = choose(2) === 0 ? type : ['null', type]
    if (choose(6) === 0) {
      field.aliases = [field.name]
      field.name = `renamed_${field.name}`
    }
  }
  const more = { name: 'added', type: ['null', 'string'], default: null }
  const list = { name: 'listed', type: { type: 'array', items: 'int' }, default: [1, -2] }
  return { ...later, fields: [...(choose(2) === 0 ? [more] : []), ...(choose(2) === 0 ? fields.toReversed() : fields), list] }
}

describe('a projection', () => {
  it('gives what another implementation resolves, for any change that it takes', () => {
    let taken = 0
    fc.assert(
      fc.property(schemaArbitrary, fc.array(fc.nat(1000), { minLength: 20 }), ({ schema }, choices) => {
        let next = 0
        const later = evolve(schema, (count) => choices[next++ % choices.length]! % count)
        // A field that another refers to by its type's name may be gone.
        let reader: avro.Type
        let resolver: ReturnType<avro.Type['createResolver']>
        const writer = typeOf(schema)
        try {
          reader = typeOf(later)
          resolver = reader.createResolver(writer)
        } catch {
          return
        }
        taken++
        const datum = writer.toBuffer(writer.random())
        const resolved: unknown = reader.fromBuffer(datum, resolver)
        expect(project(schema, later, datum)).toEqual({ values: [new Uint8Array(reader.toBuffer(resolved))], unreadable: [] })
      }),
      { numRuns: 150 },
    )
    expect(taken).toBeGreaterThan(50)
  })

  const record = (...fields: object[]) => ({ type: 'record', name: 'R', fields })
  const int = { name: 'a', type: 'int' }
  it.each([
    {
      what: 'a default of every type',
      from: record(),
      datum: [],
      to: record(
        { name: 'b', type: 'boolean', default: true },
        { name: 's', type: 'bytes', default: '\u00ff' },
        { name: 'f', type: { type: 'fixed', name: 'F', size: 1 }, default: '\u0001' },
        { name: 'e', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] }, default: 'B' },
        { name: 'm', type: { type: 'map', values: 'string' }, default: { k: 'v' } },
        { name: 'u', type: ['null', 'int'], default: 3 },
        { name: 'd', type: 'double', default: 1.5 },
        { name: 'r', type: { type: 'record', name: 'I', fields: [{ name: 'x', type: 'int', default: 4 }] }, default: {} },
      ),
      is: [1, 2, 0xff, 1, 2, 2, 2, 107, 2, 118, 0, 2, 6, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 8],
    },
    {
      what: 'null for what is missing without a default, as Connect does',
      from: record(),
      datum: [],
      to: record({ name: 'b', type: ['int', 'null'] }),
      is: [2],
    },
    {
      what: 'a number in a union',
      from: record(int),
      datum: [6],
      to: record({ name: 'a', type: ['null', 'string', 'long'] }),
      is: [4, 6],
    },
    { what: 'what a union holds', from: record({ name: 'a', type: ['null', 'int'] }), datum: [2, 6], to: record(int), is: [6] },
    {
      what: 'a symbol that is not known any more, by the default',
      from: { type: 'enum', name: 'E', symbols: ['A', 'B'] },
      datum: [2],
      to: { type: 'enum', name: 'E', symbols: ['C', 'A'], default: 'C' },
      is: [0],
    },
    {
      what: 'a list of itself',
      from: record(int, { name: 'n', type: ['null', 'R'] }),
      datum: [2, 2, 4, 0],
      to: record({ name: 'n', type: ['null', 'R'] }),
      is: [2, 0],
    },
    {
      what: 'an array in blocks that tell their length',
      from: { type: 'array', items: 'int' },
      datum: [1, 2, 6, 2, 8, 0],
      to: { type: 'array', items: 'int' },
      is: [2, 6, 2, 8, 0],
    },
    { what: 'bytes that are text', from: 'bytes', datum: [4, 0xc5, 0xbe], to: 'string', is: [4, 0xc5, 0xbe] },
    { what: 'a name in another namespace', from: { ...record(int), namespace: 'x' }, datum: [6], to: record(int), is: [6] },
  ])('writes $what', ({ from, datum, to, is }) => {
    expect(project(from, to, Uint8Array.from(datum), null)).toEqual({ values: [Uint8Array.from(is), null], unreadable: [] })
  })

  it.each([
    { what: 'a field that is needed and has no default', from: record(), to: record(int) },
    { what: 'a default that is none', from: record(), to: record({ ...int, default: 'x' }) },
    { what: 'text for a number', from: record({ name: 'a', type: 'string' }), to: record(int) },
    { what: 'a narrower number', from: record({ name: 'a', type: 'long' }), to: record(int) },
    { what: 'a record of another name', from: record(int), to: { ...record(int), name: 'S' } },
    { what: 'a fixed of another size', from: { type: 'fixed', name: 'F', size: 2 }, to: { type: 'fixed', name: 'F', size: 3 } },
    {
      what: 'records that hold themselves, of which one part cannot be',
      from: record({ name: 'n', type: ['null', 'R'] }, int),
      to: record({ name: 'n', type: ['null', 'R'] }, { name: 'a', type: 'string' }),
    },
  ])('refuses $what', ({ from, to }) => {
    expect(() => createValueProjection(kindOf(from), kindOf(to))).toThrow(expect.objectContaining({ code: 'SCHEMA_INVALID' }))
  })

  it('says which values cannot become what is wanted, and leaves them', () => {
    const from = record({ name: 'a', type: ['null', 'int'] })
    const { values, unreadable } = project(
      from,
      record(int),
      Uint8Array.of(2, 6),
      Uint8Array.of(0),
      Uint8Array.of(2),
      Uint8Array.of(2, 8, 0),
    )
    expect(values).toEqual([Uint8Array.of(6), Uint8Array.of(0), Uint8Array.of(2), Uint8Array.of(2, 8, 0)])
    expect(unreadable.map(({ row, reason }) => `${row}: ${reason}`)).toEqual([
      '1: it cannot become R: null cannot become int',
      '2: it cannot become R: it ends within a number',
      '3: it cannot become R: bytes lie behind it',
    ])
  })

  it('takes a branch that can be, where a record that holds itself cannot', () => {
    const inner = (type: string) => ({
      type: 'record',
      name: 'I',
      fields: [
        { name: 'x', type },
        { name: 'i', type: ['null', 'I'] },
      ],
    })
    const from = record({ name: 'a', type: ['int', inner('int')] })
    const to = record({ name: 'a', type: ['long', inner('string')] })
    const { values, unreadable } = project(from, to, Uint8Array.of(0, 6), Uint8Array.of(2, 6, 0))
    expect([values[0], unreadable.map(({ row }) => row)]).toEqual([Uint8Array.of(0, 6), [1]])
  })
})

describe('placeValue', () => {
  const kind = (version: number | undefined, id = `v${version}`, type: SchemaType = 'avro'): ValueKind => ({
    ...kindOf({}, id, type),
    ...(version === undefined ? {} : { versions: [{ subject: 't-value', version }] }),
  })
  const modes: readonly Compatibility[] = ['none', 'backward', 'forward', 'full']
  it.each<{ what: string; current: ReturnType<typeof kind>; incoming: ReturnType<typeof kind>; is: readonly Placement[] }>([
    { what: 'the same schema', current: kind(1), incoming: kind(1), is: ['same', 'same', 'same', 'same'] },
    { what: 'a newer one', current: kind(1), incoming: kind(2), is: ['new', 'new', 'project', 'new'] },
    { what: 'an older one', current: kind(2), incoming: kind(1), is: ['new', 'project', 'new', 'project'] },
    { what: 'one without a version', current: kind(1), incoming: kind(undefined), is: ['new', 'new', 'new', 'new'] },
    {
      what: 'one of another subject',
      current: { ...kind(2), versions: [{ subject: 'a', version: 2 }] },
      incoming: { ...kind(1), versions: [{ subject: 'b', version: 1 }] },
      is: ['new', 'new', 'new', 'new'],
    },
    { what: 'one of another type', current: kind(2), incoming: kind(1, 'j', 'json-schema'), is: ['new', 'new', 'new', 'new'] },
  ])('under NONE, BACKWARD, FORWARD and FULL is $is for $what', ({ current, incoming, is }) => {
    expect(modes.map((mode) => placeValue({ compatibility: mode, topic: 't' }, current, incoming))).toEqual(is)
  })
})

describe('versionFor', () => {
  it.each([
    {
      what: "that of the topic's own subject",
      versions: [
        { subject: 'a', version: 9 },
        { subject: 't-value', version: 2 },
      ],
      is: 2,
    },
    {
      what: 'the newest of it',
      versions: [
        { subject: 't-value', version: 2 },
        { subject: 't-value', version: 4 },
      ],
      is: 4,
    },
    {
      what: "that of the record's own subject for the topic",
      versions: [
        { subject: 'R', version: 5 },
        { subject: 't-R', version: 3 },
        { subject: 'u-value', version: 4 },
      ],
      is: 3,
    },
    { what: "that of the record's own subject", versions: [{ subject: 'R', version: 3 }], is: 3 },
    { what: 'unknown where another topic has it', versions: [{ subject: 'u-value', version: 1 }], is: undefined },
    { what: 'unknown without any', versions: [], is: undefined },
  ])('is $what', ({ versions, is }) => {
    expect(versionFor('t', { ...kindOf({}), versions })?.version).toBe(is)
  })
})
