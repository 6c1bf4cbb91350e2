import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseFilters } from '../../../src/api/dataphos/parse-filters.ts'
import { evaluate, rangeOf, textsOf } from '../../../src/api/dataphos/row-filter.ts'
import { parseTime } from '../../../src/api/dataphos/time.ts'
import type { MessageInput } from '../../../src/batch/builder.ts'
import { commitsOf, type DataphosScene, messagesOf, openDataphos } from './scene.ts'

const T0 = Date.parse('2023-02-05T19:20:55.342Z')

/** 80 messages of two lanes with attributes of all kinds; a third topic has ids of its own. */
const message = (position: number, id?: string): MessageInput => ({
  position,
  timestamp: T0 + position * 1000,
  ...(position % 4 === 0 ? {} : { key: position % 4 === 1 ? new Uint8Array([0xff, position]) : `key-${position % 3}` }),
  ...(id === undefined ? {} : { id }),
  headers: [
    ...(position % 2 === 0 ? [{ name: 'a', value: position % 8 === 0 ? 'x' : `x${position % 6}` }] : []),
    ...(position % 3 === 0 ? [{ name: 'b', value: 'y' }] : []),
    ...(position % 5 === 0 ? [{ name: 'business_source_key', value: `s${position % 2}` }] : []),
    ...(position % 10 === 0 ? [{ name: 'business_object_key', value: 'o' }] : []),
  ],
})

let scene: DataphosScene
/** Every row with all its fields. */
let whole: readonly Readonly<Record<string, unknown>>[]
beforeAll(async () => {
  scene = await openDataphos()
  const all = Array.from({ length: 45 }, (_, position) => message(position))
  await scene.archive('orders', '0', commitsOf(all, 7))
  await scene.archive('orders', '1', commitsOf(all.slice(0, 20), 7))
  await scene.archive(
    'users',
    '0',
    commitsOf(
      all.slice(0, 15).map(({ position }) => message(position, `u_${position}`)),
      4,
    ),
  )
  const rows = messagesOf(await scene.post('/query/c?limit=1000', { filters: [{}] }))
  whole = (await Promise.all(rows.map(({ unique_id: id }) => scene.get(`/exact/c/${String(id)}`)))).flatMap(messagesOf)
  expect(whole).toHaveLength(80)
})
afterAll(() => scene[Symbol.asyncDispose]())

const idsOf = async (filters: unknown): Promise<readonly unknown[]> => {
  const answer = await scene.post('/query/c?limit=1000', { filters })
  expect(answer).toMatchObject({ status: 200 })
  const { total_count: total } = JSON.parse(answer.text) as { readonly total_count: number }
  const rows = messagesOf(answer)
  expect(rows.length).toBe(total)
  return rows.map(({ unique_id: id }) => id)
}

