import avro from 'avsc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { SchemaRegistry as Registry } from '../../src/values/schema-registry.ts'
import { createValues, type ValuesOptions, type ValuesType } from '../../src/values/create-values.ts'
import type { PreparedValues } from '../../src/values/values.ts'
import { openTestRegistry } from '../adapters/registry/client.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { type SchemaRegistry, startSchemaRegistry } from '../servers/schema-registry.ts'

const { signal } = new AbortController()
const batchOfValues = (...values: (Uint8Array | string | null | Omit<MessageInput, 'position' | 'timestamp'>)[]) =>
  batchOf(
    values.map((value, position) => ({
      position,
      timestamp: position,
      ...(typeof value === 'string' || value === null || value instanceof Uint8Array ? { value } : value),
    })),
  )
const framed = (id: number, ...datum: (Uint8Array | readonly number[])[]) => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(id, 1)
  return Buffer.concat([prefix, ...datum.map((bytes) => Uint8Array.from(bytes))])
}
const column = (prepared: PreparedValues, name: string, rows: number) => {
  const read = prepared.field(name)
  return Array.from({ length: rows }, (_, row) => read(row))
}
const options: Omit<ValuesOptions, 'type' | 'registry'> = { check: true, nowMs: () => 0 }

describe('values without a registry', () => {
  it('are JSON as far as fields go, unless nothing is to be known of them', async () => {
    const batch = batchOfValues('{"a":{"b":"x"}}', null, 'no JSON', '')
    await using values = createValues({ ...options, type: 'auto', registry: undefined })
    const prepared = await values.prepare(batch, signal)
    expect(prepared).toMatchObject({ kinds: [{ id: 'none', type: 'none' }], datumStart: undefined, unreadable: [] })
    expect([...prepared.kindOf]).toEqual([0, -1, 0, 0])
    expect(column(prepared, 'a.b', 4)).toEqual(['x', undefined, undefined, undefined])
    await using opaque = createValues({ ...options, type: 'none', registry: undefined })
    expect(column(await opaque.prepare(batch, signal), 'a.b', 4)).toEqual([undefined, undefined, undefined, undefined])
  })
  it.each<ValuesType>(['registry', 'avro', 'json-schema', 'protobuf'])('cannot be of type %s', (type) => {
    expect(() => createValues({ ...options, type, registry: undefined })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  })
})

const order = {
  type: 'record',
  name: 'com.acme.Order',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'metric_date', type: { type: 'string', 'avro.java.string': 'String' } },
    { name: 'by', type: ['null', { type: 'record', name: 'Person', fields: [{ name: 'name', type: 'string' }] }] },
  ],
} as const
const orderType = avro.Type.forSchema(order as unknown as avro.Schema, { wrapUnions: false })
const orderBytes = (id: number, by: string | null = null) =>
  orderType.toBuffer({ id, metric_date: '2018-01-04', by: by === null ? null : { name: by } })

