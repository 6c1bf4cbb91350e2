import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../../src/batch/builder.ts'
import { until } from '../../live/until.ts'
import { type Answer, commitsOf, type DataphosScene, messagesOf, openDataphos } from './scene.ts'

const T0 = Date.parse('2024-01-01T00:00:00Z')
const from = (first: number, count: number): MessageInput[] =>
  Array.from({ length: count }, (_, i) => ({
    position: first + i,
    timestamp: T0 + first + i,
    key: `k${i % 9}`,
    value: `v${first + i}`,
  }))

const summaryOf = ({ text }: Answer): Record<string, number> => (JSON.parse(text) as { summary: Record<string, number> }).summary
const sentBy = ({ sink }: DataphosScene): string[] =>
  sink.writes.flatMap(({ target: { origin }, messages }) =>
    messages.map(({ position }) => `${origin.topic}_${origin.lane}_${position}`),
  )

/** Weaknesses of Dataphos' archive and broker parts, and the tests that show that they are none here. */
const elsewhere: readonly { readonly fault: string; readonly file: string; readonly test: string }[] = [
  {
    fault: '1: a failed dead letter loses its batch',
    file: 'archive.test.ts',
    test: 'accounts for every position once, whatever comes, is passed or cannot be encoded, and wherever it is cut',
  },
  {
    fault: '2: two topics overwrite each other',
    file: 'config/layout.test.ts',
    test: 'keys of the layout dataphos do not tell topics apart',
  },
  {
    fault: '2, 3: objects of one name overwrite each other after a crash',
    file: 'archive/take-over.test.ts',
    test: 'takes them over, so that listing alone is exactly once in the end, whatever crashes and races come',
  },
  {
    fault: '4: each storage error costs a batch',
    file: 'archive.test.ts',
    test: 'tries again after what passes, and writes nothing twice',
  },
  {
    fault: '5: the index cannot be made anew',
    file: 'index/follow.test.ts',
    test: 'makes from the store alone what it had grown into',
  },
  {
    fault: '8: keys, null values, repeated and binary headers are lost',
    file: 'archive.test.ts',
    test: 'archives every lane once, in order, with all that a message has, and acknowledges last',
  },
  {
    fault: '9, 11: what comes again is indexed again',
    file: 'contract/segment-index.ts',
    test: 'adds a commit once, however often and from wherever it comes',
  },
  {
    fault: '12: commits go wrong while partitions move',
    file: 'adapters/kafka/source.test.ts',
    test: 'shares lanes while members come and go, with every message archived once',
  },
  {
    fault: '20: what hangs, hangs the process',
    file: 'store/retry.test.ts',
    test: 'gives up where a pause would end behind its budget',
  },
  {
    fault: '21: large messages cannot be read or set aside',
    file: 'faults/large-message.test.ts',
    test: 'goes all the way, in by HTTP and out by search and replay, and its bytes are equal',
  },
  {
    fault: '23: reading waits for writing',
    file: 'archive.test.ts',
    test: 'reads no further than its memory goes while the store is slow',
  },
  { fault: '27: passwords are logged', file: 'config/load.test.ts', test: 'read a secret from a file and hide it everywhere' },
  { fault: '28: no SASL', file: 'adapters/kafka/cluster.test.ts', test: 'scram-sha-512+tls' },
  {
    fault: '30: exit code 0 for a broken configuration',
    file: 'faults/config.test.ts',
    test: 'give ten messages and exit code 3 before anything is opened',
  },
]

describe('faults of Dataphos that other parts are free of', () => {
  it.each(elsewhere)('$fault: $file shows it', ({ file, test }) => {
    expect(readFileSync(resolve(import.meta.dirname, '../..', file), 'utf8')).toContain(test)
  })
})