describe('filters', () => {
  it.each<{ filters: readonly object[]; count: number }>([
    { filters: [{ broker_id: 'orders' }], count: 65 },
    { filters: [{ broker_id: { $ne: 'orders' } }], count: 15 },
    { filters: [{ unique_id: 'orders_0_7' }], count: 1 },
    { filters: [{ unique_id: { $in: ['orders_0_7', 'users_u_3', 'users_0_3'] } }], count: 2 },
    { filters: [{ unique_id: { $regex: '^users_u_1' } }], count: 6 },
    { filters: [{ broker_msg_id: { $nin: ['0_1', '1_1'] } }], count: 78 },
    { filters: [{ 'additional_metadata.a': 'x' }], count: 6 + 3 + 2 },
    { filters: [{ 'additional_metadata.a': { $exists: false } }], count: 22 + 10 + 7 },
    { filters: [{ 'additional_metadata.a': null }], count: 22 + 10 + 7 },
    { filters: [{ 'additional_metadata.a': { $ne: 'x' } }], count: 80 - 11 },
    { filters: [{ 'additional_metadata.b': 'y' }, { 'additional_metadata.a': 'x' }], count: 19 + 9 + 6 },
    { filters: [{ index_source_key: 's0_o' }], count: 5 + 2 + 2 },
    { filters: [{ business_source_key: 's1' }], count: 4 + 2 + 1 },
    { filters: [{ ordering_key: 'key-0' }], count: 8 + 3 + 3 },
    { filters: [{ location_position: { $gte: 1, $lt: 3 } }], count: 3 * 2 + 2 + 2 + 2 },
    { filters: [{ publish_time: { $gte: '2023-02-05 19:20:55.342', $lt: '2023-02-05T20:21:00.342+01:00' } }], count: 15 },
    { filters: [{ publish_time: { $in: ['2023-02-05T19:20:55.342Z'] } }], count: 3 },
    { filters: [{ confirmation_flag: false, broker_id: 'users' }], count: 15 },
    { filters: [{ confirmation_flag: true }], count: 0 },
    { filters: [{ ingestion_time: '2023-11-14 22:13:20' }], count: 80 },
    { filters: [{ ingestion_time: { $gt: '2023-11-14 22:13:20' } }], count: 0 },
    { filters: [{ $or: [{ broker_id: 'users' }, { $and: [{ broker_msg_id: '0_4' }, { broker_id: 'orders' }] }] }], count: 16 },
    { filters: [{ additional_metadata: { b: 'y', a: 'x' } }], count: 2 + 1 + 1 },
    { filters: [{ 'additional_metadata.a': { $gt: 'x', $lte: 'x2' } }], count: 12 + 5 + 4 },
    { filters: [{ location_position: 'text' }], count: 0 },
    { filters: [{ 'additional_metadata.a': 5 }], count: 0 },
    { filters: [{}], count: 80 },
  ])('$filters select $count of 80', async ({ filters, count }) => {
    const ids = await idsOf(filters)
    const twice = await idsOf(filters)
    expect(ids).toEqual(twice)
    // What was counted by hand is compared with what each row says of itself.
    const filter = parseFilters(filters as Record<string, unknown>[])
    const meant = whole.filter((row) => evaluate(filter, (field) => ({ value: valueIn(row, field) })) === true)
    expect(new Set(ids)).toEqual(new Set(meant.map(({ unique_id: id }) => id)))
    expect(ids).toHaveLength(count)
  })

  it.each([
    {
      filter: { broker_id: { $where: '1' } },
      says: 'the operator $where is not allowed in query filters; those that are: $eq $gt',
    },
    { filter: { broker_id: { $regex: '.*' } }, says: '$regex of broker_id may only ask for a beginning' },
    { filter: { broker_id: { $regex: '^(a+)+$' } }, says: '$regex of broker_id may only ask for a beginning' },
    { filter: { publish_time: { $regex: '^2' } }, says: '$regex of publish_time may only ask' },
    {
      filter: { broker_id: { $eq: { $gt: '' } } },
      says: 'broker_id must be compared with a text, a number, true, false or null',
    },
    { filter: { broker_id: { a: 'b' } }, says: 'broker_id cannot be compared with an object' },
    { filter: { broker_id: ['a'] }, says: 'broker_id must be compared with' },
    { filter: { broker_id: { $in: 'a' } }, says: '(BadValue) $in needs an array' },
    { filter: { broker_id: { $exists: 1 } }, says: '$exists of broker_id must be true or false' },
    { filter: { $where: 'true' }, says: 'invalid query filter keys in query request body - [$where]' },
    { filter: { $or: [] }, says: '$or must be a nonempty array of filters' },
    { filter: { __proto__x: 1 }, says: 'invalid query filter keys in query request body - [__proto__x]' },
  ])('refuses $filter and says what is allowed', async ({ filter, says }) => {
    for (const answer of [
      await scene.post('/query/c', { filters: [filter] }),
      await scene.resubmit('/query/c?topic=t', { filters: [filter] }),
    ]) {
      expect(answer.status).toBe(400)
      expect(answer.text).toContain(JSON.stringify(says).slice(1, -1))
    }
  })

  it('refuses filters that lie too deep', async () => {
    let filter: object = { broker_id: 'orders' }
    for (let depth = 0; depth < 30; depth++) filter = { $and: [filter] }
    expect(await scene.post('/query/c', { filters: [filter] })).toMatchObject({ status: 400 })
  })

  it('select the same rows in both interfaces, whatever is combined', async () => {
    const value = fc.constantFrom('x', 'x2', 'y', 's0', 's1', 'o', 'key-0', 'orders', 'users', 'orders_0_7', '0_7', 'u_3', '')
    const operator = fc.oneof(
      value,
      fc.constant(null),
      fc.record({ $ne: value }),
      fc.record({ $in: fc.array(fc.oneof(value, fc.constant(null)), { maxLength: 3 }) }),
      fc.record({ $nin: fc.array(value, { maxLength: 3 }) }),
      fc.record({ $gte: value, $lt: value }),
      fc.record({ $exists: fc.boolean() }),
      value.map((text) => ({ $regex: `^${text}` })),
    )
    const text = fc.tuple(
      fc.constantFrom(
        'broker_id',
        'unique_id',
        'broker_msg_id',
        'business_source_key',
        'business_object_key',
        'index_source_key',
        'ordering_key',
        'additional_metadata.a',
        'additional_metadata.b',
        'additional_metadata.business_source_key',
      ),
      operator,
    )
    const number = fc.tuple(
      fc.constant('location_position'),
      fc.oneof(fc.nat(25), fc.record({ $gte: fc.nat(25) }), fc.record({ $lt: fc.nat(25), $ne: fc.nat(9) })),
    )
    const time = fc.nat(50).map((second) => new Date(T0 + second * 1000).toISOString())
    const publish = fc.tuple(
      fc.constant('publish_time'),
      fc.oneof(time, fc.record({ $gt: time }), fc.record({ $lte: time }), fc.record({ $nin: fc.array(time, { maxLength: 2 }) })),
    )
    const filter = fc
      .array(fc.oneof({ weight: 4, arbitrary: text }, number, publish), { minLength: 1, maxLength: 2 })
      .map((pairs) => Object.fromEntries(pairs))
    await fc.assert(
      fc.asyncProperty(fc.array(filter, { minLength: 1, maxLength: 3 }), async (filters) => {
        const ids = await idsOf(filters)
        scene.sink.writes.length = 0
        const answer = await scene.resubmit('/query/c?topic=t', { filters })
        expect(answer).toMatchObject({ status: 200 })
        const sent = scene.sink.writes.flatMap(({ target: { origin }, messages }) =>
          messages.map(({ id, position }) => `${origin.topic}_${id ?? `${origin.lane}_${position}`}`),
        )
        expect(sent.toSorted()).toEqual(ids.map(String).toSorted())
        expect(JSON.parse(answer.text)).toMatchObject({ summary: { indexed_count: ids.length, published_count: ids.length } })
      }),
      { numRuns: 60 },
    )
  })
})

