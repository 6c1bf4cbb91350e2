import { describe, expect, it } from 'vitest'
import { firstColumns, mergeColumns, NO_ID, sameSchema } from '../../src/iceberg/evolve.ts'
import type { Field, FieldType } from '../../src/iceberg/schema.ts'

const field = (name: string, type: FieldType, { id = NO_ID, required = false } = {}): Field => ({ id, name, required, type })
const list = (element: FieldType, id = NO_ID): FieldType => ({
  type: 'list',
  'element-id': id,
  element,
  'element-required': true,
})
const map = (key: FieldType, value: FieldType, [keyId, valueId] = [NO_ID, NO_ID]): FieldType => ({
  type: 'map',
  'key-id': keyId,
  key,
  'value-id': valueId,
  value,
  'value-required': false,
})
const struct = (...fields: readonly Field[]): FieldType => ({ type: 'struct', fields })

describe('firstColumns', () => {
  it('counts ids where files have none, in every depth', () => {
    const fields = [
      field('a', 'int', { required: true }),
      field('b', list(struct(field('c', 'string')))),
      field('d', map('string', 'long')),
    ]
    expect(firstColumns(fields)).toEqual({
      fields: [
        field('a', 'int', { id: 1, required: true }),
        field('b', list(struct(field('c', 'string', { id: 4 })), 3), { id: 2 }),
        field('d', map('string', 'long', [6, 7]), { id: 5 }),
      ],
      lastColumnId: 7,
    })
  })
  it('keeps the ids that files have', () => {
    expect(firstColumns([field('a', 'int', { id: 7 }), field('b', 'int', { id: 3 }), field('c', 'int')])).toEqual({
      fields: [field('a', 'int', { id: 7 }), field('b', 'int', { id: 3 }), field('c', 'int', { id: 8 })],
      lastColumnId: 8,
    })
  })
})

describe('mergeColumns', () => {
  const table = firstColumns([
    field('id', 'int', { required: true }),
    field('ratio', 'float'),
    field('price', 'decimal(9, 2)'),
    field('place', struct(field('city', 'string', { required: true }))),
    field('tags', list('int')),
    field('counts', map('string', 'int')),
  ])
  const unchanged = [
    field('id', 'int', { required: true }),
    field('ratio', 'float'),
    field('price', 'decimal(09, 2)'),
    field('place', struct(field('city', 'string', { required: true }))),
    field('tags', list('int')),
    field('counts', map('string', 'int')),
  ]
  const replaced = (...fields: readonly Field[]) => unchanged.map((one) => fields.find(({ name }) => name === one.name) ?? one)
  const typeOf = (name: string, fields: readonly Field[]) => fields.find((one) => one.name === name)

  it('gives the very same where nothing is new', () => {
    expect(mergeColumns(table, unchanged)).toBe(table)
    expect(mergeColumns(table, table.fields)).toBe(table)
    expect(sameSchema([{ type: 'struct', 'schema-id': 4, fields: table.fields }], table.fields)?.['schema-id']).toBe(4)
  })

  it.each([
    {
      what: 'int to long',
      change: field('id', 'long', { required: true }),
      becomes: field('id', 'long', { id: 1, required: true }),
    },
    { what: 'float to double', change: field('ratio', 'double'), becomes: field('ratio', 'double', { id: 2 }) },
    { what: 'a wider decimal', change: field('price', 'decimal(20, 2)'), becomes: field('price', 'decimal(20, 2)', { id: 3 }) },
    { what: 'optional', change: field('id', 'int'), becomes: field('id', 'int', { id: 1 }) },
    {
      what: 'a field of a struct',
      change: field('place', struct(field('city', 'string', { required: true }), field('zip', 'int', { required: true }))),
      becomes: field('place', struct(field('city', 'string', { id: 5, required: true }), field('zip', 'int', { id: 10 })), {
        id: 4,
      }),
    },
    { what: 'longer elements', change: field('tags', list('long')), becomes: field('tags', list('long', 7), { id: 6 }) },
    {
      what: 'longer values',
      change: field('counts', map('string', 'long')),
      becomes: field('counts', map('string', 'long', [9, 10]), { id: 8 }),
    },
  ])('takes $what', ({ change, becomes }) => {
    const first = mergeColumns(table, unchanged)
    const merged = mergeColumns(first, replaced(change))
    const found = typeOf(change.name, merged.fields)
    expect(JSON.stringify(found).replaceAll(/"(?:[a-z]+-)?id":\d+/gu, '')).toBe(
      JSON.stringify(becomes).replaceAll(/"(?:[a-z]+-)?id":\d+/gu, ''),
    )
    expect(found?.id).toBe(typeOf(change.name, table.fields)?.id)
    expect(merged.lastColumnId).toBeGreaterThanOrEqual(table.lastColumnId)
  })

  it('stays wide for files that are narrow', () => {
    const wide = mergeColumns(table, replaced(field('id', 'long', { required: true }), field('ratio', 'double')))
    expect(mergeColumns(wide, unchanged)).toBe(wide)
  })

  it('adds columns as optional behind the others, and makes optional what a file lacks', () => {
    const merged = mergeColumns(table, [field('new', 'string', { required: true }), ...unchanged.slice(1)])
    expect(merged.fields[0]).toEqual(field('id', 'int', { id: 1 }))
    expect(merged.fields.at(-1)).toEqual(field('new', 'string', { id: table.lastColumnId + 1 }))
  })

  it.each([
    { what: 'text for a number', change: field('id', 'string') },
    { what: 'another scale', change: field('price', 'decimal(9, 3)') },
    { what: 'a struct for a number', change: field('id', struct(field('x', 'int'))) },
    { what: 'a map for a list', change: field('tags', map('string', 'int')) },
    { what: 'other keys of a map', change: field('counts', map('int', 'int')) },
    { what: 'another id of a column', change: field('id', 'int', { id: 44, required: true }) },
    { what: 'the id of another column for a new one', change: field('fresh', 'int', { id: 1 }) },
    { what: 'an id that an older schema may have had', change: field('fresh', 'int', { id: 9 }) },
  ])('refuses $what', ({ change }) => {
    const incoming = change.name === 'fresh' ? [...unchanged, change] : replaced(change)
    expect(() => mergeColumns(table, incoming)).toThrow(expect.objectContaining({ code: 'SCHEMA_CONFLICT' }))
  })
})
