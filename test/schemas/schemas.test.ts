import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { keyAt, valueAt } from '../../src/batch/view.ts'
import { chainFolders } from '../../src/commit/chain.ts'
import { schemaKey } from '../../src/schemas/archived-schema.ts'
import { collectSchemaNames, createSchemaKeeper } from '../../src/schemas/keep-schemas.ts'
import { restoreSchemas } from '../../src/schemas/restore-schemas.ts'
import { rewriteSchemaIds } from '../../src/schemas/rewrite-ids.ts'
import { readSchemas, verifySchemas } from '../../src/schemas/schema-files.ts'
import { openTestRegistry } from '../adapters/registry/client.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { type SchemaRegistry, startSchemaRegistry } from '../servers/schema-registry.ts'

const { signal } = new AbortController()
const framed = (id: number, ...datum: number[]) => {
  const bytes = Buffer.alloc(5 + datum.length)
  bytes.writeUInt32BE(id, 1)
  bytes.set(datum, 5)
  return bytes
}
const messages = (...all: Partial<MessageInput>[]) =>
  batchOf(all.map((message, position) => ({ position, timestamp: 0, ...message })))
const guidBytes = (guid: string) => Uint8Array.of(1, ...Buffer.from(guid.replaceAll('-', ''), 'hex'))
const record = (name: string, ...fields: object[]) => JSON.stringify({ type: 'record', name, fields })
const person = record('Person', { name: 'name', type: 'string' })
const pair = record('Pair', { name: 'a', type: 'Person' }, { name: 'b', type: 'int' })

describe('collectSchemaNames', () => {
  it('finds every name of keys and values, each once', () => {
    const guid = '0f8fad5b-d9cb-469f-a165-70867728950e'
    const batch = messages(
      { key: framed(1), value: framed(2, 9) },
      { key: framed(1), value: '{}' },
      { key: null, value: null },
      { key: 'plain', value: framed(2), headers: [{ name: '__key_schema_id', value: guidBytes(guid) }] },
    )
    expect(collectSchemaNames(batch)).toEqual(new Set([1, 2, guid]))
  })
})

