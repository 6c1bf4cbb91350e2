import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import type { Caller } from '../../src/api/access.ts'
import { MillpondError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import { until } from '../live/until.ts'
import {
  addMessages,
  laneOf,
  type Line,
  linesFrom,
  messagesFrom,
  placesOf,
  type SearchScene,
  startSearch,
} from './search-scene.ts'

/** A store whose reads are counted, and can be held up or made to fail. */
function watchedStore() {
  const inner = createMemoryStore()
  const watch = { reads: 0, ended: 0, aborted: 0, beforeRead: (_key: string, _signal?: AbortSignal): Promise<void> | void => {} }
  const store: Store = {
    ...inner,
    async read(key, range, signal) {
      watch.reads++
      try {
        await watch.beforeRead(key, signal)
        signal?.throwIfAborted()
        return await inner.read(key, range, signal)
      } catch (error) {
        if (signal?.aborted) watch.aborted++
        throw error
      } finally {
        watch.ended++
      }
    },
  }
  return { store, watch }
}

/** The status and code of an error, or the status alone. */
const outcomeOf = async (response: Response): Promise<[status: number, code: unknown]> => [
  response.status,
  ((await response.json()) as Partial<Line>).error?.code,
]

const post = ({ url }: SearchScene, body: unknown, path = '/search', headers: Record<string, string> = {}) =>
  fetch(`${url}${path}`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers })

describe('a search whose caller goes away', () => {
  it('aborts what it reads and reads no further, before its first line and behind it', async () => {
    const { store, watch } = watchedStore()
    await using scene = await startSearch({ store, limits: { maxSearches: 1 } })
    await addMessages(scene, laneOf('t', 0), messagesFrom(0, 5000), { blockCount: 10, segmentBlocks: 1 })
    for (const heldFrom of [1, 20]) {
      const before = { ...watch }
      const held = Promise.withResolvers<void>()
      watch.beforeRead = (_key, signal) =>
        watch.reads - before.reads < heldFrom
          ? undefined
          : new Promise((_resolve, reject) => {
              held.resolve()
              signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
            })
      const asked = request(`${scene.url}/search?topic=t`)
      asked.on('error', () => {})
      asked.end()
      if (heldFrom > 1) {
        const [answer] = (await once(asked, 'response')) as [IncomingMessage]
        await once(answer, 'data')
      }
      await held.promise
      asked.destroy()
      await until(() => watch.ended === watch.reads && watch.aborted > before.aborted, 'reads to end')
      // The place of the search is free again, and nothing was read behind what was under way.
      watch.beforeRead = () => {}
      const reads = watch.reads
      let response = await fetch(`${scene.url}/search/estimate?topic=t`)
      await until(async () => {
        if (response.status === 503) response = await fetch(`${scene.url}/search/estimate?topic=t`)
        return response.status === 200
      }, 'a place that is free')
      expect(watch.reads).toBe(reads)
      expect(reads - before.reads).toBeLessThan(120)
    }
    expect(scene.errors).toEqual([])
  })

  it('waits for a caller that does not read, and reads on no further than it takes', async () => {
    const { store, watch } = watchedStore()
    await using scene = await startSearch({ store })
    const messages = messagesFrom(0, 4000).map((message) => ({ ...message, value: JSON.stringify('x'.repeat(20_000)) }))
    await addMessages(scene, laneOf('t', 0), messages, { blockCount: 20, segmentBlocks: 1, lookups: [] })
    const before = watch.reads
    const asked = request(`${scene.url}/search?topic=t`)
    asked.end()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    answer.pause()
    let seen = -1
    await until(async () => {
      const last = seen
      seen = watch.reads
      await new Promise((resolve) => setTimeout(resolve, 100))
      return last === watch.reads
    }, 'reading to pause')
    // 200 segments of 400 kB; a few fill what lies between the two.
    expect(watch.reads - before).toBeLessThan(120)
    let lines = 0
    for await (const chunk of answer) for (const byte of chunk as Buffer) if (byte === 10) lines++
    expect(lines).toBe(4001)
  })
})

