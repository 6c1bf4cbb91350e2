import { describe, expect, it } from 'vitest'
import { verifyArchive } from '../../src/commit/verify.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { createRandom } from '../live/random.ts'
import { mortal } from './mortal-store.ts'
import { archiver, commitsOf, listed, messages, openStore, options, positionsByObject } from './split-scene.ts'

/** Batches of a lane with gaps, as `random` cuts them. */
function produce(random: () => number, letters: string) {
  const source = createMemorySource('orders')
  let position = 0
  for (let batches = 0; batches < 12; batches++) {
    const to = position + 1 + Math.floor(random() * 15)
    source.produce('0', messages(position, to, letters))
    position = to + (random() < 0.2 ? Math.floor(random() * 4) : 0)
  }
  // It has given its lanes at once: a run that ends by itself need not wait for more of them.
  return { ...source, joined: async () => undefined }
}

describe('a writer that finds objects under its names', () => {
  it.each(Array.from({ length: 4 }, (_, part) => part))(
    'takes them over, so that listing alone is exactly once in the end, whatever crashes and races come (schedules of part %i)',
    async (part) => {
      for (let seed = part * 25; seed < part * 25 + 25; seed++) {
        const random = createRandom(seed)
        const source = produce(random, 'abcde'.slice(0, 1 + Math.floor(random() * 5)))
        const store = openStore()
        // Each run cuts objects and blocks elsewhere: settings change, memory and time close early.
        const start = (name: string, lastCall: number) => {
          source.reassign('0')
          const rotate = { ...options.rotate, maxCount: 3 + Math.floor(random() * 40) }
          const blockBytes = 64 << Math.floor(random() * 6)
          const through = mortal(store, lastCall, random() < 0.5, random)
          const changes = { writer: name, rotate, blockBytes, codec: random() < 0.5 ? 'null' : 'zstandard' } as const
          return archiver(source)
            .run(through, changes)
            .catch(() => undefined)
        }
        for (let run = 0; run < 6; run++) {
          const lastCalls = [2 + Math.floor(random() * 25), 2 + Math.floor(random() * 25)]
          const racing = random() < 0.4 ? lastCalls : lastCalls.slice(0, 1)
          await Promise.all(racing.map((lastCall, at) => start(`w${run}-${at}`, lastCall)))
        }
        source.reassign('0')
        await archiver(source).run(store, { writer: 'last' })

        const named = new Set((await commitsOf(store)).flatMap(({ segments }) => segments.map(({ key }) => key)))
        expect(new Set(await listed(store)), `seed ${seed}`).toEqual(named)
        const objects = await positionsByObject(store)
        const all = Object.values(objects).flat()
        expect(new Set(all).size, `seed ${seed}`).toBe(all.length)
        for (const held of Object.values(objects)) expect(held).toEqual([...held].sort((a, b) => a - b))
        const report = await verifyArchive(store, { against: source })
        expect(report, `seed ${seed}`).toMatchObject({ clean: true, messages: all.length, compared: all.length })
      }
    },
  )
})