describe.skipIf(serverMissing('schema-registry') !== undefined)('schemas that are archived', () => {
  let origin: SchemaRegistry
  beforeAll(async () => {
    origin = await startSchemaRegistry()
    await origin.register('unrelated', { schema: '"int"' })
  }, GET_LIMIT_MS)
  afterAll(() => origin?.stop())

  /** A topic with schemas of all types, and messages that name them. */
  async function archive(topic: string) {
    const store = createMemoryStore()
    const key = await origin.register(`${topic}-key`, { schema: '"string"' })
    await origin.register('person', { schema: person })
    const references = [{ name: 'Person', subject: 'person', version: 1 }]
    const value = await origin.register(`${topic}-value`, { schema: pair, references })
    const later = await origin.register(`${topic}-value`, {
      schema: record('Pair', { name: 'a', type: 'Person' }, { name: 'b', type: 'int' }, { name: 'c', type: 'int', default: 0 }),
      references,
    })
    const proto = await origin.register('proto', {
      schema: 'syntax = "proto3"; message A { int32 a = 1; } message B { string b = 1; }',
      schemaType: 'PROTOBUF',
    })
    const json = await origin.register('json', { schema: '{"type":"object"}', schemaType: 'JSON' })
    const batch = messages(
      { key: framed(key, 2, 65), value: framed(value, 2, 65, 8) },
      { key: framed(key, 2, 66), value: framed(later, 2, 66, 8, 2) },
      { key: Uint8Array.of(0, 0, 0, 0, key, 9, 9, 9), value: framed(proto, 2, 2, 10, 1, 67) },
      { key: null, value: framed(json, ...Buffer.from('{"a":1}')) },
      { key: 'plain', value: framed(json, ...Buffer.from('no JSON')) },
      { key: framed(4_000_000_000, 1), value: null },
    )
    const keeper = createSchemaKeeper(store, openTestRegistry([origin.url]), () => 0)
    await keeper.keep(topic, batch, signal)
    return { store, batch, keeper, ids: { key, value, later, proto, json } }
  }

  it('lie beside the messages, with all that they refer to, and are kept once', async () => {
    const { store, batch, keeper, ids } = await archive('orders')
    const stored = await Array.fromAsync(readSchemas(store, 'orders'))
    const { key, value, later, proto, json } = ids
    expect(new Set(stored.map(({ name }) => name))).toEqual(new Set([key, value, later, proto, json, value - 1]))
    const kept = stored.find(({ name }) => name === value)!.schema
    expect(kept).toMatchObject({
      id: value,
      guid: expect.stringMatching(/^[0-9a-f-]{36}$/u) as string,
      subjects: [{ subject: 'orders-value', version: 1 }],
      type: 'avro',
      text: pair,
      references: [{ name: 'Person', subject: 'person', version: 1, id: value - 1 }],
    })
    await origin.kill()
    await keeper.keep('orders', batch, signal)
    await origin.start()
    expect(await verifySchemas(store, undefined)).toEqual({ count: 6, problems: [] })
    expect(await Array.fromAsync(chainFolders(store))).toEqual([])
  })

  it('are registered again elsewhere, and messages name them by their ids there', { timeout: GET_LIMIT_MS }, async () => {
    const { store, batch, ids } = await archive('invoices')
    await using target = await startSchemaRegistry()
    for (let id = 1; id <= 30; id++) await target.register(`filler-${id}`, { schema: record(`Filler${id}`) })
    await target.register('person', { schema: record('Someone') })
    const registry = openTestRegistry([target.url])
    const restored = await restoreSchemas(store, { registry, topic: 'invoices', to: 'bills' }, signal)
    expect([restored.registered, restored.refused]).toEqual([6, []])
    const now = (id: number) => restored.ids.get(id)!.id
    expect(now(ids.value)).not.toBe(ids.value)
    const { text, references } = (await registry.byVersion({ subject: 'bills-value', version: 1 }, signal))!
    expect([text, references]).toEqual([pair, [{ name: 'Person', subject: 'person', version: 2 }]])
    expect((await registry.byVersion({ subject: 'bills-value', version: 2 }, signal))!.id).toBe(now(ids.later))
    expect(await registry.byVersion({ subject: 'bills-key', version: 1 }, signal)).toMatchObject({
      id: now(ids.key),
      text: '"string"',
    })

    const rewritten = rewriteSchemaIds(batch, restored.ids)
    const keys = [
      framed(now(ids.key), 2, 65),
      framed(now(ids.key), 2, 66),
      Buffer.of(0, 0, 0, 0, ids.key, 9, 9, 9),
      null,
      Buffer.from('plain'),
    ]
    const values = [
      framed(now(ids.value), 2, 65, 8),
      framed(now(ids.later), 2, 66, 8, 2),
      framed(now(ids.proto), 2, 2, 10, 1, 67),
      framed(now(ids.json), ...Buffer.from('{"a":1}')),
      framed(ids.json, ...Buffer.from('no JSON')),
    ]
    const hex = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('hex')
    expect(keys.map((_, row) => hex(keyAt(rewritten, row)))).toEqual(keys.map(hex))
    expect(values.map((_, row) => hex(valueAt(rewritten, row)))).toEqual(values.map(hex))
    expect([...rewritten.positions]).toEqual([...batch.positions])

    // Again, as when a restore goes on, it changes nothing.
    const again = await restoreSchemas(store, { registry, topic: 'invoices', to: 'bills' }, signal)
    expect([...again.ids].map(([before, { id }]) => [before, id])).toEqual(
      [...restored.ids].map(([before, { id }]) => [before, id]),
    )
    const same = await restoreSchemas(
      store,
      { registry: openTestRegistry([origin.url]), topic: 'invoices', to: 'invoices' },
      signal,
    )
    expect(rewriteSchemaIds(batch, same.ids)).toBe(batch)
  })

  it('are found by messages that name them by a GUID, which stays', async () => {
    const store = createMemoryStore()
    const registry = openTestRegistry([origin.url])
    const id = await origin.register('guids-value', { schema: record('Guided') })
    const { guid } = (await registry.byVersion({ subject: 'guids-value', version: 1 }, signal))!
    const batch = messages({ value: '', headers: [{ name: '__value_schema_id', value: guidBytes(guid!) }] })
    await createSchemaKeeper(store, registry, () => 0).keep('guids', batch, signal)
    expect(await Array.fromAsync(readSchemas(store, 'guids'))).toMatchObject([{ name: guid, schema: { id, guid } }])
    await using target = await startSchemaRegistry()
    const elsewhere = openTestRegistry([target.url])
    const { refused } = await restoreSchemas(store, { registry: elsewhere, topic: 'guids', to: 'guids' }, signal)
    expect(refused).toEqual([])
    expect(await elsewhere.byGuid(guid!, signal)).toMatchObject({ text: record('Guided') })
  })

  it('of two registries lie side by side; messages keep an id that means two of them', { timeout: GET_LIMIT_MS }, async () => {
    const { store, ids, batch } = await archive('mixed')
    await using other = await startSchemaRegistry()
    for (let id = 1; id < ids.value; id++) await other.register(`filler-${id}`, { schema: record(`Filler${id}`) })
    expect(await other.register('mixed-value', { schema: record('Other') })).toBe(ids.value)
    await createSchemaKeeper(store, openTestRegistry([other.url]), () => 0).keep(
      'mixed',
      messages({ value: framed(ids.value) }),
      signal,
    )
    expect((await Array.fromAsync(readSchemas(store, 'mixed'))).filter(({ name }) => name === ids.value)).toHaveLength(2)
    await using target = await startSchemaRegistry()
    const restored = await restoreSchemas(
      store,
      { registry: openTestRegistry([target.url]), topic: 'mixed', to: 'mixed' },
      signal,
    )
    expect(restored.refused.map(({ what }) => what)).toEqual([`schema ${ids.value}`])
    expect(valueAt(rewriteSchemaIds(batch, restored.ids), 0)).toEqual(valueAt(batch, 0))
  })

  it('are damaged where a byte has changed, or one is gone that another refers to', async () => {
    const { store, ids } = await archive('damaged')
    const damagedKey = schemaKey('damaged', ids.json)
    const bytes = Uint8Array.from(await store.read(damagedKey))
    bytes[40]! ^= 1
    await store.put(damagedKey, bytes)
    await store.delete(schemaKey('damaged', ids.value - 1))
    const { count, problems } = await verifySchemas(store, 'damaged')
    expect(count).toBe(5)
    expect(Object.fromEntries(problems.map(({ key, error }) => [key, error.code]))).toEqual({
      [damagedKey]: 'SCHEMA_DAMAGED',
      [schemaKey('damaged', ids.value)]: 'OBJECT_MISSING',
      [schemaKey('damaged', ids.later)]: 'OBJECT_MISSING',
    })
  })

  it('are asked for until the registry answers', async () => {
    const id = await origin.register('away-value', { schema: record('Away') })
    const store = createMemoryStore()
    const keeper = createSchemaKeeper(store, openTestRegistry([origin.url], { timeoutMs: 200 }), () => 0)
    await origin.kill()
    const batch = messages({ value: framed(id) })
    await expect(keeper.keep('away', batch, signal)).rejects.toEqual(expect.objectContaining({ code: 'REGISTRY_UNAVAILABLE' }))
    await origin.start()
    await keeper.keep('away', batch, signal)
    expect(await verifySchemas(store, 'away')).toMatchObject({ count: 1 })
  })
})
