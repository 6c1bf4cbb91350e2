import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { decodeCursor, encodeCursor } from '../../src/api/search/cursor.ts'
import { followChains } from '../../src/index/follow.ts'
import { compactAll } from '../compact/scene.ts'
import { addMessages, laneOf, type Line, linesFrom, messagesFrom, placesOf, startSearch } from './search-scene.ts'

/** Pages until there is no more; `between` runs after each. */
async function pagesOf(url: string, body: object, between: (page: number) => Promise<void> | void = () => {}): Promise<string[]> {
  const places: string[] = []
  let cursor: string | null | undefined
  for (let page = 0; cursor !== null; page++) {
    const asked = cursor === undefined ? body : { cursor, ...('limit' in body ? { limit: body.limit } : {}) }
    const response = await fetch(`${url}/search`, { method: 'POST', body: JSON.stringify({ format: 'page', ...asked }) })
    const answer = (await response.json()) as { messages: Line[]; next: string | null }
    expect({ status: response.status, ...answer }).toMatchObject({ status: 200 })
    places.push(...placesOf(answer.messages))
    cursor = answer.next
    await between(page)
  }
  return places
}

const expectedPlaces = (topic: string, lanes: readonly number[], count: number): string[] =>
  lanes.flatMap((lane) => Array.from({ length: count }, (_, position) => `${topic}/${lane}@${position}`))

