import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addMessages, laneOf, linesFrom, messagesFrom, placesOf, type SearchScene, startSearch } from './search-scene.ts'

describe('GET and POST /search', () => {
  let scene: SearchScene
  beforeAll(async () => {
    scene = await startSearch()
    for (const lane of [0, 1, 2]) await addMessages(scene, laneOf('orders', lane), messagesFrom(lane * 3, 1000, `o${lane}-`))
    await addMessages(scene, laneOf('clicks', 0), messagesFrom(0, 300, 'c-'))
  })
  afterAll(() => scene[Symbol.asyncDispose]())

  const get = (query: string, headers: Record<string, string> = {}) => fetch(`${scene.url}/search?${query}`, { headers })
  const post = (body: unknown, path = '/search', headers: Record<string, string> = {}) =>
    fetch(`${scene.url}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    })

  it('streams lines and says at their end that it is the end', async () => {
    const response = await get('topic=orders')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8')
    const lines = await linesFrom(response)
    expect(lines).toHaveLength(3001)
    expect(lines.at(-1)).toMatchObject({ end: true, next: null, stopped: null, stats: { messages: 3000 } })
    expect(placesOf(lines).slice(0, 2)).toEqual(['orders/0@0', 'orders/0@1'])
  })

  it.each<{ query: string; body: object; places: string[] }>([
    { query: 'id=o1-i7', body: { id: 'o1-i7' }, places: ['orders/1@7'] },
    { query: 'id=o1-i7&id=c-i9', body: { ids: ['o1-i7', 'c-i9'] }, places: ['clicks/0@9', 'orders/1@7'] },
    {
      query: 'topic=orders&lane=2&position=10..12',
      body: { topic: 'orders', lanes: ['2'], positions: { from: 10, to: 12 } },
      places: ['orders/2@10', 'orders/2@11'],
    },
    { query: 'topic=clicks&position=5', body: { topic: 'clicks', positions: { from: 5, to: 6 } }, places: ['clicks/0@5'] },
    {
      query: 'topic=clicks&from=1970-01-01T02:16:40.05%2B02:00&to=1970-01-01T00:16:40.071Z',
      body: { topic: 'clicks', from: 1_000_050, to: '1970-01-01T00:16:40.0701Z' },
      places: ['clicks/0@5', 'clicks/0@6', 'clicks/0@7'],
    },
    {
      query: `topic=clicks&filter=${encodeURIComponent('{"or":[{"field":"id","equals":"c-i1"},{"field":"position","gte":298}]}')}`,
      body: {
        topic: 'clicks',
        filter: {
          or: [
            { field: 'id', equals: 'c-i1' },
            { field: 'position', gte: 298 },
          ],
        },
      },
      places: ['clicks/0@1', 'clicks/0@298', 'clicks/0@299'],
    },
    {
      query: 'topic=clicks&header=region=eu&key=k0',
      body: { topic: 'clicks', headers: { region: 'eu' }, key: 'k0' },
      places: ['clicks/0@0', 'clicks/0@150'],
    },
    {
      query: 'topic=clicks&header=region^=e&keyBase64=azA=',
      body: { topic: 'clicks', headers: { region: ['eu', 'x'] }, keys: [{ base64: 'azA=' }] },
      places: ['clicks/0@0', 'clicks/0@150'],
    },
    { query: 'topic=clicks&header=!region', body: { topic: 'clicks', headers: { region: false } }, places: [] },
    {
      query: 'topic=clicks&header=region!=us&position=0..5',
      body: { topic: 'clicks', headers: { region: 'eu' }, positions: { to: 5 } },
      places: ['clicks/0@0', 'clicks/0@3'],
    },
    {
      query: 'topic=clicks&position=0..9&limit=1',
      body: { topic: 'clicks', positions: { to: 9 }, limit: 1 },
      places: ['clicks/0@0'],
    },
  ])('finds the same by $query as by a body', async ({ query, body, places }) => {
    expect(placesOf(await linesFrom(await get(query)))).toEqual(places)
    expect(placesOf(await linesFrom(await post(body)))).toEqual(places)
  })

  it('is counted by how it ended, with its time', async () => {
    await linesFrom(await get('topic=orders&limit=1'))
    expect((await get('topic=nowhere')).status).toBe(404)
    const text = await (await fetch(`${scene.url}/metrics`)).text()
    expect(text).toMatch(/millpond_searches_total\{route="\/search",outcome="done"\} [1-9]/u)
    expect(text).toMatch(/millpond_searches_total\{route="\/search",outcome="TOPIC_UNKNOWN"\} [1-9]/u)
    expect(text).toMatch(/millpond_search_seconds_count\{route="\/search"\} [1-9]/u)
  })

  it('merges lanes by time', async () => {
    const lines = await linesFrom(await get('topic=orders&order=time&limit=5'))
    expect(placesOf(lines)).toEqual(['orders/0@0', 'orders/0@1', 'orders/0@2', 'orders/0@3', 'orders/1@3'])
  })

  it('gives a page of JSON where that is asked for', async () => {
    for (const page of [
      await get('topic=clicks&position=0..2', { accept: 'application/json' }),
      await get('topic=clicks&position=0..2&format=page'),
      await post({ topic: 'clicks', positions: { to: 2 }, format: 'page' }),
    ]) {
      expect(page.headers.get('content-type')).toBe('application/json; charset=utf-8')
      expect(await page.json()).toMatchObject({ messages: [{ position: 0 }, { position: 1 }], next: null, stopped: null })
    }
    expect(await (await get('topic=clicks&id=none&format=page')).json()).toMatchObject({ messages: [], next: null })
  })

  it('gives the fields that are asked for, values to the byte', async () => {
    const answer = await (await get('topic=clicks&position=5&fields=position,value&fields=id')).text()
    expect(answer.split('\n')[0]).toBe('{"position":5,"id":"c-i5","value":{"n":5,"name":"c-5","big":12345678901234567890}}')
    expect((await (await post({ topic: 'clicks', id: 'c-i5', fields: ['key'] })).text()).split('\n')[0]).toBe('{"key":"k5"}')
    expect((await (await post({ topic: 'clicks', id: 'c-i5', fields: ['value'] })).text()).split('\n')[0]).toMatch(
      /^\{"value":\{"n":5,/u,
    )
  })

  it('counts exactly, reading only blocks at edges, and estimates without reading any', async () => {
    const counted = await (await fetch(`${scene.url}/search/count?topic=orders&position=50..851`)).json()
    expect(counted).toEqual({ count: 3 * 801, stats: { bytesRead: expect.any(Number), blocksRead: 6 } })
    expect(await (await post({ topic: 'orders' }, '/search/count')).json()).toEqual({
      count: 3000,
      stats: { bytesRead: 0, blocksRead: 0 },
    })
    expect(await (await post({ topic: 'orders' }, '/search/estimate')).json()).toMatchObject({
      lanes: 3,
      segments: 6,
      blocks: 30,
      messages: 3000,
      exact: true,
    })
    expect(await (await post({ id: 'o1-i7' }, '/search/estimate')).json()).toMatchObject({
      lanes: 1,
      segments: 1,
      blocks: 1,
      messages: 100,
      exact: false,
    })
  })
})
