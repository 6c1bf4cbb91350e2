import * as fc from 'fast-check'
import protobuf from 'protobufjs'
import { describe, expect, it } from 'vitest'
import { compileSchema } from '../../../src/values/compiled-kind.ts'
import type { NamedText } from '../../../src/values/values.ts'
import { faultsOf, kindOf, rowsOf } from './scene.ts'

/** The kind of the message at `path` of a Protobuf schema. */
async function messageKind(text: string, path: readonly number[] = [0], references: readonly NamedText[] = []) {
  const compiled = await compileSchema({ type: 'protobuf', text, references })
  const message = compiled.type === 'protobuf' ? compiled.message(path) : undefined
  if (message === undefined) throw new Error(`there is no message ${path.join('.')}`)
  return message.kind
}

describe('value-parquet of Protobuf', async () => {
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
  const kind = await messageKind(schema, [1])
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

  it('knows what a schema imports, and calls fields by the names of the schema', async () => {
    const text = `
      syntax = "proto3";
      import "acme/line.proto";
      import "google/protobuf/struct.proto";
      message Order { acme.Line first_line = 1; google.protobuf.Value more = 2; }`
    const line = 'syntax = "proto3"; package acme; message Line { string sku = 1; }'
    const imports = new protobuf.Root()
    protobuf.parse(line, imports)
    imports.addJSON(protobuf.common.get('google/protobuf/struct.proto')!.nested!)
    const type = protobuf.parse(text, imports, { keepCase: true }).root.lookupType('Order')
    const value = type.encode(type.fromObject({ first_line: { sku: 'a' }, more: { numberValue: 2 } })).finish()
    const withImports = await messageKind(text, [0], [{ name: 'acme/line.proto', text: line }])
    const more = { null_value: null, number_value: 2, string_value: null, bool_value: null, struct_value: null, list_value: null }
    expect(await rowsOf([value], { kind: withImports })).toEqual([{ first_line: { sku: 'a' }, more }])
  })

  it('has no columns for extensions, and goes over what values have of them', async () => {
    const text =
      'syntax = "proto2"; message A { optional int32 a = 1; extensions 100 to 200; extend A { optional int32 b = 100; } }'
    const extended = await messageKind(text)
    expect(await rowsOf([Buffer.of(8, 1, 0xa0, 6, 2)], { kind: extended })).toEqual([{ a: 1 }])
  })

  it('finds numbers, lengths and indexes of fields that are out of all bounds', () => {
    const tooLong = Buffer.of(0x12, 0x81, 0x80, 0x80, 0x80, 0x10, 0x41)
    const tooHigh = Buffer.of(0x88, 0x80, 0x80, 0x80, 0x10, 1)
    expect(faultsOf([tooLong, tooHigh, Buffer.of(0, 1)], kind).map(({ row }) => row)).toEqual([0, 1, 2])
  })

  it('refuses groups, and a schema that was not read', async () => {
    const grouped = await messageKind('syntax = "proto2"; message A { optional group B = 1 { optional int32 c = 2; } }')
    const unread = kindOf('protobuf', 'syntax = "proto3"; message A { int32 a = 1; }', 'A')
    for (const refused of [grouped, unread])
      expect(() => faultsOf([], refused)).toThrow(expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }))
  })
})
