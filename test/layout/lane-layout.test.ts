import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { layoutOf, place } from './layout-of.ts'

const presets: Readonly<Record<string, Record<string, unknown>>> = {
  millpond: {},
  'confluent by partition': { type: 'confluent' },
  'confluent by field': {
    type: 'confluent',
    confluent: { partitionerClass: 'FieldPartitioner', partitionFieldName: ['f'], schemaPartitionAffixType: 'PREFIX' },
  },
  aiven: { type: 'aiven', aiven: { fileNameTemplate: 'p/{{topic}}/{{key}}/{{partition}}-{{start_offset}}' } },
  dataphos: { type: 'dataphos', dataphos: { mask: 't/{h}', customValues: { t: 'c-{topic}' } } },
  firehose: { type: 'firehose', firehose: { prefix: '!{partitionKeyFromQuery:k}/x', partitionKeys: { k: 'f' } } },
  hive: { type: 'hive', hive: { prefix: 'lake', fields: ['f'] } },
  'azure-persistor': { type: 'azure-persistor', azurePersistor: { timedAppend: true } },
  template: { type: 'template', template: { key: 'p/{header:h|}{key|}/{field:f|}{schema|}/{topic}/{lane}-{position}-{id}' } },
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.string({ unit: fc.constantFrom('.', '/', '\\', '=', '%', '_', 'a', '\u0000', '\u0007', '\ud800', '😀'), maxLength: 40 }),
  fc.constantFrom('..', '.', '', '/', '../..', '/../', '_millpond', '%2E%2E', 'a/'),
)

const hostile = fc.record({
  topic: text,
  lane: text,
  key: fc.option(text),
  field: fc.option(text),
  header: fc.option(text),
  id: fc.option(text),
  schema: text,
})

describe.each(Object.keys(presets))('%s', (name) => {
  it.each([false, true])('keeps hostile texts within keys that every store takes (strict: %s)', async (strict) => {
    const layout = await layoutOf({ ...presets[name], strict })
    fc.assert(
      fc.property(hostile, ({ topic, lane, key, field, header, id, schema }) => {
        const value = JSON.stringify({ f: field })
        const headers = header === null ? [] : [{ name: 'h', value: header }]
        const message = { position: 7, timestamp: 0, key, value, id, headers }
        // `place` checks the keys; what has none says why.
        const { keys, reasons } = place(layout, [message], { topic, lane, schema })
        expect((keys[0] === undefined) === (reasons[0] !== undefined)).toBe(true)
        const prefix = { hive: 'lake/', template: 'p/', aiven: 'p/' }[name] ?? (name.startsWith('confluent') ? 'topics/' : '')
        expect(keys[0] ?? prefix).toMatch(new RegExp(`^(?!_millpond/)${prefix}`, 'u'))
      }),
      { numRuns: 100 },
    )
  })
})

describe('assign', () => {
  const byField = { type: 'confluent', confluent: { partitionerClass: 'FieldPartitioner', partitionFieldName: ['f'] } }
  const rows = (values: readonly unknown[]) =>
    values.map((f, position) => ({ position, timestamp: 0, value: f === null ? null : JSON.stringify({ f }) }))

  it('gives messages of one path one path, and says what has none', async () => {
    const { paths, reasons } = place(await layoutOf(byField), rows(['a', 'b', {}, 'a', 'a', 1.5, 'b']))
    expect(paths.map((path) => path?.values['f'])).toEqual(['a', 'b', undefined, 'a', 'a', undefined, 'b'])
    expect(paths[0]).toBe(paths[4])
    expect(Object.keys(reasons)).toEqual(['2', '5'])
  })

  it.each([
    { nullValues: 'write', ids: ['topics/orders/f=a/', 'topics/orders/tombstone/'], reasons: {} },
    { nullValues: 'ignore', ids: ['topics/orders/f=a/', undefined], reasons: {} },
    { nullValues: 'fail', ids: ['topics/orders/f=a/', undefined], reasons: { 1: 'it has no value' } },
  ])('treats messages without a value as nullValues says: $nullValues', async ({ nullValues, ids, reasons }) => {
    const placed = place(await layoutOf({ ...byField, nullValues }), rows(['a', null]))
    expect(placed.paths.map((path) => path?.id.split('orders+')[0])).toEqual(ids)
    expect(placed.reasons).toEqual(reasons)
  })

  it('gives the same paths again after it has forgotten thousands of them', async () => {
    const lane = (await layoutOf(byField)).openLane({ topic: 'orders', lane: '0' })
    const batch = batchOf(Array.from({ length: 40_000 }, (_, position) => ({ position, timestamp: 0, value: '' })))
    const idsOf = (from: number) => lane.assign(batch, { nowMs: 0, field: () => (row) => from + row }).paths.map(({ id }) => id)
    const first = idsOf(0)
    expect(new Set([...idsOf(40_000), ...idsOf(80_000), ...idsOf(120_000)]).size).toBe(120_000)
    expect(idsOf(0)).toEqual(first)
  })

  it('gives an empty batch nothing', async () => {
    const lane = (await layoutOf(byField)).openLane({ topic: 'orders', lane: '0' })
    expect(lane.assign(batchOf([]), { nowMs: 0, field: () => () => 1 })).toMatchObject({ paths: [], pathless: [] })
  })
})