describe('a cursor', () => {
  it.each(['lane', 'time'] as const)(
    "gives by %s every message of the first page's moment once, whatever comes in between",
    async (order) => {
      await using scene = await startSearch()
      for (const lane of [0, 1, 2]) await addMessages(scene, laneOf('t', lane), messagesFrom(0, 250))
      const response = await fetch(`${scene.url}/search?topic=t&order=${order}`)
      const whole = placesOf(await linesFrom(response))
      let next = 250
      const grow = async () => {
        if (next > 400) return
        for (const lane of [0, 1, 2, 3, 10])
          await addMessages(scene, laneOf('t', lane), messagesFrom(lane < 3 ? next : next - 250, 20))
        next += 20
      }
      const places = await pagesOf(scene.url, { topic: 't', order, limit: 37 }, grow)
      expect(places).toEqual(whole)
      expect(new Set(places)).toEqual(new Set(expectedPlaces('t', [0, 1, 2], 250)))
    },
  )

  it.each(['lane', 'time'] as const)('gives by %s the same though segments are put together between its pages', async (order) => {
    await using scene = await startSearch()
    for (const lane of [0, 1])
      for (const first of [0, 50, 100, 150]) await addMessages(scene, laneOf('t', lane), messagesFrom(first, 50))
    const body = { topic: 't', order, limit: 37 }
    const before = await pagesOf(scene.url, body)
    let rewrites = 0
    const compact = async (page: number) => {
      if (page !== 1) return
      for (const done of await compactAll(scene.store)) rewrites += done.rewrites
      await followChains(scene.store, scene.index)
    }
    expect(await pagesOf(scene.url, body, compact)).toEqual(before)
    expect(rewrites).toBe(2)
    expect(new Set(before)).toEqual(new Set(expectedPlaces('t', [0, 1], 200)))
  })

  it('goes on after a restart with an index that was made anew, and waits for one that is not ready', async () => {
    const store = createMemoryStore()
    const first = await startSearch({ store })
    for (const lane of [0, 1]) await addMessages(first, laneOf('t', lane), messagesFrom(0, 250))
    const body = { topic: 't', order: 'time', limit: 120, format: 'page' }
    const page = (await (await fetch(`${first.url}/search`, { method: 'POST', body: JSON.stringify(body) })).json()) as {
      messages: Line[]
      next: string
    }
    await first[Symbol.asyncDispose]()
    const index = await openSqliteIndex({ path: ':memory:' })
    await using second = await startSearch({ store, index })
    const go = () =>
      fetch(`${second.url}/search`, { method: 'POST', body: JSON.stringify({ cursor: page.next, format: 'page' }) })
    const early = await go()
    expect([early.status, early.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await early.json()).toMatchObject({ error: { code: 'INDEX_UNAVAILABLE', lane: '0' } })
    await followChains(store, index, {}, new AbortController().signal)
    const rest = (await (await go()).json()) as { messages: Line[]; next: string | null }
    expect(rest.next).toBeNull()
    const places = [...placesOf(page.messages), ...placesOf(rest.messages)]
    expect(places).toHaveLength(500)
    expect(new Set(places)).toEqual(new Set(expectedPlaces('t', [0, 1], 250)))
  })

  it('goes on where a page ends for its bytes or its time, also where nothing was found yet', async () => {
    await using scene = await startSearch({ limits: { maxBytes: 6000 } })
    await addMessages(scene, laneOf('t', 0), messagesFrom(0, 2000), { lookups: [] })
    const stops = new Set<unknown>()
    const body = {
      topic: 't',
      filter: {
        or: [
          { field: 'id', equals: 'i3' },
          { field: 'id', equals: 'i1999' },
        ],
      },
    }
    let cursor: string | null | undefined
    const found: string[] = []
    for (let page = 0; page < 100 && cursor !== null; page++) {
      const response = await fetch(`${scene.url}/search`, {
        method: 'POST',
        body: JSON.stringify(cursor === undefined ? body : { cursor }),
      })
      const lines = await linesFrom(response)
      found.push(...placesOf(lines))
      stops.add(lines.at(-1)?.stopped)
      cursor = lines.at(-1)!.next ?? null
    }
    expect(found).toEqual(['t/0@3', 't/0@1999'])
    expect(stops).toEqual(new Set(['bytes', null]))
  })

  it('may come with what its search was asked, and with nothing else', async () => {
    await using scene = await startSearch()
    await addMessages(scene, laneOf('t', 0), messagesFrom(0, 100))
    const query = 'topic=t&from=-36500d&key=k1&key=k2'
    const page = (await (await fetch(`${scene.url}/search?${query}&limit=1&format=page`)).json()) as { next: string }
    const again = await fetch(`${scene.url}/search?${query}&cursor=${page.next}`)
    expect(placesOf(await linesFrom(again))).toEqual(['t/0@2', 't/0@51', 't/0@52'])
    const other = await fetch(`${scene.url}/search?topic=t&key=k3&cursor=${page.next}`)
    expect(other.status).toBe(400)
    expect(await other.json()).toMatchObject({ error: { code: 'INPUT_INVALID', path: 'cursor' } })
  })

  it('is refused where it is none, damaged, or of another version', async () => {
    await using scene = await startSearch()
    await addMessages(scene, laneOf('t', 0), messagesFrom(0, 10))
    const span = { lane: laneOf('t', 0), from: 0, to: 5 }
    const right = encodeCursor({ query: {}, order: 'lane', asked: undefined, spans: [span] })
    const lies = (spans: unknown) => encodeCursor({ query: {}, order: 'lane', asked: undefined, spans: spans as [typeof span] })
    for (const cursor of [
      '',
      'x',
      '1..',
      `2${right.slice(1)}`,
      right.slice(0, -1),
      right.replace(/.$/u, (last) => (last === 'A' ? 'B' : 'A')),
      lies([{ ...span, to: -1 }]),
      lies([{ ...span, from: 7, to: 7 }]),
      lies([{ ...span, from: 0.5 }]),
      lies([{ lane: { topic: 't', topicId: '1', lane: 7 }, from: 0, to: 5 }]),
      encodeCursor({ query: {}, order: 'sideways' as 'lane', asked: undefined, spans: [span] }),
    ]) {
      const response = await fetch(`${scene.url}/search`, { method: 'POST', body: JSON.stringify({ cursor }) })
      const { error } = (await response.json()) as Line
      expect([cursor, response.status, error?.code]).toEqual([cursor, 400, 'INPUT_INVALID'])
    }
    expect(decodeCursor(right)).toMatchObject({ spans: [span] })
  })

  it('carries thousands of lanes in a few kilobytes', () => {
    const spans = Array.from({ length: 10_000 }, (_, lane) => ({
      lane: laneOf('t', lane),
      from: 123_456 + lane * 7,
      to: 9_876_543 + lane * 11,
    }))
    const cursor = encodeCursor({ query: { topic: 't' }, order: 'time', asked: 'x', spans })
    expect(cursor.length).toBeLessThan(200_000)
    expect(decodeCursor(cursor).spans).toEqual(spans)
  })
})
