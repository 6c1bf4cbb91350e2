import { describe, expect, it } from 'vitest'
import type { MessageInput } from '../../../src/batch/builder.ts'
import { commitsOf, messagesOf, openDataphos } from './scene.ts'

// Requests of Dataphos' documentation (quickstart and usage of the Persistor, read 2026-11) as they stand there; curl sends them with this content type.
const headers = { 'content-type': 'application/json' }

const message = (position: number, more: Partial<MessageInput> = {}): MessageInput => ({
  position,
  timestamp: Date.parse('2021-09-27T00:00:00Z') + position * 1000,
  value: String(position),
  ...more,
})

describe('requests as Dataphos documents them', () => {
  it('are answered as it documents: by time', async () => {
    await using scene = await openDataphos({ dataphos: { brokerIds: { orders: 'origin_broker_id' } } })
    await scene.archive('orders', '0', commitsOf(Array.from({ length: 20 }, (_, i) => message(i))))
    const body = `{
    "broker_id": "origin_broker_id",
    "lb": "0001-01-01T00:00:00Z",
    "ub": "2021-09-27T14:15:05Z"
}`
    const url = `${scene.resubmitterUrl}/range/indexer_collection?topic=destination`
    const response = await fetch(url, { method: 'POST', headers, body })
    expect(await response.json()).toEqual({
      status: 200,
      msg: 'resubmission successful',
      summary: { indexed_count: 20, fetched_count: 20, deserialized_count: 20, published_count: 20 },
      errors: {},
    })
    expect(new Set(scene.sink.writes.map(({ target }) => target.topic))).toEqual(new Set(['destination']))
  })

  it('are answered as it documents: by id', async () => {
    await using scene = await openDataphos()
    const ids = ['2523966771678879', '2523966771678312', 'another']
    await scene.archive('msg-topic', 'r', commitsOf(ids.map((id, i) => message(i, { id }))))
    const body = `{
    "ids": ["msg-topic_2523966771678879", "msg-topic_2523966771678312"]
}`
    const url = `${scene.resubmitterUrl}/resubmit/collection?topic=t`
    const response = await fetch(url, { method: 'POST', headers, body })
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      summary: { starting_count: 2, indexed_count: 2, fetched_count: 2, deserialized_count: 2, published_count: 2 },
    })
  })

  it('are answered as it documents: by filters, each row once though both pass it', async () => {
    await using scene = await openDataphos()
    // 80 with "a": "x", of which the records 88 to 90 of the object are later than the time; every tenth has "b": "y".
    const messages = Array.from({ length: 120 }, (_, i) => {
      const attributes = [...(i >= 40 ? [{ name: 'a', value: 'x' }] : []), ...(i % 10 === 8 ? [{ name: 'b', value: 'y' }] : [])]
      return message(i, { timestamp: Date.parse('2023-02-05T19:20:55.342Z') + (i - 88) * 1000, headers: attributes })
    })
    await scene.archive('orders', '0', [{ segments: commitsOf(messages, 40)[0]!.segments }])
    const body = `{
    "filters" : [
        {
            "additional_metadata.a" : "x",
            "location_position" : {
                "$gte": 88, "$lt": 91
            },
            "publish_time": {
                "$gte": "2023-02-05 19:20:55.342"
            }
        },
        {
            "additional_metadata.b" : "y"
        }
    ]
}`
    const asked = await scene.post('/query/collection?limit=100', body)
    const places = messagesOf(asked).map((row) => row['location_position'])
    expect(places).toEqual([9, 19, 29, 39, 49, 59, 69, 79, 89, 90, 99, 109, 119])
    const response = await fetch(`${scene.resubmitterUrl}/query/collection?topic=t`, { method: 'POST', headers, body })
    expect(await response.json()).toMatchObject({ status: 200, summary: { published_count: places.length } })
    expect(scene.sink.positions('orders', '0').map((position) => position + 1)).toEqual(places)
  })

  it('take any type of content, as Dataphos does', async () => {
    await using scene = await openDataphos()
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'nonsense']) {
      const response = await fetch(`${scene.indexerUrl}/all/c`, {
        method: 'POST',
        headers: { 'content-type': type },
        body: '{"ids":[]}',
      })
      expect(response.status).toBe(200)
    }
  })
})
