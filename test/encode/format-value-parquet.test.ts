import * as avro from 'avsc'
import * as fc from 'fast-check'
import protobuf from 'protobufjs'
import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import type { ExtraColumn } from '../../src/encode/format-options.ts'
import type { SchemaType, ValueKind } from '../../src/values/values.ts'
import { type Cell, parquetSegment, tableOf } from './parquet-segments.ts'

const kindOf = (type: SchemaType, text: string, name?: string): ValueKind => ({ id: text, type, name, text, references: [] })
const messagesOf = (values: readonly (Uint8Array | string | null)[]): MessageInput[] =>
  values.map((value, i) => ({ position: 10 + i, timestamp: 1000 * i, key: i % 2 ? `k${i}` : null, value }))

interface Options {
  readonly kind?: ValueKind
  readonly extraColumns?: readonly ExtraColumn[]
  readonly blockBytes?: number
}

/** Rows of the file of these values, as another reader has them. */
async function rowsOf(
  values: readonly (Uint8Array | string)[],
  { extraColumns, ...options }: Options = {},
  more: (message: MessageInput) => MessageInput = (message) => message,
): Promise<Cell[]> {
  const batch = batchOf(messagesOf(values).map(more))
  const formatOptions = { extraColumns }
  expect(segmentFormat('value-parquet').findUnencodable(batch, formatOptions, options.kind)).toEqual([])
  const encoding = { codec: 'zstandard', lookups: [], blockBytes: 4096, formatOptions, ...options } as const
  const { file } = await parquetSegment([batch], { ...encoding, origin: { topic: 'orders', lane: '3' } }, 'value-parquet')
  return tableOf(file)
}

const faultsOf = (values: readonly (Uint8Array | string | null)[], kind?: ValueKind) =>
  segmentFormat('value-parquet').findUnencodable(batchOf(messagesOf(values)), undefined, kind)

