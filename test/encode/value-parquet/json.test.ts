import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../../src/batch/builder.ts'
import { segmentFormat } from '../../../src/encode/formats.ts'
import { faultsOf, kindOf, messagesOf, rowsOf, type ValueOptions } from './scene.ts'

describe('value-parquet of JSON', () => {
  const jsonRows = (values: readonly unknown[], options: ValueOptions = {}) =>
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
