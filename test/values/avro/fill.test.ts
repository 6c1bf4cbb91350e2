import avro from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fillReferences } from '../../../src/values/avro/fill.ts'
import { parseAvroSchema } from '../../../src/values/avro/schema.ts'
import { schemaArbitrary } from './arbitrary-schema.ts'

type Json = Record<string, unknown>
const isNamed = (type: unknown): type is Json & { name: string; namespace?: string } =>
  typeof type === 'object' && type !== null && ['record', 'enum', 'fixed'].includes(String((type as Json)['type']))

/** Takes the named types out of a schema, as if each were registered under a subject of its own; the most basic come first. */
function takeApart(schema: unknown, namespace: string, known: string[], isRoot = true): unknown {
  if (Array.isArray(schema)) return schema.map((one) => takeApart(one, namespace, known, false))
  if (typeof schema !== 'object' || schema === null) return schema
  const type = { ...(schema as Json) }
  const own = isNamed(type) ? (type.namespace ?? namespace) : namespace
  for (const key of ['items', 'values']) if (key in type) type[key] = takeApart(type[key], own, known, false)
  if (Array.isArray(type['fields'])) {
    type['fields'] = (type['fields'] as Json[]).map((field) => ({ ...field, type: takeApart(field['type'], own, known, false) }))
  }
  if (!isNamed(type) || isRoot) return type
  known.push(JSON.stringify({ ...type, namespace: own }))
  return own === '' ? type.name : `${own}.${type.name}`
}

const typeOf = (text: string) => avro.Type.forSchema(JSON.parse(text) as avro.Schema, { wrapUnions: false })

describe('fillReferences', () => {
  it('puts together again what was taken apart, for any schema', () => {
    let parts = 0
    fc.assert(
      fc.property(schemaArbitrary, ({ schema }) => {
        const known: string[] = []
        const text = JSON.stringify(takeApart(schema, '', known))
        parts += known.length
        const filled = fillReferences(text, known)
        expect(parseAvroSchema(filled)).toEqual(parseAvroSchema(JSON.stringify(schema)))
        expect(parseAvroSchema(text, known)).toEqual(parseAvroSchema(JSON.stringify(schema)))
        expect(typeOf(filled).fingerprint()).toEqual(typeOf(JSON.stringify(schema)).fingerprint())
      }),
      { numRuns: 150 },
    )
    expect(parts).toBeGreaterThan(100)
  })

  it('defines what is used twice where it is used first, and leaves what nothing uses', () => {
    const known = ['{"type":"enum","name":"x.E","symbols":["A"]}', '{"type":"fixed","name":"x.F","size":1}']
    const record = { type: 'record', name: 'R', fields: ['a', 'b'].map((name) => ({ name, type: 'x.E' })) }
    const filled = JSON.parse(fillReferences(JSON.stringify(record), known)) as typeof record
    expect(filled.fields).toEqual([
      { name: 'a', type: { type: 'enum', name: 'x.E', symbols: ['A'] } },
      { name: 'b', type: 'x.E' },
    ])
  })

  it('keeps the text as it is where nothing is referred to', () => {
    expect(fillReferences('{ "type" : "string" }', [])).toBe('{ "type" : "string" }')
    expect(JSON.parse(fillReferences('string', []))).toBe('string')
  })
})
