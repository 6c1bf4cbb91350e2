import { describe, expect, it } from 'vitest'
import { verifyArchive } from '../../src/commit/verify.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { createRandom } from '../live/random.ts'
import { runDyingWriters } from './dying-writers.ts'
import { archiver, commitsOf, listed, messages, openStore, options } from './split-scene.ts'

const siblings = [{ keys: 'json', headers: 'json' }, { keys: 'avro', headers: 'avro' }, { headers: 'json' }] as const

/** A lane whose values tell their position, as their headers do. */
function produce(random: () => number) {
  const source = createMemorySource('orders')
  let position = 0
  for (let batches = 0; batches < 8; batches++) {
    const to = position + 1 + Math.floor(random() * 15)
    const made = messages(position, to, 'ab').map((one) => ({
      ...one,
      value: `{"n":${one.position}}`,
      headers: [{ name: 'n', value: String(one.position) }],
    }))
    source.produce('0', made)
    position = to
  }
  return { source: { ...source, joined: async () => undefined }, count: position }
}

describe('a writer that finds objects under its names, with keys and headers beside them', () => {
  it.each(siblings)('takes them over with what lies beside them, whatever crashes and races come: %o', async (kinds) => {
    for (let seed = 0; seed < 12; seed++) {
      const random = createRandom(seed)
      const { source, count } = produce(random)
      const store = openStore()
      const changes = () => ({
        format: 'value-json' as const,
        siblings: kinds,
        codec: 'null' as const,
        rotate: { ...options.rotate, maxCount: 3 + Math.floor(random() * 20) },
        blockBytes: 64 << Math.floor(random() * 6),
      })
      await runDyingWriters(store, source, random, (through, writer) => archiver(source).run(through, { ...changes(), writer }))

      const segments = (await commitsOf(store)).flatMap((commit) => commit.segments)
      const named = segments.flatMap((segment) => [segment.key, ...segment.siblings.map(({ key }) => key)])
      expect(new Set(await listed(store)), `seed ${seed}`).toEqual(new Set(named))
      const numbers: number[] = []
      for (const { key } of segments) {
        const lines = Buffer.from(await store.read(key))
          .toString()
          .trimEnd()
          .split('\n')
        numbers.push(...lines.map((line) => (JSON.parse(line) as { n: number }).n))
      }
      expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n))
      expect(await verifyArchive(store)).toMatchObject({ clean: true, messages: count })
    }
  })
})
