/**
 * Files that schemas import without the registry having them, as the library's JSON: of Google's only what their fields need, of Confluent's what
 * its serializers bring along. Source: googleapis `google/type/date.proto`, Confluent's `confluent/type/decimal.proto`, read 2026-11.
 */
const field = (type: string, id: number) => ({ type, id })

const OPTIONS = [
  'FileOptions',
  'MessageOptions',
  'FieldOptions',
  'OneofOptions',
  'EnumOptions',
  'EnumValueOptions',
  'ServiceOptions',
  'MethodOptions',
]

const within = (names: readonly string[], nested: object): object =>
  names.reduceRight((inner, name) => ({ [name]: { nested: inner } }), nested)

/** By the name under which a file is imported. */
export const builtIn: Readonly<Record<string, object>> = {
  // What schemas add to these says something of the schema, nothing of the values.
  'google/protobuf/descriptor.proto': within(
    ['google', 'protobuf'],
    Object.fromEntries(OPTIONS.map((name) => [name, { fields: {}, extensions: [[1000, 536_870_911]] }])),
  ),
  'google/type/date.proto': within(['google', 'type'], {
    Date: { fields: { year: field('int32', 1), month: field('int32', 2), day: field('int32', 3) } },
  }),
  'confluent/type/decimal.proto': within(['confluent', 'type'], {
    Decimal: { fields: { value: field('bytes', 1), precision: field('uint32', 2), scale: field('int32', 3) } },
  }),
}