function valueIn(row: Readonly<Record<string, unknown>>, field: string) {
  const metadata = (row['additional_metadata'] ?? {}) as Readonly<Record<string, string>>
  if (field === 'additional_metadata') return new Map(Object.entries(metadata))
  if (field.startsWith('additional_metadata.')) return metadata[field.slice('additional_metadata.'.length)]
  if (field === 'confirmation_flag') return false
  const value = row[field] as string | number | undefined
  return field.endsWith('_time') && typeof value === 'string' ? parseTime(value) : value
}

describe('what a filter says before rows are read', () => {
  const filter = parseFilters([
    { publish_time: { $gte: '2023-01-01', $lt: '2023-01-02' }, 'additional_metadata.a': 'x' },
    { publish_time: '2023-01-03', 'additional_metadata.a': { $in: ['y', 'z'] } },
  ])
  it('is the range of its times', () => {
    const day = (text: string): number => Date.parse(`${text}T00:00:00Z`)
    expect(rangeOf(filter, 'publish_time')).toEqual({ from: day('2023-01-01'), to: day('2023-01-03') + 1 })
    expect(rangeOf(filter, 'ingestion_time')).toEqual({ from: -Infinity, to: Infinity })
  })
  it('is the texts that a field must have', () => {
    expect(textsOf(filter, 'additional_metadata.a')).toEqual(['x', 'y', 'z'])
    expect(textsOf(filter, 'unique_id')).toBeUndefined()
  })
  it('is never wrong about a range of values', () => {
    const test = fc.oneof(
      fc.record({ op: fc.constantFrom('eq' as const, 'ne' as const), value: fc.option(fc.integer({ min: 0, max: 9 })) }),
      fc.record({
        op: fc.constantFrom('gt' as const, 'gte' as const, 'lt' as const, 'lte' as const),
        value: fc.integer({ min: 0, max: 9 }),
      }),
      fc.record({
        op: fc.constantFrom('in' as const, 'nin' as const),
        values: fc.array(fc.option(fc.integer({ min: 0, max: 9 }))),
      }),
      fc.record({ op: fc.constant('exists' as const), value: fc.boolean() }),
    )
    fc.assert(
      fc.property(test, fc.integer({ min: 0, max: 9 }), fc.nat(4), (one, from, length) => {
        const told = evaluate({ field: 'n', test: one }, () => ({ from, to: from + length }))
        const each = Array.from({ length: length + 1 }, (_, i) =>
          evaluate({ field: 'n', test: one }, () => ({ value: from + i })),
        )
        return told === undefined || each.every((one) => one === told)
      }),
    )
  })
})
