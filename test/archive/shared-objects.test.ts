import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyArchive } from '../../src/commit/verify.ts'
import { createValues } from '../../src/values/create-values.ts'
import type { Values } from '../../src/values/values.ts'
import { openTestRegistry } from '../adapters/registry/client.ts'
import { createRandom } from '../live/random.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { type SchemaRegistry, startSchemaRegistry } from '../servers/schema-registry.ts'
import { mortal } from './mortal-store.ts'
import {
  archived,
  avroObjects,
  datumOf,
  type Evolution,
  evolutions,
  expectedObjects,
  framedMessage,
  messagesOf,
  modes,
  quickSource,
  readAs,
  registered,
} from './shared-scene.ts'
import { archiver, commitsOf, listed, openStore, options } from './split-scene.ts'

describe.skipIf(serverMissing('schema-registry') !== undefined)('objects of several versions of a schema', () => {
  let server: SchemaRegistry
  let values: Values
  beforeAll(async () => {
    server = await startSchemaRegistry()
    const registry = openTestRegistry([server.url])
    values = createValues({ type: 'auto', registry, check: false, withVersions: true, nowMs: () => 0 })
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await values?.[Symbol.asyncDispose]()
    await server?.stop()
  })

  describe.each(evolutions.map((evolution, at) => ({ what: evolution.what, evolution, topic: `topic${at}` })))(
    'with $what',
    ({ evolution, topic }) => {
      it.each(modes)('are written as `%s` says, wherever batches end', async (mode) => {
        const ids = await registered(server, `${topic}-value`, evolution.versions)
        for (const pieces of [[100], [1], [2, 3]]) {
          const changes = { format: 'value-avro', schemaCompatibility: mode } as const
          const { store, source, buried } = await archived(messagesOf(evolution, ids), values, changes, { topic, pieces })
          expect(await avroObjects(store)).toEqual(
            expectedObjects(evolution, mode).map(({ name, version, rows }) => ({
              key: `${topic}/${name}.avro`,
              schema: JSON.stringify(evolution.versions[version - 1]),
              rows,
            })),
          )
          expect(buried).toEqual([])
          const report = await verifyArchive(store, { against: source })
          expect(report).toMatchObject({ clean: true, messages: evolution.sequence.length })
        }
      })
    },
  )

  const [grown] = evolutions as readonly [Evolution]

  it('begin anew with each commit, so that whoever goes on at one writes the same', async () => {
    const ids = await registered(server, 'anew-value', grown.versions)
    const changes = {
      format: 'value-avro',
      schemaCompatibility: 'backward',
      rotate: { ...options.rotate, maxCount: 3 },
    } as const
    const { store } = await archived(messagesOf({ ...grown, sequence: [3, 2, 1, 1, 2, 1, 2, 1] }, ids), values, changes, {
      topic: 'anew',
    })
    const objects = await avroObjects(store)
    expect(objects.map(({ schema, rows }) => [schema, rows.map(({ id }) => id)])).toEqual([
      [JSON.stringify(grown.versions[2]), [0, 1, 2]],
      [JSON.stringify(grown.versions[0]), [3]],
      [JSON.stringify(grown.versions[1]), [4, 5]],
      [JSON.stringify(grown.versions[1]), [6, 7]],
    ])
  })

  it('share nothing with schemas of other subjects, and with values that are not what their schema says', async () => {
    const [v1] = await registered(server, 'mixed-value', grown.versions.slice(0, 1))
    const [elsewhere] = await registered(server, 'elsewhere', grown.versions.slice(1, 2))
    const [v3] = await registered(server, 'mixed-value', grown.versions.slice(2, 3))
    const message = (position: number, id: number, version: number) =>
      framedMessage(position, id, datumOf(grown, version, position))
    const { store, buried } = await archived(
      [
        message(0, v3!, 3),
        message(1, elsewhere!, 2),
        message(2, v1!, 1),
        // Bytes that its schema does not describe stay as they are, under the schema that they name.
        framedMessage(3, v1!, Uint8Array.of(8, 1)),
        message(4, v1!, 1),
      ],
      values,
      { format: 'value-avro', schemaCompatibility: 'full', codec: 'null' },
      { topic: 'mixed' },
    )
    const commit = (await commitsOf(store)).find(({ kind }) => kind === 'data')
    expect(commit!.segments.map(({ key, count }) => [key, count])).toEqual([
      ['mixed/a/0+000000.avro', 3],
      ['mixed/a/0+000001.avro', 1],
      ['mixed/a/0+000003.avro', 1],
    ])
    expect(buried).toEqual([])
  })

  it('that a crash left are taken over with the values that were written anew, whatever crashes and races come', async () => {
    const evolution = { versions: grown.versions, more: grown.more! }
    const ids = await registered(server, 'crashes-value', evolution.versions)
    for (let seed = 0; seed < 24; seed++) {
      const random = createRandom(seed)
      const mode = modes[seed % modes.length]!
      const source = quickSource('crashes')
      const letters = 'ab'.slice(0, 1 + Math.floor(random() * 2))
      const versionOf: number[] = []
      for (let position = 0; position < 120;) {
        const count = 1 + Math.floor(random() * 15)
        const piece = Array.from({ length: count }, () => {
          const at = position++
          const version = 1 + Math.floor(random() * 3)
          versionOf[at] = version
          return framedMessage(at, ids[version - 1]!, datumOf(evolution, version, at), `${letters[at % letters.length]}-${at}`)
        })
        source.produce('0', piece)
      }
      const store = openStore()
      const run = (through: typeof store, writer: string, maxCount: number, blockBytes: number) => {
        source.reassign('0')
        const rotate = { ...options.rotate, maxCount }
        const changes = { format: 'value-avro', schemaCompatibility: mode, writer, rotate, blockBytes } as const
        return archiver(source).run(through, changes, { values })
      }
      for (let at = 0; at < 6; at++) {
        const lastCalls = Array.from({ length: random() < 0.4 ? 2 : 1 }, () => 2 + Math.floor(random() * 25))
        await Promise.all(
          lastCalls.map((lastCall, racer) => {
            const dying = mortal(store, lastCall, random() < 0.5, random)
            const maxCount = 3 + Math.floor(random() * 40)
            return run(dying, `w${at}-${racer}`, maxCount, 64 << Math.floor(random() * 6)).catch(() => undefined)
          }),
        )
      }
      await run(store, 'last', 1_000_000, 4096)
      const named = new Set((await commitsOf(store)).flatMap(({ segments }) => segments.map(({ key }) => key)))
      expect(new Set(await listed(store)), `seed ${seed}`).toEqual(named)
      const found: number[] = []
      for (const { schema, rows } of await avroObjects(store)) {
        const version = 1 + evolution.versions.findIndex((one) => JSON.stringify(one) === schema)
        for (const row of rows) {
          const id = Number(row['id'])
          found.push(id)
          expect(row, `seed ${seed}`).toEqual(readAs(grown, versionOf[id]!, version, id))
        }
      }
      expect(
        found.sort((a, b) => a - b),
        `seed ${seed}`,
      ).toEqual([...versionOf.keys()])
      const report = await verifyArchive(store, { against: source })
      expect(report, `seed ${seed}`).toMatchObject({ clean: true, messages: versionOf.length })
    }
  })

  it.each(['value-avro', 'value-parquet'] as const)(
    'in %s are found again by the next run, wherever the one before died, byte for byte',
    async (format) => {
      const ids = await registered(server, 'dies-value', grown.versions)
      const sequence = Array.from({ length: 40 }, (_, position) => 1 + (((position * 7) % 11) % 3))
      const produced = messagesOf({ ...grown, sequence }, ids)
      const changes = {
        format,
        schemaCompatibility: 'backward',
        rotate: { ...options.rotate, maxCount: 15 },
      } as const
      const run = async (store: ReturnType<typeof openStore>, from = store) => {
        const source = quickSource('dies')
        for (let at = 0; at < produced.length; at += 7) source.produce('0', produced.slice(at, at + 7))
        await archiver(source).run(from, changes, { values })
        return source
      }
      const whole = openStore()
      await run(whole)
      const keys = (await listed(whole)).sort()
      for (let lastCall = 1; lastCall < 24; lastCall++) {
        const store = openStore()
        await run(
          store,
          mortal(store, lastCall, lastCall % 2 === 0, () => 0),
        ).catch(() => undefined)
        expect(await verifyArchive(store, { against: await run(store) })).toMatchObject({ clean: true, messages: 40 })
        expect((await listed(store)).sort()).toEqual(keys)
        for (const key of keys) expect(await store.read(key)).toEqual(await whole.read(key))
      }
    },
  )
})