describe('a search whose time is up while its caller reads nothing', () => {
  it('gives its place to others, and says where to go on when it is read', async () => {
    await using scene = await startSearch({ limits: { maxSearches: 1, maxTimeMs: 4000 } })
    const messages = messagesFrom(0, 2000).map((message) => ({ ...message, value: JSON.stringify('x'.repeat(20_000)) }))
    await addMessages(scene, laneOf('t', 0), messages, { blockCount: 20, segmentBlocks: 1, lookups: [] })
    const asked = request(`${scene.url}/search?topic=t`)
    asked.end()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    answer.pause()
    await until(async () => (await fetch(`${scene.url}/search/estimate?topic=t`)).status === 200, 'a place that is free')
    let text = ''
    for await (const chunk of answer) text += String(chunk)
    const lines = text.trimEnd().split('\n')
    const end = JSON.parse(lines.at(-1)!) as Line
    expect(end).toMatchObject({ end: true, stopped: 'time', next: expect.any(String) })
    await using patient = await startSearch({ store: scene.store, index: scene.index })
    const page = await fetch(`${patient.url}/search?cursor=${end.next}&limit=1&fields=position`)
    expect((await linesFrom(page))[0]).toEqual({ position: lines.length - 1 })
  })
})

describe('a search that fails', () => {
  it('ends with a line that says so, and breaks off, where lines came before', async () => {
    const { store, watch } = watchedStore()
    await using scene = await startSearch({ store })
    await addMessages(scene, laneOf('t', 0), messagesFrom(0, 5000), { blockCount: 10, segmentBlocks: 1 })
    const before = watch.reads
    watch.beforeRead = () => {
      if (watch.reads - before > 60) throw new MillpondError('STORE_UNAVAILABLE', 'the store is gone')
    }
    const asked = request(`${scene.url}/search?topic=t`)
    asked.end()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    let text = ''
    const failure = await (async () => {
      for await (const chunk of answer) text += String(chunk)
    })().catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'ECONNRESET' })
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
    expect(lines.length).toBeGreaterThan(10)
    expect(lines.at(-1)).toMatchObject({ error: { code: 'STORE_UNAVAILABLE' } })
    expect(lines.some(({ end }) => end)).toBe(false)
    expect(scene.errors.map(({ code }) => code)).toEqual(['STORE_UNAVAILABLE'])
  })

  it('is answered as any other error before its first line', async () => {
    const { store, watch } = watchedStore()
    await using scene = await startSearch({ store })
    await addMessages(scene, laneOf('t', 0), messagesFrom(0, 50))
    watch.beforeRead = () => {
      throw new MillpondError('STORE_UNAVAILABLE', 'the store is gone')
    }
    for (const path of ['/search?topic=t', '/search?topic=t&format=page', '/search/count?topic=t&position=5']) {
      expect([path, ...(await outcomeOf(await fetch(scene.url + path)))]).toEqual([path, 503, 'STORE_UNAVAILABLE'])
    }
  })

  it('says that it takes too much where there was nothing to give in its time', async () => {
    const { store, watch } = watchedStore()
    await using scene = await startSearch({ store, limits: { maxTimeMs: 50 } })
    await addMessages(scene, laneOf('t', 0), messagesFrom(0, 50))
    watch.beforeRead = (_key, signal) =>
      new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
    for (const path of ['/search?topic=t', '/search/count?topic=t&position=5']) {
      expect([path, ...(await outcomeOf(await fetch(scene.url + path)))]).toEqual([path, 413, 'SEARCH_TOO_LARGE'])
    }
  })

  it('stops a program over values that does not end, while others are answered', async () => {
    await using scene = await startSearch({ limits: { maxTimeMs: 1500 } })
    await addMessages(scene, laneOf('t', 0), messagesFrom(0, 5000), { blockCount: 5000 })
    await using patient = await startSearch({ store: scene.store, index: scene.index })
    const slow = post(scene, { topic: 't', where: '[range(1e9)] | length > 5' })
    for (let others = 0; others < 5; others++) {
      expect(placesOf(await linesFrom(await fetch(`${patient.url}/search?id=i7`)))).toEqual(['t/0@7'])
    }
    expect(await outcomeOf(await slow)).toEqual([413, 'SEARCH_TOO_LARGE'])
  })
})

