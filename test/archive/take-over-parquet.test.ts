import { describe, expect, it } from 'vitest'
import { verifyArchive } from '../../src/commit/verify.ts'
import { tableOf } from '../encode/parquet-segments.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { createRandom } from '../live/random.ts'
import { runDyingWriters } from './dying-writers.ts'
import { archiver, commitsOf, listed, messages, openStore, options } from './split-scene.ts'

describe('a writer that finds Parquet files of values under its names', () => {
  it.each([{}, { keys: 'parquet', headers: 'parquet' }] as const)(
    'takes them over as far as they go, whatever crashes and races come, with %o beside them',
    async (siblings) => {
      for (let seed = 0; seed < 12; seed++) {
        const random = createRandom(seed)
        const memory = createMemorySource('orders')
        const keys: unknown[] = []
        let position = 0
        for (let batches = 0; batches < 8; batches++) {
          const to = position + 1 + Math.floor(random() * 15)
          const made = messages(position, to, 'ab').map((one) => ({ ...one, value: `{"n":${one.position}}` }))
          keys.push(...made.map(({ key }) => key))
          memory.produce('0', made)
          position = to
        }
        const source = { ...memory, joined: async () => undefined }
        const store = openStore()
        // Commits are due elsewhere in each run, as they are by time, and row groups are cut elsewhere.
        const changes = () => ({
          format: 'value-parquet' as const,
          siblings,
          codec: random() < 0.5 ? ('null' as const) : ('zstandard' as const),
          blockBytes: 32 << Math.floor(random() * 6),
          rotate: { ...options.rotate, maxCount: 3 + Math.floor(random() * 20) },
        })
        await runDyingWriters(store, source, random, (through, writer) => archiver(source).run(through, { ...changes(), writer }))
        const segments = (await commitsOf(store)).flatMap((commit) => commit.segments)
        const named = segments.flatMap((segment) => [segment.key, ...segment.siblings.map(({ key }) => key)])
        expect(new Set(await listed(store)), `seed ${seed}`).toEqual(new Set(named))
        const numbers: number[] = []
        for (const { key, siblings: beside } of segments) {
          const rows = (await tableOf(await store.read(key))) as { readonly n: number }[]
          numbers.push(...rows.map(({ n }) => n))
          // Messages have no headers.
          const expected = { keys: rows.map(({ n }) => ({ key: keys[n] })), headers: rows.map(() => ({ headers: [] })) }
          for (const { role, key: other } of beside) expect(await tableOf(await store.read(other))).toEqual(expected[role])
        }
        expect(
          numbers.sort((a, b) => a - b),
          `seed ${seed}`,
        ).toEqual(Array.from({ length: position }, (_, n) => n))
        expect(await verifyArchive(store), `seed ${seed}`).toMatchObject({ clean: true, messages: position })
      }
    },
  )

  it('stops where one of them holds something else', async () => {
    const source = { ...createMemorySource('orders'), joined: async () => undefined }
    source.produce(
      '0',
      messages(0, 10, 'a').map((one) => ({ ...one, value: '{"n":1}' })),
    )
    const store = openStore()
    await archiver(source).run(store, { format: 'value-parquet', siblings: { keys: 'parquet' } })
    for (const left of (await listed(store)).sort()) {
      const other = openStore()
      await other.put(left, await store.read(left))
      const changed = { ...createMemorySource('orders'), joined: async () => undefined }
      changed.produce(
        '0',
        messages(0, 10, 'a').map((one) => ({ ...one, key: 'a', value: '{"n":2}' })),
      )
      await expect(
        archiver(changed).run(other, { format: 'value-parquet', siblings: { keys: 'parquet' } }),
      ).rejects.toMatchObject({
        code: 'NAME_TAKEN',
      })
    }
  })
})
