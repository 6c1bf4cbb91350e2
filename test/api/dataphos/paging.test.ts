import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MessageInput } from '../../../src/batch/builder.ts'
import { commitsOf, type DataphosScene, messagesOf, openDataphos } from './scene.ts'

const T0 = Date.parse('2024-01-01T00:00:00Z')
const from = (first: number, count: number): MessageInput[] =>
  Array.from({ length: count }, (_, i) => ({ position: first + i, timestamp: T0 + (first + i) * 1000, value: `v${first + i}` }))

const RANGE = '/range/c/orders?from=2024-01-01T00:00:00Z&to=2024-02-01T00:00:00Z'

/** Goes from page to page as Dataphos' Resubmitter does, `between` two of them. */
async function walk(scene: DataphosScene, limit: number, between: (page: number) => Promise<void> = () => Promise.resolve()) {
  const ids: unknown[] = []
  for (let page = 0; ; page++) {
    const answer = await scene.get(`${RANGE}&limit=${limit}&offset=${ids.length}`)
    const rows = messagesOf(answer)
    ids.push(...rows.map(({ unique_id: id }) => id))
    const { total_count: total } = JSON.parse(answer.text) as { readonly total_count: number }
    if (ids.length >= total) return { ids, total }
    expect(rows.length).toBeGreaterThan(0)
    await between(page)
  }
}

describe('pages', () => {
  it('hold each row once, whatever size they have, and blocks before them are not read', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 100)))
    await scene.archive('orders', '1', commitsOf(from(0, 57)))
    for (const limit of [1, 7, 10, 50, 1000]) {
      const { ids, total } = await walk(scene, limit)
      expect(total).toBe(157)
      expect(new Set(ids).size).toBe(157)
    }
    const last = await scene.get(`${RANGE}&limit=1&offset=156`)
    expect(messagesOf(last)).toMatchObject([{ unique_id: 'orders_1_56' }])
  })

  it('keep their order while lanes that come earlier get what is new', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 40)))
    await scene.archive('orders', '1', commitsOf(from(0, 40)))
    let next = 40
    const { ids, total } = await walk(scene, 11, async (page) => {
      if (page > 4) return
      // In an order by lane these would push rows that were seen onto the next page.
      await scene.archive('orders', '0', commitsOf(from(next, 20)))
      next += 20
    })
    expect(total).toBe(80 + 100)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toHaveLength(180)
  })

  it('count what came after the first call with the same bounds', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 30)))
    expect((await walk(scene, 10)).total).toBe(30)
    await scene.archive('orders', '0', commitsOf(from(30, 30)))
    expect((await walk(scene, 10)).ids).toHaveLength(60)
  })

  it('begin anew where the index was made anew', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 30)))
    expect((await walk(scene, 10)).total).toBe(30)
    await scene.index.clear()
    expect((await scene.get(RANGE)).text).toBe('{"total_count":0,"returned_count":0,"limit":20,"offset":0,"messages":null}')
  })

  it('are exact for any bounds, timestamps that go back included', async () => {
    await using scene = await openDataphos()
    const second = fc.nat(30)
    const lanes = fc.array(fc.array(second, { maxLength: 40 }), { minLength: 1, maxLength: 3 })
    let run = 0
    await fc.assert(
      fc.asyncProperty(lanes, second, second, fc.nat(20), async (seconds, a, b, offset) => {
        const topic = `t${run++}`
        for (const [lane, times] of seconds.entries()) {
          const messages = times.map((time, position) => ({ position, timestamp: T0 + time * 1000 }))
          await scene.archive(topic, String(lane), messages.length === 0 ? [] : commitsOf(messages, 3))
        }
        const [low, high] = [Math.min(a, b), Math.max(a, b)]
        const wanted = seconds.flatMap((times, lane) =>
          times.flatMap((time, position) => (time >= low && time < high ? [`${topic}_${lane}_${position}`] : [])),
        )
        const bound = (time: number): string => new Date(T0 + time * 1000).toISOString()
        const answer = await scene.get(`/range/c/${topic}?from=${bound(low)}&to=${bound(high)}&limit=1000&offset=${offset}`)
        expect(JSON.parse(answer.text)).toMatchObject({ total_count: wanted.length })
        expect(messagesOf(answer).map(({ unique_id: id }) => id)).toEqual(wanted.slice(offset))
      }),
      { numRuns: 30 },
    )
  })

  it('may be as large as all there is, and are sent piece by piece', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 20_000), 1000))
    const answer = await scene.get(`${RANGE}&limit=1000000`)
    expect(answer.headers.get('content-length')).toBeNull()
    expect(new Set(messagesOf(answer).map(({ unique_id: id }) => id)).size).toBe(20_000)
  })
})
