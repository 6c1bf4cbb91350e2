import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MillpondError } from '../../src/errors.ts'
import {
  type ArchivedSchema,
  decodeSchema,
  encodeSchema,
  parseSchemaKey,
  schemaIdentity,
  schemaKey,
} from '../../src/schemas/archived-schema.ts'

const guid = '0f8fad5b-d9cb-469f-a165-70867728950e'
const text = fc.string({ unit: 'grapheme' })
const version = fc.integer({ min: 1, max: 1000 })
const schemaArbitrary: fc.Arbitrary<ArchivedSchema> = fc.record({
  id: fc.option(fc.nat(), { nil: undefined }),
  guid: fc.option(fc.constant(guid), { nil: undefined }),
  subjects: fc.array(fc.record({ subject: text, version })),
  type: fc.constantFrom('avro', 'json-schema', 'protobuf'),
  text,
  references: fc.array(fc.record({ name: text, subject: text, version, id: fc.nat() })),
})

const outcomeOf = (bytes: Uint8Array): unknown => {
  try {
    return decodeSchema('key', bytes)
  } catch (error) {
    return (error as MillpondError).code
  }
}

describe('an archived schema', () => {
  it('comes back as it was, and not where a byte of it has changed', () => {
    fc.assert(
      fc.property(schemaArbitrary, fc.nat(), fc.integer({ min: 1, max: 255 }), (schema, at, change) => {
        const bytes = encodeSchema(schema)
        expect(decodeSchema('key', bytes)).toEqual(schema)
        const damaged = Uint8Array.from(bytes)
        damaged[at % damaged.length]! ^= change
        // White space, and another way to write the same character, change nothing.
        expect([schema, 'SCHEMA_DAMAGED']).toContainEqual(outcomeOf(damaged))
      }),
    )
  })

  it('says so where a later version wrote it', () => {
    expect(() => decodeSchema('key', Buffer.from('[]'))).toThrow(expect.objectContaining({ code: 'SCHEMA_DAMAGED' }))
  })

  const schema: ArchivedSchema = { id: 7, guid, subjects: [], type: 'avro', text: '"int"', references: [] }
  it.each([
    { key: schemaKey('orders', 7), is: '_millpond/orders/_schemas/7.json', name: 7 },
    { key: schemaKey('a/b', 4_294_967_295), is: '_millpond/a%2Fb/_schemas/4294967295.json', name: 4_294_967_295 },
    { key: schemaKey('orders', guid), is: `_millpond/orders/_schemas/${guid}.json`, name: guid },
    {
      key: schemaKey('orders', 7, schema),
      is: `_millpond/orders/_schemas/7-${schemaIdentity(schema).slice(0, 16)}.json`,
      name: 7,
    },
  ])('lies under $is', ({ key, is, name }) => {
    expect([key, parseSchemaKey(key)]).toEqual([is, name])
  })
  it.each(['_millpond/orders/0/7.json', '_millpond/orders/_schemas/x.json', '_millpond/orders/_schemas/7.avro'])(
    'does not lie under %s',
    (key) => {
      expect(parseSchemaKey(key)).toBeUndefined()
    },
  )

  it('is the same wherever it is registered, and another with another text', () => {
    expect(schemaIdentity({ ...schema, id: 8, guid: undefined, subjects: [{ subject: 's', version: 1 }] })).toBe(
      schemaIdentity(schema),
    )
    expect(schemaIdentity({ ...schema, text: '"long"' })).not.toBe(schemaIdentity(schema))
  })
})
