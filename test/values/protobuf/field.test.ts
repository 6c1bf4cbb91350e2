import * as fc from 'fast-check'
import protobuf from 'protobufjs'
import { describe, expect, it } from 'vitest'
import type { MillpondError } from '../../../src/errors.ts'
import { createProtobufFieldReader } from '../../../src/values/protobuf/field.ts'
import { parseProtobufSchema } from '../../../src/values/protobuf/schema.ts'
import { checkMessage } from '../../../src/values/protobuf/walk.ts'
import { ProtobufCursor } from '../../../src/values/protobuf/wire.ts'
import type { FieldValue, NamedText } from '../../../src/values/values.ts'

const messageOf = async (text: string, imports: readonly NamedText[] = [], path = [0]) => {
  const message = (await parseProtobufSchema(text, imports)).message(path)
  if (message === undefined) throw new Error('no such message')
  return message
}
type Message = Awaited<ReturnType<typeof messageOf>>

function cursorOf(bytes: Uint8Array, before = 0) {
  const cursor = new ProtobufCursor()
  cursor.open(Uint8Array.of(...new Uint8Array(before).fill(0xff), ...bytes, 0xff), before, before + bytes.byteLength)
  return cursor
}
const read = (message: Message, name: string, bytes: Uint8Array): FieldValue =>
  createProtobufFieldReader(message, name)(cursorOf(bytes, 3))
const check = (message: Message, bytes: Uint8Array) => checkMessage(message, cursorOf(bytes, 3))

const everything = `
syntax = "proto3";
package acme;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message Everything {
  double double = 1; float float = 2; int32 int32 = 3; int64 int64 = 4; uint32 uint32 = 5; uint64 uint64 = 6;
  sint32 sint32 = 7; sint64 sint64 = 8; fixed32 fixed32 = 9; fixed64 fixed64 = 10; sfixed32 sfixed32 = 11; sfixed64 sfixed64 = 12;
  bool bool = 13; string string = 14; bytes bytes = 15;
  enum Color { RED = 0; GREEN = 1; }
  Color color = 16;
  message Inner { int32 number = 1; Inner inner = 2; map<string, int64> counts = 3; }
  Inner inner = 17;
  repeated int32 numbers = 18;
  map<string, Inner> by_name = 19;
  oneof choice { int32 first = 20; string second = 21; Inner third = 22; }
  optional int32 maybe = 23;
  google.protobuf.Timestamp at = 24;
  google.protobuf.Int64Value wrapped = 25;
  int32 metric_date = 26;
}`