describe('a search that cannot be', () => {
  it.each<{ path?: string; body: unknown; says: string; code?: string }>([
    { body: 'no json', says: 'the body is no JSON' },
    { body: '[]', says: 'a search is a JSON object' },
    { body: { topik: 't' }, says: 'topik: is unknown; did you mean topic?' },
    { body: { topic: 5 }, says: 'topic: must be text' },
    { body: { lanes: '0' }, says: 'lanes: must be a list' },
    { body: { positions: { form: 5 } }, says: 'positions.form: is unknown; did you mean from?' },
    { body: { positions: { from: -5 } }, says: 'positions.from: must be a whole number of at least 0' },
    { body: { from: '2026-02-30T00:00:00Z' }, says: 'from: must be a time' },
    { body: { from: '2026-02-28T00:00:00' }, says: 'from: must be a time' },
    { body: { limit: 0 }, says: 'limit: must be a whole number of at least 1' },
    { body: { order: 'size' }, says: 'order: must be lane or time' },
    { body: { key: { base64: 'a' } }, says: 'key: is no base64 with padding' },
    { body: { headers: { h: 5 } }, says: 'headers.h: must be text' },
    { body: { fields: ['valu'] }, says: 'fields[0]: is no field; did you mean value?' },
    { body: { filter: { feild: 'key', equals: 'x' } }, says: 'filter: "feild" is unknown; did you mean field?' },
    { body: { filter: { field: 'keys', equals: 'x' } }, says: 'filter.field: "keys" is no field; did you mean key?' },
    { body: { filter: { field: 'key', equal: 'x' } }, says: 'filter: "equal" is unknown; did you mean equals?' },
    { body: { filter: { field: 'key' } }, says: 'filter: says nothing of key' },
    { body: { filter: { field: 'position', prefix: 5 } }, says: 'filter.prefix: position is a number' },
    {
      body: { filter: { and: [{ field: 'id', equals: 'x' }, { not: { field: 'timestamp', gt: 'x' } }] } },
      says: 'filter.and[1].not.gt: must be a time',
    },
    { body: { filter: { and: [], or: [] } }, says: 'filter: beside and there may be no "or"' },
    {
      body: { filter: JSON.parse(`${'{"not":'.repeat(100)}{"and":[]}${'}'.repeat(100)}`) as unknown },
      says: 'a filter nests no deeper than 32',
    },
    { body: { filter: { or: Array.from({ length: 2000 }, () => ({ and: [] })) } }, says: 'a filter has no more than 1000 parts' },
    {
      body: { ids: [], filter: { field: 'id', in: Array.from({ length: 20_000 }, String) } },
      says: 'a filter has no more than 10000 values',
    },
    { body: { where: '.a ==' }, says: 'where: ', code: 'JQ_INVALID' },
    { body: { filter: { or: [{ jq: 'nosuch' }] } }, says: 'filter.or[0].jq: ', code: 'JQ_INVALID' },
    { body: { topic: 'orders' }, says: 'the archive has no topic orders; did you mean order?', code: 'TOPIC_UNKNOWN' },
    { path: '/search/count', body: { limit: 5 }, says: 'limit: has no place here' },
    { path: '/search?topic=t', body: {}, says: 'a search that is posted is all in its body' },
  ])('says $says', async ({ path, body, says, code = 'INPUT_INVALID' }) => {
    await using scene = await startSearch()
    await addMessages(scene, laneOf('order', 0), messagesFrom(0, 1))
    const response = await post(scene, body, path)
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    expect([response.status, error.code]).toEqual([code === 'TOPIC_UNKNOWN' ? 404 : 400, code])
    expect(error.message).toContain(says)
  })

  it.each([
    'nope=1',
    'topic=a&topic=b',
    'position=x',
    'position=..',
    'position=1..2..3',
    'limit=1e3',
    'filter=%7B',
    'decode=maybe',
    'format=xml',
    'from=yesterday',
  ])('refuses ?%s', async (query) => {
    await using scene = await startSearch()
    expect(await outcomeOf(await fetch(`${scene.url}/search?${query}`))).toEqual([400, 'INPUT_INVALID'])
  })
})