describe.skipIf(serverMissing('schema-registry') !== undefined)('values of a registry', () => {
  let server: SchemaRegistry
  let registry: Registry
  let orderId: number
  beforeAll(async () => {
    server = await startSchemaRegistry()
    registry = openTestRegistry([server.url])
    orderId = await server.register('orders-value', { schema: JSON.stringify(order) })
  }, GET_LIMIT_MS)
  afterAll(() => server?.stop())
  const prepare = (type: ValuesType, ...values: Parameters<typeof batchOfValues>) =>
    createValues({ ...options, type, registry }).prepare(batchOfValues(...values), signal)

  it('are Avro data behind their prefix, and plain JSON beside them where that is allowed', async () => {
    const prepared = await prepare(
      'auto',
      framed(orderId, orderBytes(7, 'Ann')),
      '{"id":8,"metric_date":"2018-01-05"}',
      null,
      framed(orderId, orderBytes(9)),
    )
    expect(prepared.kinds).toMatchObject([
      { type: 'avro', name: 'com.acme.Order', text: JSON.stringify(order), references: [] },
      { type: 'none' },
    ])
    expect([...prepared.kindOf]).toEqual([0, 1, -1, 0])
    expect(column(prepared, 'id', 4)).toEqual([7, 8, undefined, 9])
    expect(column(prepared, 'metric_date', 4)).toEqual(['2018-01-04', '2018-01-05', undefined, '2018-01-04'])
    expect(column(prepared, 'by.name', 4)).toEqual(['Ann', undefined, undefined, undefined])
    expect(prepared.unreadable).toEqual([])
  })

  it('begin behind the prefix, byte for byte', async () => {
    const batch = batchOfValues(framed(orderId, orderBytes(1)), framed(orderId, orderBytes(2, 'Bo')))
    const { datumStart } = await createValues({ ...options, type: 'avro', registry }).prepare(batch, signal)
    const data = [0, 1].map((row) => Buffer.from(batch.bytes.subarray(datumStart![row], batch.valueEnd[row])))
    expect(data).toEqual([orderBytes(1), orderBytes(2, 'Bo')])
  })

  it('say why they cannot be read', async () => {
    const datum = orderBytes(1)
    const { unreadable, kindOf } = await prepare(
      'avro',
      framed(4_000_000_000, datum),
      framed(orderId, datum, [0]),
      framed(orderId, datum.subarray(0, 3)),
      '{"a":1}',
      Uint8Array.of(0, 0, 0, 1),
      framed(orderId, datum),
    )
    expect(unreadable).toEqual([
      { row: 0, reason: 'the registry knows no schema 4000000000' },
      { row: 1, reason: 'it does not fit its schema: 1 bytes lie behind it' },
      { row: 2, reason: 'it does not fit its schema: it ends within a part of it' },
      { row: 3, reason: 'it names no schema' },
      { row: 4, reason: 'it names no schema' },
    ])
    expect([...kindOf]).toEqual([-1, -1, -1, -1, -1, 0])
    const json = await server.register('json', { schema: '{"title":"Thing"}', schemaType: 'JSON' })
    const others = await prepare('avro', framed(json, Buffer.from('{}')))
    expect(others.unreadable).toEqual([{ row: 0, reason: 'its schema is one of json-schema, not of avro' }])
  })

  it('are not looked at whole where they need not be', async () => {
    const values = createValues({ ...options, check: false, type: 'avro', registry })
    const prepared = await values.prepare(batchOfValues(framed(orderId, orderBytes(5).subarray(0, 2)), framed(orderId)), signal)
    expect([prepared.unreadable, column(prepared, 'id', 2)]).toEqual([[], [5, undefined]])
  })

  it('are of one kind where their schemas are the same, and of the same in every run', async () => {
    const spaced = await server.register('other-value', { schema: JSON.stringify(order, undefined, 2).replace('"id"', '"id" ') })
    const reordered = await server.register('third-value', {
      schema: JSON.stringify(Object.fromEntries(Object.entries(order).reverse())),
    })
    const changed = await server.register('orders-value', { schema: JSON.stringify({ ...order, doc: 'An order' }) })
    const { kinds, kindOf } = await prepare(
      'avro',
      ...[orderId, spaced, reordered, changed].map((id) => framed(id, orderBytes(1))),
    )
    expect([...kindOf]).toEqual([0, 0, 0, 1])
    expect(kinds[0]!.id).toBe('3710d0df702bee81af7f2420fe5dc18c')
  })

  it('say where their schema is registered, where that is asked for', async () => {
    const schema = JSON.stringify({ ...order, doc: 'versioned' })
    const first = await server.register('versioned-value', { schema: JSON.stringify({ ...order, doc: 'before' }) })
    const second = await server.register('versioned-value', { schema })
    const same = await server.register('elsewhere', { schema: `${schema} ` })
    await using values = createValues({ ...options, type: 'avro', registry: openTestRegistry([server.url]), withVersions: true })
    const batch = batchOfValues(...[first, second, same].map((id) => framed(id, orderBytes(1))))
    const { kinds } = await values.prepare(batch, signal)
    const own = { subject: 'versioned-value', version: 2 }
    expect(kinds.map(({ versions }) => versions)).toEqual([
      [{ ...own, version: 1 }],
      expect.arrayContaining([own, { subject: 'elsewhere', version: 1 }]) as unknown,
    ])
  })

  it('say where their schema is registered for each topic, also where that was done after another had it', async () => {
    const schema = JSON.stringify({ ...order, doc: 'of two topics' })
    const id = await server.register('one-value', { schema })
    await using values = createValues({ ...options, type: 'avro', registry: openTestRegistry([server.url]), withVersions: true })
    const batch = batchOfValues(framed(id, orderBytes(1)))
    const versionsFor = async (topic: string) => (await values.prepare(batch, signal, topic)).kinds[0]?.versions
    expect(await versionsFor('one')).toEqual([{ subject: 'one-value', version: 1 }])
    expect(await server.register('two-value', { schema })).toBe(id)
    expect(await versionsFor('two')).toContainEqual({ subject: 'two-value', version: 1 })
  })

  it('have the types that their schema refers to filled in', async () => {
    const person = { type: 'record', name: 'Person', namespace: 'com.acme', fields: [{ name: 'name', type: 'string' }] }
    await server.register('person', { schema: JSON.stringify(person) })
    const pair = {
      type: 'record',
      name: 'Pair',
      namespace: 'other',
      fields: ['a', 'b'].map((name) => ({ name, type: ['null', 'com.acme.Person'] })),
    }
    const id = await server.register('pair', {
      schema: JSON.stringify(pair),
      references: [{ name: 'com.acme.Person', subject: 'person', version: 1 }],
    })
    const prepared = await prepare('avro', framed(id, [0, 2, 6, ...Buffer.from('Ann')]))
    const { kinds } = prepared
    expect(column(prepared, 'b.name', 1)).toEqual(['Ann'])
    const type = avro.Type.forSchema(JSON.parse(kinds[0]!.text) as avro.Schema, { wrapUnions: false })
    expect(JSON.parse(JSON.stringify(type.fromBuffer(Buffer.of(0, 2, 2, 65))))).toEqual({ a: null, b: { name: 'A' } })
  })

  it('are JSON under a JSON Schema, which must at least be JSON', async () => {
    const id = await server.register('thing', { schema: '{"title":"Thing","type":"object"}', schemaType: 'JSON' })
    const prepared = await prepare('json-schema', framed(id, Buffer.from(' {"a":[1],"b":2} ')), framed(id, Buffer.from('{"a":}')))
    expect(prepared.kinds).toMatchObject([{ type: 'json-schema', name: 'Thing' }])
    expect(column(prepared, 'b', 2)).toEqual([2, undefined])
    expect(prepared.unreadable).toEqual([{ row: 1, reason: 'it does not fit its schema: it is no JSON' }])
  })

  it('are messages of Protobuf, the very one that their indexes say', async () => {
    const schema = `syntax = "proto3"; package acme;
      message Order { int64 id = 1; message Line { string sku = 2; } Line line = 3; }
      message Other { string text = 1; }`
    const id = await server.register('proto', { schema, schemaType: 'PROTOBUF' })
    const prepared = await prepare(
      'protobuf',
      framed(id, [0], [8, 7, 26, 3, 18, 1, 65]),
      framed(id, [2, 2], [10, 1, 66]),
      framed(id, [4, 0, 0], [18, 1, 67]),
      framed(id, [2, 8], []),
      framed(id, [0x80]),
      framed(id, [0], [10]),
    )
    expect(prepared.kinds.map(({ name }) => name)).toEqual(['acme.Order', 'acme.Other', 'acme.Order.Line'])
    expect(column(prepared, 'line.sku', 3)).toEqual(['A', undefined, undefined])
    expect(column(prepared, 'sku', 3)).toEqual([undefined, undefined, 'C'])
    expect(column(prepared, 'text', 3)).toEqual([undefined, 'B', undefined])
    expect(prepared.unreadable.map(({ reason }) => reason)).toEqual([
      'its schema has no message 4',
      'it does not say which message of its schema it is',
      'it does not fit its schema: it ends within a number',
    ])
  })

  it('name their schema by a header as well, without a prefix', async () => {
    const { guid } = (await registry.byVersion({ subject: 'orders-value', version: 1 }, signal))!
    const header = (name: string, ...after: number[]) => ({
      name,
      value: Uint8Array.of(1, ...Buffer.from(guid!.replaceAll('-', ''), 'hex'), ...after),
    })
    const mark = header('__value_schema_id')
    const prepared = await prepare(
      'auto',
      { value: orderBytes(1), headers: [{ name: 'a', value: 'b' }, mark] },
      framed(orderId, orderBytes(2)),
      { value: '{"id":3}', headers: [header('__key_schema_id')] },
      { value: orderBytes(4), headers: [mark] },
      { value: orderBytes(5), headers: [{ name: '__value_schema_id', value: Uint8Array.of(1, ...Buffer.alloc(16, 9)) }] },
      { value: '{"id":6}', headers: [{ name: '__value_schema_id', value: null }] },
    )
    expect([...prepared.kindOf]).toEqual([0, 0, 1, 0, -1, 1])
    expect(column(prepared, 'id', 6)).toEqual([1, 2, 3, 4, undefined, 6])
    expect(prepared.unreadable).toEqual([{ row: 4, reason: 'the registry knows no schema 09090909-0909-0909-0909-090909090909' }])
  })

  it('wait for a registry that is away: nothing is taken for unreadable', { timeout: GET_LIMIT_MS }, async () => {
    await using own = await startSchemaRegistry()
    const id = await own.register('s', { schema: JSON.stringify(order) })
    await using values = createValues({ ...options, type: 'avro', registry: openTestRegistry([own.url], { timeoutMs: 200 }) })
    const batch = batchOfValues(framed(id, orderBytes(1)))
    await own.kill()
    await expect(values.prepare(batch, signal)).rejects.toEqual(
      expect.objectContaining({ code: 'REGISTRY_UNAVAILABLE', retryable: true }),
    )
    await own.start()
    expect((await values.prepare(batch, signal)).unreadable).toEqual([])
    await own.kill()
    expect((await values.prepare(batch, signal)).unreadable).toEqual([])
  })

  it('are asked for again when the registry did not know them a minute ago', async () => {
    let now = 0
    const values = createValues({ ...options, type: 'avro', registry, nowMs: () => now })
    const next = await server.register('next', { schema: JSON.stringify({ ...order, doc: 'next' }) })
    const batch = batchOfValues(framed(next + 1, orderBytes(1)))
    expect((await values.prepare(batch, signal)).unreadable).toHaveLength(1)
    expect(await server.register('next', { schema: JSON.stringify({ ...order, doc: 'after' }) })).toBe(next + 1)
    expect((await values.prepare(batch, signal)).unreadable).toHaveLength(1)
    now = 60_000
    expect((await values.prepare(batch, signal)).unreadable).toHaveLength(0)
  })
})
