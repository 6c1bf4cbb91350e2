import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { createSchemaKeeper } from '../../src/schemas/keep-schemas.ts'
import { openTestRegistry } from '../adapters/registry/client.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { startSchemaRegistry } from '../servers/schema-registry.ts'
import { addMessages, laneOf, linesFrom, placesOf, type SearchScene, startSearch } from './search-scene.ts'

const framed = (id: number, ...datum: number[]) => {
  const bytes = Buffer.alloc(5 + datum.length)
  bytes.writeUInt32BE(id, 1)
  bytes.set(datum, 5)
  return bytes
}

const record = (name: string, ...fields: object[]) => JSON.stringify({ type: 'record', name, fields })

describe.skipIf(serverMissing('schema-registry') !== undefined)('values of registered schemas, without the registry', () => {
  let scene: SearchScene
  beforeAll(async () => {
    const registry = await startSchemaRegistry()
    try {
      await registry.register('person', { schema: record('Person', { name: 'name', type: 'string' }) })
      const avro = await registry.register('t-value', {
        schema: record(
          'Pair',
          { name: 'a', type: 'Person' },
          { name: 'b', type: ['null', 'long'] },
          { name: 'c', type: 'bytes' },
        ),
        references: [{ name: 'Person', subject: 'person', version: 1 }],
      })
      const protobuf = await registry.register('proto', {
        schema:
          'syntax = "proto3"; message A { int32 a = 1; } message B { string name = 1; int64 big = 2; bytes raw = 3; E e = 4; repeated A as = 5; } enum E { NONE = 0; SOME = 1; }',
        schemaType: 'PROTOBUF',
      })
      const json = await registry.register('json', { schema: '{"type":"object"}', schemaType: 'JSON' })
      const values: (Uint8Array | string | null)[] = [
        framed(avro, 2, 65, 2, 16, 4, 0xe4, 0),
        framed(avro, 2, 66, 0, 0),
        // Message B by its indexes [1], with a whole number past 2^53.
        framed(protobuf, 2, 2, 10, 1, 67, 16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 26, 2, 1, 2, 32, 1, 42, 2, 8, 7),
        framed(json, ...Buffer.from('{"name": "D", "n": 1.50}')),
        '{"name":"E"}',
        framed(avro, 2, 65),
        framed(4_000_000_000, 1, 2, 3),
        null,
        'no json',
      ]
      const messages: MessageInput[] = values.map((value, position) => ({
        position,
        timestamp: 0,
        key: 'k',
        value,
        id: null,
        headers: [],
      }))
      const store = createMemoryStore()
      const keeper = createSchemaKeeper(store, openTestRegistry([registry.url]), () => 0)
      await keeper.keep('t', batchOf(messages), new AbortController().signal)
      scene = await startSearch({ store })
      await addMessages(scene, laneOf('t', 0), messages)
    } finally {
      await registry.stop()
    }
  }, GET_LIMIT_MS)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  it('are shown as JSON; what cannot be read stays as it is', async () => {
    const text = await (await fetch(`${scene.url}/search?topic=t&fields=position,value&decode`)).text()
    expect(text.split('\n').slice(0, 9)).toEqual([
      '{"position":0,"value":{"a":{"name":"A"},"b":8,"c":"ä\\u0000"}}',
      '{"position":1,"value":{"a":{"name":"B"},"b":null,"c":""}}',
      '{"position":2,"value":{"name":"C","big":"72057594037927935","raw":"AQI=","e":"SOME","as":[{"a":7}]}}',
      '{"position":3,"value":{"name": "D", "n": 1.50}}',
      '{"position":4,"value":{"name":"E"}}',
      expect.stringMatching(/^\{"position":5,"valueText":"/u),
      '{"position":6,"valueBase64":"AO5rKAABAgM="}',
      '{"position":7,"value":null}',
      '{"position":8,"valueText":"no json"}',
    ])
    const one = await fetch(`${scene.url}/archive/topics/t/lanes/0/messages/0?decode=true`)
    expect(await one.json()).toMatchObject({ value: { a: { name: 'A' }, b: 8 } })
    const bare = await fetch(`${scene.url}/archive/topics/t/lanes/0/messages/0`)
    expect(await bare.json()).not.toHaveProperty('value')
  })

  it.each([
    { where: '.a.name == "A"', places: [0] },
    { where: '.name', places: [2, 3, 4] },
    { where: '.name | ascii_downcase | . == "c" or . == "e"', places: [2, 4] },
    { where: '.b == null and .a', places: [1] },
    { where: 'error("x")', places: [] },
    { where: 'empty', places: [] },
    { where: 'true', places: [0, 1, 2, 3, 4] },
  ])('are asked by $where', async ({ where, places }) => {
    const found = placesOf(await linesFrom(await fetch(`${scene.url}/search?where=${encodeURIComponent(where)}`)))
    expect(found).toEqual(places.map((position) => `t/0@${position}`))
    const others = { not: { jq: where } }
    const rest = await fetch(`${scene.url}/search/count`, { method: 'POST', body: JSON.stringify({ filter: others }) })
    expect(await rest.json()).toMatchObject({ count: 9 - places.length })
  })
})