describe('callers', () => {
  const reader = (name: string, ...topics: string[]): Caller => ({
    name,
    may: (scope, topic) => scope === 'read' && topic !== undefined && topics.includes(topic),
  })
  const callers = { ann: reader('ann', 'a'), both: reader('both', 'a', 'b'), nobody: reader('nobody') }

  it('see the topics that they may read, and no others, also by a cursor of somebody else', async () => {
    await using scene = await startSearch({ callers })
    for (const topic of ['a', 'b']) await addMessages(scene, laneOf(topic, 0), messagesFrom(0, 2))
    const as = (caller: string, path: string) => fetch(scene.url + path, { headers: { 'x-test-caller': caller } })
    expect(placesOf(await linesFrom(await as('ann', '/search')))).toEqual(['a/0@0', 'a/0@1'])
    expect(placesOf(await linesFrom(await as('both', '/search')))).toHaveLength(4)
    expect(await (await as('ann', '/search/count')).json()).toMatchObject({ count: 2 })
    expect(await (await as('ann', '/archive/topics')).json()).toMatchObject({ topics: [{ topic: 'a' }] })
    const page = (await (await as('both', '/search?format=page&limit=1')).json()) as { next: string }
    for (const path of [
      '/search?topic=b',
      '/search/count?topic=b',
      '/archive/topics/b',
      '/archive/topics/b/lanes/0/messages/0',
      `/search?cursor=${page.next}`,
    ]) {
      expect([path, ...(await outcomeOf(await as('ann', path)))]).toEqual([path, 403, 'FORBIDDEN'])
      expect([path, (await as('both', path)).status]).toEqual([path, 200])
    }
    expect(await outcomeOf(await as('nobody', '/search'))).toEqual([403, 'FORBIDDEN'])
    const unknown = await as('ann', '/archive/topics/bb')
    expect(await outcomeOf(unknown)).toEqual([403, 'FORBIDDEN'])
  })

  it('have so many searches at once, each and all together, and are told to come again', async () => {
    const { store, watch } = watchedStore()
    await using scene = await startSearch({ store, callers, limits: { maxSearches: 3, maxSearchesPerCaller: 2 } })
    await addMessages(scene, laneOf('a', 0), messagesFrom(0, 2))
    const released = Promise.withResolvers<void>()
    watch.beforeRead = () => released.promise
    const before = watch.reads
    const search = (caller: string) => fetch(`${scene.url}/search?topic=a`, { headers: { 'x-test-caller': caller } })
    const held = [search('ann'), search('ann')]
    await until(() => watch.reads - before === 2, 'two searches')
    const third = await search('ann')
    expect(third.headers.get('retry-after')).toBe('1')
    expect(await outcomeOf(third)).toEqual([503, 'TOO_BUSY'])
    held.push(search('both'))
    await until(() => watch.reads - before === 3, 'three searches')
    expect(await outcomeOf(await search('both'))).toEqual([503, 'TOO_BUSY'])
    released.resolve()
    for (const one of held) expect(placesOf(await linesFrom(await one))).toHaveLength(2)
    expect((await search('ann')).status).toBe(200)
  })
})

describe('what the archive holds', () => {
  it('is told by topics, lanes and messages', async () => {
    await using scene = await startSearch()
    for (const lane of [0, 1]) await addMessages(scene, laneOf('a/ü', lane), messagesFrom(5, 10))
    const get = async (path: string) => (await fetch(`${scene.url}/archive/topics${path}`)).json()
    const summary = {
      topic: 'a/ü',
      topicId: '1',
      messages: 20,
      missing: 0,
      deadLettered: 0,
      segments: 2,
      minTimestamp: 1_000_050,
      maxTimestamp: 1_000_140,
    }
    expect(await get('')).toMatchObject({ topics: [{ ...summary, lanes: 2 }] })
    expect(await get('/a%2F%C3%BC')).toMatchObject({
      topics: [{ ...summary, lanes: [{ lane: '0', firstPosition: 5, nextPosition: 15, messages: 10 }, { lane: '1' }] }],
    })
    expect(await get('/a%2F%C3%BC/lanes/1/messages/7')).toMatchObject({ topic: 'a/ü', lane: '1', position: 7, id: 'i7' })
    expect(await get('/a%2F%C3%BC/lanes/1/messages/15')).toMatchObject({ error: { code: 'NOT_FOUND', nextPosition: 15 } })
    expect(await get('/a%2F%C3%BC/lanes/7/messages/1')).toMatchObject({ error: { code: 'LANE_UNKNOWN' } })
    expect(await get('/a%2F%C3%BC/lanes/1/messages/x')).toMatchObject({ error: { code: 'INPUT_INVALID' } })
    expect(await get('/none')).toMatchObject({ error: { code: 'TOPIC_UNKNOWN' } })
  })
})