describe('a field of a Protobuf message', async () => {
  const message = await messageOf(everything)
  const type = protobuf.parse(everything.replaceAll(/import .*/gu, ''), new protobuf.Root(), { keepCase: true })
  const root = type.root
  for (const name of ['timestamp', 'wrappers']) root.addJSON(protobuf.common.get(`google/protobuf/${name}.proto`)!.nested!)
  const library = root.lookupType('acme.Everything')
  const inner = fc.letrec<{ inner: object }>((tie) => ({
    inner: fc.record(
      {
        number: fc.integer(),
        inner: fc.option(tie('inner'), { nil: null, maxDepth: 2 }),
        counts: fc.dictionary(fc.constantFrom('a', 'b', ''), fc.nat(), { maxKeys: 3 }),
      },
      { requiredKeys: [] },
    ),
  })).inner
  const longs = fc.oneof(fc.maxSafeInteger(), fc.integer())
  const content = fc.record(
    {
      double: fc.double({ noNaN: true }),
      float: fc.float({ noNaN: true }),
      int32: fc.integer(),
      int64: longs,
      uint32: fc.nat().map((any) => any * 2),
      uint64: fc.maxSafeNat(),
      sint32: fc.integer(),
      sint64: longs,
      fixed32: fc.nat(),
      fixed64: fc.maxSafeNat(),
      sfixed32: fc.integer(),
      sfixed64: longs,
      bool: fc.boolean(),
      string: fc.string({ unit: 'grapheme' }),
      bytes: fc.uint8Array({ maxLength: 9 }),
      color: fc.nat(1),
      inner,
      numbers: fc.array(fc.integer(), { maxLength: 5 }),
      by_name: fc.dictionary(fc.constantFrom('a', 'b'), inner),
      second: fc.string({ unit: 'grapheme' }),
      maybe: fc.integer(),
      wrapped: fc.record({ value: longs }),
    },
    { requiredKeys: [] },
  )
  const paths =
    'double float int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 bool string color second maybe ' +
    'inner.number inner.inner.number inner.counts.a by_name.a.number'
  const fieldOf = (decoded: unknown, name: string): unknown => {
    let value = decoded
    for (const part of name.split('.')) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
      value = (value as Record<string, unknown>)[part]
    }
    return value ?? undefined
  }

  it('is what decoding all of it gives, and the whole passes the check', () => {
    fc.assert(
      fc.property(content, (fields) => {
        const bytes = library.encode(library.fromObject(fields)).finish()
        check(message, bytes)
        const decoded: unknown = library.toObject(library.decode(bytes), { longs: Number, enums: String, defaults: true })
        const present: unknown = library.toObject(library.decode(bytes), { longs: Number, enums: String })
        for (const path of paths.split(' ')) {
          // Defaults of messages in messages are known where the message is there.
          const expected =
            path === 'maybe' || path === 'second' || path.includes('.') ? fieldOf(present, path) : fieldOf(decoded, path)
          const isZeroOfThere =
            expected === undefined && path.endsWith('number') && fieldOf(present, path.replace(/\.number$/u, '')) !== undefined
          expect([path, read(message, path, bytes)]).toEqual([path, isZeroOfThere ? 0 : expected])
        }
        for (const path of ['bytes', 'inner', 'numbers', 'by_name', 'by_name.a', 'nothing', 'int32.a'])
          expect(read(message, path, bytes)).toBeUndefined()
      }),
      { numRuns: 100 },
    )
  })

  const bytesOf = (...bytes: number[]) => Uint8Array.from(bytes)
  const encode = (fields: object) => library.encode(library.fromObject(fields)).finish()
  it.each([
    { what: 'the last of several', name: 'int32', bytes: bytesOf(24, 1, 24, 2), is: 2 },
    {
      what: 'put together of the pieces of a message',
      name: 'inner.number',
      bytes: bytesOf(0x8a, 1, 2, 8, 5, 0x8a, 1, 2, 18, 0),
      is: 5,
    },
    { what: 'gone where another of its oneof follows', name: 'first', bytes: bytesOf(0xa0, 1, 7, 0xaa, 1, 0), is: undefined },
    { what: 'there where it follows another of its oneof', name: 'second', bytes: bytesOf(0xa0, 1, 7, 0xaa, 1, 1, 65), is: 'A' },
    { what: 'not one of another wire type', name: 'int32', bytes: bytesOf(29, 1, 0, 0, 0), is: 0 },
    { what: 'a number of an enum that has no name', name: 'color', bytes: bytesOf(0x80, 1, 9), is: 9 },
    { what: 'negative in ten bytes', name: 'int32', bytes: bytesOf(24, ...Array.from({ length: 9 }, () => 0xff), 1), is: -1 },
    {
      what: 'a bigint past 2^53',
      name: 'uint64',
      bytes: bytesOf(48, ...Array.from({ length: 9 }, () => 0xff), 1),
      is: 2n ** 64n - 1n,
    },
    {
      what: 'an instant in ms',
      name: 'at',
      bytes: encode({ at: { seconds: 1515024000, nanos: 123_999_999 } }),
      is: 1515024000123,
    },
    { what: 'an instant before 1970', name: 'at', bytes: encode({ at: { seconds: -1, nanos: 1 } }), is: -1000 },
    { what: 'a wrapped value', name: 'wrapped', bytes: encode({ wrapped: { value: 0 } }), is: 0 },
    { what: 'no value in its wrapping', name: 'wrapped', bytes: encode({}), is: undefined },
    { what: 'found by its JSON name', name: 'metricDate', bytes: encode({ metric_date: 5 }), is: 5 },
    { what: 'zero in an entry that says none', name: 'inner.counts.a', bytes: bytesOf(0x8a, 1, 5, 26, 3, 10, 1, 97), is: 0 },
  ])('is $what: $is', ({ name, bytes, is }) => {
    check(message, bytes)
    expect(read(message, name, bytes)).toBe(is)
  })

  it.each([
    { what: 'a number that does not end', bytes: bytesOf(24, 0x80) },
    { what: 'a number of eleven bytes', bytes: bytesOf(24, ...Array.from({ length: 11 }, () => 0x80), 0) },
    { what: 'a field of number 0', bytes: bytesOf(0, 1) },
    { what: 'a wire type that there is not', bytes: bytesOf(31, 1) },
    { what: 'a length past the end', bytes: bytesOf(0x72, 5, 65) },
    { what: 'text that is not UTF-8', bytes: bytesOf(0x72, 1, 0xff) },
    { what: 'a group that does not end', bytes: bytesOf(0xfb, 1, 8, 1) },
    { what: 'the end of a group that did not begin', bytes: bytesOf(28) },
    { what: 'a message within that ends too early', bytes: bytesOf(0x8a, 1, 1, 8) },
  ])('is refused with its message: $what', ({ bytes }) => {
    expect(() => check(message, bytes)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
  })

  it('ends for any bytes', () => {
    const codeOf = (act: () => unknown): unknown => {
      try {
        act()
        return 'INPUT_INVALID'
      } catch (error) {
        return (error as MillpondError).code
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const reads = paths.split(' ').map((path) => () => read(message, path, bytes))
        for (const act of [() => check(message, bytes), ...reads]) expect(codeOf(act)).toBe('INPUT_INVALID')
      }),
      { numRuns: 150 },
    )
  })
})

