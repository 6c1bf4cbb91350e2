import * as avro from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../../src/batch/builder.ts'
import type { ExtraColumn } from '../../../src/encode/format-options.ts'
import { segmentFormat } from '../../../src/encode/formats.ts'
import { faultsOf, kindOf, rowsOf } from './scene.ts'

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