describe('value-parquet of Avro', () => {
  const flat = {
    type: 'record',
    name: 'Order',
    fields: [
      { name: 'id', type: 'long' },
      { name: 'name', type: 'string' },
      { name: 'amount', type: 'double' },
      { name: 'share', type: 'float' },
      { name: 'count', type: 'int' },
      { name: 'paid', type: 'boolean' },
      { name: 'note', type: ['null', 'string'] },
      { name: 'tags', type: { type: 'array', items: ['null', 'string'] } },
      { name: 'scores', type: { type: 'map', values: { type: 'array', items: 'int' } } },
      {
        name: 'address',
        type: ['null', { type: 'record', name: 'Address', fields: [{ name: 'city', type: ['string', 'null'] }] }],
      },
      { name: 'lines', type: { type: 'array', items: { type: 'array', items: 'Address' } } },
      { name: 'any', type: ['null', 'long', 'string', 'Address'] },
      { name: 'raw', type: 'bytes' },
    ],
  } as const
  const type = avro.Type.forSchema(flat as unknown as avro.Schema, { wrapUnions: true })
  const text = fc.string({ unit: 'binary', maxLength: 8 })
  // avsc rounds what is longer.
  const long = fc.maxSafeInteger().map((number) => Math.floor(number / 4))
  const address = fc.record({ city: fc.option(text.map((string) => ({ string }))) })
  const order = fc.record({
    id: long,
    name: text,
    amount: fc.double({ noNaN: true }),
    share: fc.float({ noNaN: true }),
    count: fc.integer(),
    paid: fc.boolean(),
    note: fc.option(text.map((string) => ({ string }))),
    tags: fc.array(fc.option(text.map((string) => ({ string }))), { maxLength: 3 }),
    scores: fc.dictionary(fc.string({ maxLength: 4 }), fc.array(fc.integer(), { maxLength: 3 }), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
    address: fc.option(address.map((Address) => ({ Address }))),
    lines: fc.array(fc.array(address, { maxLength: 2 }), { maxLength: 2 }),
    any: fc.oneof(fc.constant(null), fc.record({ long }), fc.record({ string: text }), fc.record({ Address: address })),
    raw: fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
  })
  const plainText = (value: { readonly string: string } | null) => value?.string ?? null
  const plainAddress = (value: { readonly city: { readonly string: string } | null }) => ({ city: plainText(value.city) })

  it('has the fields of whatever records as columns', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(order, { minLength: 1, maxLength: 20 }), async (orders) => {
        const kind = kindOf('avro', JSON.stringify(flat))
        const rows = await rowsOf(
          orders.map((each) => type.toBuffer(each)),
          { kind, blockBytes: 256 },
        )
        expect(rows).toEqual(
          orders.map((each) => ({
            ...each,
            note: plainText(each.note),
            tags: each.tags.map(plainText),
            address: each.address && plainAddress(each.address.Address),
            lines: each.lines.map((line) => line.map(plainAddress)),
            any: each.any && {
              long: null,
              string: null,
              Address: null,
              ...each.any,
              ...('Address' in each.any && { Address: plainAddress(each.any.Address) }),
            },
            raw: [...each.raw],
          })),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('finds every damaged or shortened value that its schema does not describe, and never reads outside of it', () => {
    const kind = kindOf('avro', JSON.stringify(flat))
    fc.assert(
      fc.property(order, fc.nat(), fc.uint8Array({ maxLength: 30 }), (value, cut, noise) => {
        const bytes = type.toBuffer(value)
        expect(faultsOf([bytes.subarray(0, cut % bytes.byteLength)], kind)).toHaveLength(1)
        expect(faultsOf([Buffer.concat([bytes, Buffer.of(0)])], kind)).toHaveLength(1)
        // Noise may be a value; then it can be written.
        const values = [noise, bytes].filter((each) => faultsOf([each], kind).length === 0)
        expect(values).toContain(bytes)
      }),
    )
  })

  it('knows logical types, enums, fixed bytes, recursion and records without fields', async () => {
    const schema = {
      type: 'record',
      name: 'All',
      fields: [
        { name: 'day', type: { type: 'int', logicalType: 'date' } },
        { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
        { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 10, scale: 2 } },
        { name: 'uuid', type: { type: 'string', logicalType: 'uuid' } },
        { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
        { name: 'fixed', type: { type: 'fixed', name: 'Three', size: 3 } },
        {
          name: 'tree',
          type: { type: 'record', name: 'Tree', fields: [{ name: 'kids', type: { type: 'array', items: 'Tree' } }] },
        },
        { name: 'empty', type: { type: 'record', name: 'Empty', fields: [] } },
        { name: 'nothing', type: 'null' },
      ],
    }
    const record = {
      day: 20_000,
      at: 1_767_225_600_000_001,
      price: Buffer.of(0xff, 0x38),
      uuid: '123e4567-e89b-12d3-a456-426614174000',
      kind: 'B',
      fixed: Buffer.of(1, 2, 3),
      tree: { kids: [{ kids: [] }] },
      empty: {},
      nothing: null,
    }
    const all = avro.Type.forSchema(schema as unknown as avro.Schema)
    const kind = kindOf('avro', JSON.stringify(schema))
    const rows = await rowsOf([all.toBuffer(record)], { kind })
    expect(rows).toEqual([
      {
        day: '2024-10-04T00:00:00.000Z',
        at: 1_767_225_600_000_001,
        price: -2,
        uuid: record.uuid,
        kind: 'B',
        fixed: [1, 2, 3],
        tree: { kids: [{ kids: [] }] },
        empty: {},
      },
    ])
    const wrong = { ...record, uuid: '123e4567-e89b-12d3-a456-42661417400g' }
    expect(faultsOf([all.toBuffer(wrong), null, all.toBuffer(record)], kind)).toEqual([
      { row: 0, reason: 'the value does not fit its schema: a UUID is none' },
      { row: 1, reason: 'the value is null' },
    ])
  })

  it('keeps longs of 64 bits exact, and refuses longer ones', async () => {
    const ones = Buffer.alloc(9, 0xff)
    const [largest, smallest, tooLong] = [Buffer.of(0xfe, ...ones.subarray(1), 1), Buffer.concat([ones, Buffer.of(1)]), ones]
    const kind = kindOf('avro', '"long"')
    expect(await rowsOf([largest, smallest, Buffer.of(0x80, 0x80, 0x80, 0x80, 0x10)], { kind })).toEqual([
      { value: '9223372036854775807' },
      { value: '-9223372036854775808' },
      { value: 2 ** 31 },
    ])
    expect(faultsOf([Buffer.concat([tooLong, Buffer.of(2)]), tooLong], kind)).toHaveLength(2)
    expect(
      faultsOf([Buffer.of(0x80, 0x80, 0x80, 0x80, 0x10), Buffer.of(0xfe, 0xff, 0xff, 0xff, 0x0f)], kindOf('avro', '"int"')),
    ).toEqual([{ row: 0, reason: 'the value does not fit its schema: an int has more than 32 bits' }])
  })

  it('has a column named value where values are no records, and what is asked for beside it', async () => {
    const values = ['a', 'b'].map((value) => avro.Type.forSchema('string').toBuffer(value))
    const rows = await rowsOf(values, { kind: kindOf('avro', '"string"'), extraColumns: ['position', 'timestamp', 'key'] })
    expect(rows).toEqual([
      { __position: 10, __timestamp: 0, __key: null, value: 'a' },
      { __position: 11, __timestamp: 1_000_000, __key: [107, 49], value: 'b' },
    ])
  })

  it('has all that stands beside values, in the order that is asked for, under names that no field has', async () => {
    const schema = { type: 'record', name: 'R', fields: ['__key', '___key', 'v'].map((name) => ({ name, type: 'string' })) }
    const type = avro.Type.forSchema(schema as avro.Schema)
    const values = Array.from({ length: 2500 }, (_, i) => type.toBuffer({ __key: 'a', ___key: 'b', v: `v${i}` }))
    const headersOf = (i: number) =>
      i % 3 === 0
        ? []
        : Array.from({ length: i % 3 }, (_, at) => ({ name: `h${at}`, value: at === 1 ? null : Uint8Array.of(0xff, i & 255) }))
    const rows = await rowsOf(
      values,
      {
        kind: kindOf('avro', JSON.stringify(schema)),
        extraColumns: ['headers', 'id', 'lane', 'topic', 'key', 'timestamp', 'position'],
      },
      (message) => ({
        ...message,
        headers: headersOf(message.position),
        id: message.position % 2 === 0 ? null : `id ž ${message.position}`,
      }),
    )
    expect(rows).toEqual(
      values.map((_, i) => ({
        __headers: headersOf(10 + i).map(({ name, value }) => ({ name, value: value && [...value] })),
        __id: i % 2 === 0 ? null : `id ž ${10 + i}`,
        __lane: '3',
        __topic: 'orders',
        ____key: i % 2 === 0 ? null : [...Buffer.from(`k${i}`)],
        __timestamp: 1_000_000 * i,
        __position: 10 + i,
        __key: 'a',
        ___key: 'b',
        v: `v${i}`,
      })),
    )
    expect(Object.keys(rows[0] as object).slice(0, 7)).toEqual([
      '__headers',
      '__id',
      '__lane',
      '__topic',
      '____key',
      '__timestamp',
      '__position',
    ])
  })

  it('names ids and names of headers that no column of text can hold, where there are such columns', () => {
    const plain = batchOf([
      { position: 0, timestamp: 0, value: null, id: 'a' },
      { position: 1, timestamp: 0, value: '"x"', headers: [{ name: 'h', value: Uint8Array.of(0xff) }] },
    ])
    const batch = { ...plain, headerNameStart: plain.headerValueStart, headerNameEnd: plain.headerValueEnd }
    const found = (extraColumns: readonly ExtraColumn[]) =>
      segmentFormat('value-parquet').findUnencodable(batch, { extraColumns })
    expect(found(['key'])).toEqual([{ row: 0, reason: 'the value is null' }])
    expect(found(['headers'])).toEqual([
      { row: 0, reason: 'the value is null' },
      { row: 1, reason: 'a header name is not UTF-8' },
    ])
  })

  it.each(['{"type":"record","name":"R"}', '{', '"Unknown"', '{"type":"fixed","name":"F","size":-1}'])('refuses %s', (schema) => {
    expect(() => faultsOf([], kindOf('avro', schema))).toThrow(expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }))
  })
})

describe('value-parquet of JSON', () => {
  const jsonRows = (values: readonly unknown[], options: Options = {}) =>
    rowsOf(
      values.map((value) => JSON.stringify(value)),
      options,
    )

  it.each([
    { because: 'whole numbers stay whole', values: [1, -(2 ** 53) + 1, null], column: [1, -(2 ** 53) + 1, null] },
    { because: 'among others they become numbers', values: [1, 1.5], column: [1, 1.5] },
    { because: 'beside text they become text', values: [1, 'a', 2.5], column: ['1', 'a', '2.5'] },
    { because: 'what mixes otherwise is JSON', values: [true, 'a', [1], { b: null }], column: [true, 'a', [1], { b: null }] },
    { because: 'lists hold what their items are', values: [[1], [], [2.5, null]], column: [[1], [], [2.5, null]] },
    {
      because: 'objects hold what their fields are',
      values: [{ b: 1 }, { c: 'x' }, {}],
      column: [
        { b: 1, c: null },
        { b: null, c: 'x' },
        { b: null, c: null },
      ],
    },
  ])('$because', async ({ values, column }) => {
    expect(await jsonRows(values.map((a) => ({ a })))).toEqual(column.map((a) => ({ a })))
  })

  it('keeps whole numbers of 64 bits exact', async () => {
    const rows = await rowsOf(['{"a":9223372036854775807}', '{"a":-9223372036854775808}', '{"a":1}'])
    expect(rows).toEqual([{ a: '9223372036854775807' }, { a: '-9223372036854775808' }, { a: 1 }])
  })

  it('takes values that are no objects, and null, as a column named value', async () => {
    expect(await jsonRows([1, null, 2])).toEqual([{ value: 1 }, { value: null }, { value: 2 }])
    expect(await jsonRows([1, { a: 1 }])).toEqual([{ value: 1 }, { value: { a: 1 } }])
    expect(await jsonRows([null])).toEqual([{ value: null }])
  })

  it('finds what is no JSON, and no UTF-8', () => {
    expect(faultsOf(['{}', '{', Uint8Array.of(0x22, 0xff, 0x22)]).map(({ row }) => row)).toEqual([1, 2])
  })

  it('gives whatever objects back', async () => {
    const scalar = fc.oneof(
      fc.integer(),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    )
    const object = fc.dictionary(
      fc.constantFrom('a', 'b', '__proto__x', 'ü'),
      fc.oneof(scalar, fc.array(scalar, { maxLength: 3 })),
      { noNullPrototype: true },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(object, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 16, max: 4096 }),
        async (values, blockBytes) => {
          const batch = batchOf(messagesOf(values.map((value) => JSON.stringify(value))))
          const rules = segmentFormat('value-parquet')
          const encoder = rules.createEncoder({ codec: 'null', lookups: [], blockBytes })
          const blocks = await Promise.all([...encoder.add(batch), ...[encoder.flush() ?? []].flat()])
          expect(blocks.reduce((sum, { count }) => sum + count, 0)).toBe(values.length)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('writes what its schema describes, and the rest as JSON', async () => {
    const schema = {
      $defs: { point: { type: 'object', properties: { x: { type: 'number' } }, additionalProperties: false } },
      type: 'object',
      properties: {
        id: { type: 'integer' },
        at: { $ref: '#/$defs/point' },
        names: { type: ['array', 'null'], items: { type: 'string' } },
        counts: { type: 'object', additionalProperties: { type: 'integer' } },
        choice: { oneOf: [{ type: 'string' }, { type: 'integer' }] },
        perhaps: { oneOf: [{ type: 'null' }, { type: 'boolean' }] },
      },
    }
    const kind = kindOf('json-schema', JSON.stringify(schema))
    const one = { id: 1, at: { x: 0.5 }, names: ['a'], counts: { b: 2 }, choice: 3, perhaps: true, more: [1], other: 'x' }
    const none = { at: null, names: null, id: null, counts: null, choice: null, perhaps: null, __rest: null }
    const { more, other, ...known } = one
    expect(await jsonRows([one, {}, { names: [] }], { kind })).toEqual([
      { ...known, __rest: { more, other } },
      none,
      { ...none, names: [] },
    ])
    const wrong = [{ id: 'x' }, { id: 1.5 }, { at: { y: 1 } }, { names: 'a' }, { counts: { a: 'b' } }, []]
    expect(
      faultsOf(
        wrong.map((value) => JSON.stringify(value)),
        kind,
      ).map(({ row }) => row),
    ).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('begins another file where values look different from those before', async () => {
    const rules = segmentFormat('value-parquet')
    const encoder = rules.createEncoder({ codec: 'null', lookups: [], blockBytes: 200 })
    const values = Array.from({ length: 3000 }, (_, i) => JSON.stringify(i < 2048 ? { a: i } : { a: i + 0.5, b: 'new' }))
    const made = encoder.add(batchOf(messagesOf(values)))
    const blocks = await Promise.all([...made, ...[encoder.flush() ?? []].flat()])
    const schemas = blocks.map((block) => ('rowGroup' in block ? block.rowGroup.schema.map(({ name }) => name).join(' ') : ''))
    expect(new Set(schemas)).toEqual(new Set(['a', 'a b']))
    expect(schemas).toEqual(schemas.toSorted())
    expect(blocks.reduce((sum, { count }) => sum + count, 0)).toBe(3000)
  })
})

describe('value-parquet of Protobuf', () => {
  const schema = `
    syntax = "proto3";
    // A comment; with = signs { and braces }
    package com.acme;
    import "google/protobuf/timestamp.proto";
    option java_package = "com.acme";
    message Other { string x = 1; }
    message Order {
      enum Status { option allow_alias = true; NEW = 0; PAID = 1; ALSO_PAID = 1; }
      message Line { string sku = 1; double price = 2 [deprecated = true]; optional uint32 count = 3; }
      reserved 99, 100 to 110;
      int64 id = 1;
      string name = 2;
      Status status = 3;
      repeated Line lines = 4;
      repeated sint32 codes = 5;
      map<string, int32> counts = 6;
      map<int32, .com.acme.Order.Line> byNumber = 7;
      oneof choice { string text = 8; bytes raw = 9; Other other = 10; }
      bool paid = 11;
      float share = 12;
      uint64 big = 13;
      fixed32 fix = 14;
      sfixed64 sfix = 15;
      google.protobuf.Timestamp at = 16;
      Order parent = 17;
      optional int32 maybe = 18;
    }`
  const known = 'syntax = "proto3"; package google.protobuf; message Timestamp { int64 seconds = 1; int32 nanos = 2; }'
  const root = new protobuf.Root()
  protobuf.parse(known, root)
  protobuf.parse(schema, root)
  const Order = root.lookupType('com.acme.Order')
  const kind = kindOf('protobuf', schema, 'com.acme.Order')
  const encode = (value: object) => Order.encode(Order.fromObject(value)).finish()

  const line = fc.record({ sku: fc.string(), price: fc.double({ noNaN: true }), count: fc.integer({ min: 0, max: 2 ** 31 - 1 }) })
  const order = fc.record({
    id: fc.maxSafeInteger(),
    name: fc.string({ unit: 'binary' }),
    status: fc.constantFrom('NEW', 'PAID'),
    lines: fc.array(line, { maxLength: 3 }),
    codes: fc.array(fc.integer(), { maxLength: 4 }),
    counts: fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), fc.integer(), { maxKeys: 3, noNullPrototype: true }),
    byNumber: fc.dictionary(fc.integer({ min: 0, max: 9 }).map(String), line, { maxKeys: 2, noNullPrototype: true }),
    paid: fc.boolean(),
    share: fc.float({ noNaN: true }),
    big: fc.nat(),
    fix: fc.nat(),
    sfix: fc.integer(),
    at: fc.option(fc.record({ seconds: fc.integer(), nanos: fc.nat(999_999_999) })),
    maybe: fc.option(fc.integer()),
  })

  it('has the fields of whatever messages as columns, with the defaults of what was not written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(order, { minLength: 1, maxLength: 10 }), async (orders) => {
        const values = orders.map(({ at, maybe, ...rest }) =>
          encode({ ...rest, ...(at && { at }), ...(maybe !== null && { maybe }) }),
        )
        const rows = await rowsOf(values, { kind })
        expect(rows).toEqual(orders.map((each) => ({ ...each, text: null, raw: null, other: null, parent: null })))
      }),
      { numRuns: 50 },
    )
  })

  it('has one of several fields, itself as JSON, and goes over what it does not know', async () => {
    const nothing = {
      id: 0,
      name: '',
      status: 'NEW',
      lines: [],
      codes: [],
      counts: {},
      byNumber: {},
      paid: false,
      share: 0,
      big: 0,
      fix: 0,
      sfix: 0,
    }
    const absent = { text: null, raw: null, other: null, at: null, parent: null, maybe: null }
    const unknown = Buffer.of(...encode({ raw: Buffer.of(1, 2) }), 0xf8, 0x07, 0x05)
    const rows = await rowsOf(
      [encode({ text: '' }), unknown, encode({ other: { x: 'y' }, parent: { id: 7, raw: Buffer.of(255) } })],
      { kind },
    )
    expect(rows).toEqual([
      { ...nothing, ...absent, text: '' },
      { ...nothing, ...absent, raw: [1, 2] },
      { ...nothing, ...absent, other: { x: 'y' }, parent: expect.objectContaining({ id: 7, raw: '/w==', lines: [] }) },
    ])
  })

  it('finds values that are no such message', () => {
    const bytes = encode({ id: 1, name: 'name', lines: [{ sku: 'a' }] })
    expect(
      faultsOf([bytes, bytes.subarray(0, -1), Buffer.of(0x12, 1, 0xff), Buffer.of(0x0a, 0), Buffer.of(0x0f)], kind),
    ).toHaveLength(4)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => void faultsOf([noise], kind)))
  })

  it.each(['message A { B b = 1; }', 'message A { string b }', 'message A {', ''])('refuses %s', (text) => {
    expect(() => faultsOf([], kindOf('protobuf', text, 'A'))).toThrow(expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }))
  })
})