describe('parseProtobufSchema', () => {
  it('knows defaults and groups of proto2', async () => {
    const message = await messageOf(`syntax = "proto2";
      message Old { optional int32 number = 1 [default = 7]; optional string text = 2 [default = "x"]; optional int32 none = 3;
        optional bool yes = 4 [default = true]; enum E { A = 0; B = 5; } optional E e = 5 [default = B];
        optional group Part = 6 { optional string name = 1; } required int32 must = 8; }
      message Other { }`)
    const bytes = Uint8Array.of(51, 10, 1, 65, 52, 64, 1)
    check(message, bytes)
    const names = ['number', 'text', 'none', 'yes', 'e', 'must']
    expect(names.map((name) => read(message, name, bytes))).toEqual([7, 'x', undefined, true, 'B', 1])
    expect((await messageOf('syntax = "proto2"; message A {} message B {}', [], [1])).name).toBe('B')
  })
  it('reads what a file imports, and what those do', async () => {
    const message = await messageOf(
      `syntax = "proto3"; package a; import "b.proto"; import "google/protobuf/descriptor.proto"; import "confluent/meta.proto";
       import "confluent/type/decimal.proto"; import "google/type/date.proto";
       extend google.protobuf.FieldOptions { string note = 50001; }
       message A { b.B b = 1 [(note) = "x"]; confluent.type.Decimal price = 2; google.type.Date day = 3; }`,
      [
        { name: 'c.proto', text: 'syntax = "proto3"; package a; message C { string c = 1; }' },
        { name: 'b.proto', text: 'syntax = "proto3"; package b; import "c.proto"; message B { a.C c = 1; }' },
      ],
    )
    const bytes = Uint8Array.of(10, 5, 10, 3, 10, 1, 67, 18, 6, 10, 2, 0xff, 0x7b, 24, 2, 26, 7, 8, 0xe2, 15, 16, 1, 24, 4)
    check(message, bytes)
    expect(['b.c.c', 'price', 'day'].map((name) => read(message, name, bytes))).toEqual(['C', '-1.33', '2018-01-04'])
  })
  it.each([
    ['message {', ''],
    ['syntax = "proto3"; message A { Unknown a = 1; }', 'Unknown'],
  ])('refuses %s', async (text, reason) => {
    await expect(parseProtobufSchema(text, [])).rejects.toEqual(
      expect.objectContaining({ code: 'SCHEMA_INVALID', message: expect.stringContaining(reason) as string }),
    )
  })
})