describe('faults of Dataphos that do not happen here', () => {
  it('6: no name of a broker is needed: a topic is called by its own', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 3)))
    expect(messagesOf(await scene.get('/range/c/orders'))).toHaveLength(3)
  })

  it('7: ids of two topics do not clash', async () => {
    await using scene = await openDataphos()
    await scene.archive('a', '0', commitsOf(from(0, 3)))
    await scene.archive('b', '0', commitsOf(from(0, 3)))
    expect(messagesOf(await scene.get('/exact/c/a_0_1'))).toMatchObject([{ broker_id: 'a' }])
    expect(messagesOf(await scene.get('/exact/c/b_0_1'))).toMatchObject([{ broker_id: 'b' }])
  })

  it('8: a replayed message has its key, its null value, and its headers byte for byte, and no others', async () => {
    await using scene = await openDataphos()
    const headers = [
      { name: 'h', value: '1' },
      { name: 'h', value: '2' },
      { name: 'b', value: new Uint8Array([0xff, 0x00]) },
      { name: 'n', value: null },
    ]
    await scene.archive(
      'orders',
      '0',
      commitsOf([{ position: 0, timestamp: T0, key: new Uint8Array([0xfe]), value: null, headers }]),
    )
    expect(await scene.resubmit('/range/c?topic=again', { broker_id: 'orders' })).toMatchObject({ status: 200 })
    const [{ target, messages } = { target: undefined, messages: [] }] = scene.sink.writes
    expect(target).toMatchObject({ topic: 'again' })
    expect(messages).toHaveLength(1)
    expect(messages[0]).toMatchObject({ timestamp: T0, value: null })
    expect([...messages[0]!.key!]).toEqual([0xfe])
    expect(messages[0]!.headers.map(({ name, value }) => [name, value === null ? null : [...value]])).toEqual([
      ['h', [0x31]],
      ['h', [0x32]],
      ['b', [0xff, 0]],
      ['n', null],
    ])
  })

  it('8b: a second replay with the same bounds sends what came meanwhile too', async () => {
    await using scene = await openDataphos()
    const request = { broker_id: 'orders', lb: '2024-01-01T00:00:00Z', ub: '2024-02-01T00:00:00Z' }
    await scene.archive('orders', '0', commitsOf(from(0, 30)))
    expect(summaryOf(await scene.resubmit('/range/c?topic=t', request))['published_count']).toBe(30)
    await scene.archive('orders', '0', commitsOf(from(30, 30)))
    expect(summaryOf(await scene.resubmit('/range/c?topic=t', request))['published_count']).toBe(60)
  })

  it('9: a message that came twice through filters or ids is sent once', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 30)))
    const filters = [{ broker_id: 'orders' }, { location_position: { $lt: 5 } }, { unique_id: 'orders_0_3' }]
    expect(summaryOf(await scene.resubmit('/query/c?topic=t', { filters }))['published_count']).toBe(30)
    expect(new Set(sentBy(scene)).size).toBe(30)
    scene.sink.writes.length = 0
    const answer = await scene.resubmit('/resubmit/c?topic=t', { ids: ['orders_0_3', 'orders_0_3', 'orders_0_4'] })
    expect(summaryOf(answer)).toMatchObject({ starting_count: 3, indexed_count: 2, published_count: 2 })
    expect(sentBy(scene)).toEqual(['orders_0_3', 'orders_0_4'])
  })

  it('15: the order of each partition is kept, whatever selects', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 100)))
    await scene.archive('orders', '1', commitsOf(from(0, 100)))
    const ids = Array.from({ length: 50 }, (_, i) => `orders_${i % 2}_${(i * 37) % 100}`)
    for (const [path, body] of [
      ['/range/c?topic=t', { broker_id: 'orders' }],
      ['/resubmit/c?topic=t', { ids }],
      ['/query/c?topic=t', { filters: [{ ordering_key: 'k3' }, { location_position: { $gte: 4, $lte: 6 } }] }],
    ] as const) {
      scene.sink.writes.length = 0
      expect(await scene.resubmit(path, body)).toMatchObject({ status: 200 })
      for (const lane of ['0', '1']) {
        const positions = scene.sink.positions('orders', lane)
        expect(positions.length).toBeGreaterThan(3)
        expect(positions).toEqual(positions.toSorted((a, b) => a - b))
      }
    }
  })

  it('16: an object that is shorter than its commit says ends the request, not the process', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 60)))
    const [row] = messagesOf(await scene.get('/exact/c/orders_0_40'))
    const key = String(row!['location_key']).replace('gs://b/', '')
    const bytes = await scene.store.read(key)
    await scene.store.put(key, bytes.subarray(0, bytes.byteLength - 40))
    const answer = await scene.resubmit('/range/c?topic=t', { broker_id: 'orders' })
    expect(answer.status).toBe(206)
    expect(summaryOf(answer)).toMatchObject({ indexed_count: 60, published_count: 50 })
    expect(answer.text).toContain('"errors":{"pipeline_errors":[{"id":"orders_0_50","reason":"storage_error"}]}')
    expect(messagesOf(await scene.get('/exact/c/orders_0_5'))).toHaveLength(1)
  })

  it('16: a damaged block is told as such, and nothing of it is sent', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 60)))
    const [row] = messagesOf(await scene.get('/exact/c/orders_0_5'))
    const key = String(row!['location_key']).replace('gs://b/', '')
    const bytes = Uint8Array.from(await scene.store.read(key))
    bytes[bytes.byteLength - 30]! ^= 1
    await scene.store.put(key, bytes)
    const answer = await scene.resubmit('/range/c?topic=t', { broker_id: 'orders' })
    expect(answer).toMatchObject({ status: 206 })
    expect(summaryOf(answer)).toMatchObject({ indexed_count: 60, published_count: 20 })
    expect(answer.text).toContain('"reason":"deserialization_error"')
  })

  it('17: a target that cannot be opened or goes away is an answer, and the next request is served', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 30)))
    scene.sink.refuse = () => 'there is no such topic'
    const answer = await scene.resubmit('/range/c?topic=mistyped', { broker_id: 'orders' })
    expect(answer.status).toBe(400)
    expect(summaryOf(answer)).toEqual({ indexed_count: 30, fetched_count: 30, deserialized_count: 30, published_count: 0 })
    expect((JSON.parse(answer.text) as { errors: { pipeline_errors: unknown[] } }).errors.pipeline_errors).toHaveLength(30)
    scene.sink.refuse = undefined
    expect(await scene.resubmit('/range/c?topic=t', { broker_id: 'orders' })).toMatchObject({ status: 200 })
  })

  it('18: paging ends where rows are gone', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 30)))
    const path = '/range/c/orders?to=2024-02-01T00:00:00Z&limit=10'
    expect(JSON.parse((await scene.get(path)).text)).toMatchObject({ total_count: 30 })
    await scene.index.clear()
    expect(JSON.parse((await scene.get(`${path}&offset=10`)).text)).toMatchObject({ total_count: 0, returned_count: 0 })
  })

  it('19: two replays at once each count their own', async () => {
    await using scene = await openDataphos()
    await scene.archive('a', '0', commitsOf(from(0, 30)))
    await scene.archive('b', '0', commitsOf(from(0, 50)))
    const release = Promise.withResolvers<undefined>()
    let held = 0
    scene.sink.fault = async () => {
      held++
      await release.promise
      return undefined
    }
    const both = Promise.all(['a', 'b'].map((id) => scene.resubmit('/range/c?topic=t', { broker_id: id })))
    await until(() => held >= 2, 'both to be under way')
    release.resolve(undefined)
    const [a, b] = await both
    expect(summaryOf(a!)).toEqual({ indexed_count: 30, fetched_count: 30, deserialized_count: 30, published_count: 30 })
    expect(summaryOf(b!)).toEqual({ indexed_count: 50, fetched_count: 50, deserialized_count: 50, published_count: 50 })
    expect(a!.headers.get('x-millpond-jobs')).not.toBe(b!.headers.get('x-millpond-jobs'))
  })

  it('19: a caller that goes away leaves its replay to go on, recorded as a job', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 60)))
    const release = Promise.withResolvers<undefined>()
    let held = 0
    scene.sink.fault = async () => {
      held++
      await release.promise
      return undefined
    }
    const leaving = new AbortController()
    const url = `${scene.resubmitterUrl}/range/c?topic=t`
    const left = fetch(url, { method: 'POST', body: '{"broker_id":"orders"}', signal: leaving.signal }).catch(() => 'left')
    await until(() => held > 0, 'the replay to be under way')
    leaving.abort()
    expect(await left).toBe('left')
    release.resolve(undefined)
    await until(
      async () => (await scene.jobs.list(Date.now())).some(({ state, counts }) => state === 'done' && counts.delivered === 60),
      'the job to be done',
    )
  })

  it('25, 26: a look-up reads one block, and a late page only its own', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 6000), 100))
    const whole = (await scene.index.lanes())[0]!.bytes
    const readOf = async (path: string): Promise<number> => {
      const read = scene.store.read.bind(scene.store)
      let bytes = 0
      Object.assign(scene.store, {
        read: async (...words: Parameters<typeof read>) => {
          const part = await read(...words)
          if (words[0].endsWith('.avro') && !words[0].startsWith('_millpond/')) bytes += part.byteLength
          return part
        },
      })
      await scene.get(path)
      Object.assign(scene.store, { read })
      return bytes
    }
    expect(await readOf('/exact/c/orders_0_3000')).toBeLessThan(whole / 30)
    expect(await readOf('/range/c/orders?to=2024-02-01T00:00:00Z&limit=10&offset=5900')).toBeLessThan(whole / 15)
  })

  it('27: what is not meant to be asked is not asked of any database', async () => {
    await using scene = await openDataphos({ http: { token: 'a-long-enough-token' } })
    await scene.archive('orders', '0', commitsOf(from(0, 3)))
    for (const answer of [await scene.get('/range/c/orders'), await scene.resubmit('/range/c?topic=t', { broker_id: 'orders' })])
      expect(answer).toMatchObject({ status: 401 })
    const headers = { authorization: 'Bearer a-long-enough-token' }
    expect((await fetch(`${scene.indexerUrl}/range/c/orders`, { headers })).status).toBe(200)
  })

  it('27: nobody else than this machine is let in without a token', async () => {
    await expect(openDataphos({ dataphos: { indexer: { host: '0.0.0.0', port: 0 } } })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
  })

  it('29: times with an offset mean what they say', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf([{ position: 0, timestamp: Date.parse('2024-01-01T10:00:00Z') }]))
    const replay = async (lb: string, ub: string) =>
      summaryOf(await scene.resubmit('/range/c?topic=t', { broker_id: 'orders', lb, ub }))['published_count']
    expect(await replay('2024-01-01T11:59:00+02:00', '2024-01-01T12:01:00+02:00')).toBe(1)
    expect(await replay('2024-01-01T09:59:00+02:00', '2024-01-01T10:01:00+02:00')).toBe(0)
  })

  it.each([
    {
      path: '/range/c?topic=t',
      body: { broker_id: 'orders', lb: '2024-03-01T00:00:00Z', ub: '2024-02-01T00:00:00Z' },
      status: 200,
      published: 0,
    },
    { path: '/resubmit/c?topic=t', body: { ids: [''] }, status: 200, published: 0 },
    { path: '/resubmit/c?topic=orders', body: { ids: [] }, status: 200, published: 0 },
  ])('not validated: $path $body is an answer', async ({ path, body, status, published }) => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 3)))
    const answer = await scene.resubmit(path, body)
    expect(answer.status).toBe(status)
    expect(summaryOf(answer)['published_count']).toBe(published)
  })

  it('no loop: a topic is not replayed into itself', async () => {
    await using scene = await openDataphos()
    await scene.archive('orders', '0', commitsOf(from(0, 3)))
    const answer = await scene.resubmit('/range/c?topic=orders', { broker_id: 'orders' })
    expect(answer.status).toBe(400)
    expect(answer.text).toMatch(/"error":"[^"]*\(dataphos\.allowLoop\)","msg":"resubmission failed due to bad request"/u)
    expect(scene.sink.writes).toEqual([])
  })

  it('no loop, unless it is allowed', async () => {
    await using scene = await openDataphos({ dataphos: { allowLoop: true } })
    await scene.archive('orders', '0', commitsOf(from(0, 3)))
    expect(await scene.resubmit('/range/c?topic=orders', { broker_id: 'orders' })).toMatchObject({ status: 200 })
  })

  it(
    'pages without an order: of 200,000 messages asked for page by page each comes once, while more arrive, and a replay sends each once',
    { timeout: 300_000 },
    async () => {
      await using scene = await openDataphos()
      const small = (first: number, count: number): MessageInput[] =>
        Array.from({ length: count }, (_, i) => ({ position: first + i, timestamp: T0 + first + i, value: 'v' }))
      // Lane by lane in batches: messages as objects would take more memory than the archive.
      for (const lane of ['0', '1', '2', '3']) {
        const commits = Array.from({ length: 5 }, (_, commit) => ({
          segments: [[batchOf(small(commit * 10_000, 5000)), batchOf(small(commit * 10_000 + 5000, 5000))]],
        }))
        await scene.archive('orders', lane, commits)
      }
      const bounds = 'from=2024-01-01T00:00:00Z&to=2024-02-01T00:00:00Z'
      const ids: string[] = []
      for (let total = 1; ids.length < total;) {
        const answer = await scene.get(`/range/c/orders?${bounds}&limit=10000&offset=${ids.length}`)
        const rows = messagesOf(answer)
        expect(rows.length).toBeGreaterThan(0)
        for (const { unique_id: id } of rows) ids.push(String(id))
        total = (JSON.parse(answer.text) as { total_count: number }).total_count
        if (ids.length <= 30_000) await scene.archive('orders', '0', commitsOf(small(50_000 + ids.length / 100, 100), 100))
      }
      expect(ids).toHaveLength(200_300)
      expect(new Set(ids).size).toBe(200_300)
      const answer = await scene.resubmit('/range/c?topic=t', {
        broker_id: 'orders',
        lb: '2024-01-01T00:00:00Z',
        ub: '2024-02-01T00:00:00Z',
      })
      expect(summaryOf(answer)['published_count']).toBe(200_300)
      const sent = sentBy(scene)
      expect(sent).toHaveLength(200_300)
      expect(new Set(sent).size).toBe(200_300)
    },
  )
})
