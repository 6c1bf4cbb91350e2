import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { openFileSpill } from '../../src/adapters/file/spill.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { MillpondError } from '../../src/errors.ts'
import { tableOf } from '../encode/parquet-segments.ts'
import { layoutOf } from '../layout/layout-of.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { until } from '../live/until.ts'
import { archiver, byKey, commitsOf, listed, messages, openStore, options, positionsByObject } from './split-scene.ts'

const positions = (from: number, to: number) => messages(from, to).map(({ position }) => position)
const held = async (store: ReturnType<typeof openStore>) =>
  Object.values(await positionsByObject(store))
    .flat()
    .sort((a, b) => a - b)

describe('a lane of several objects', () => {
  it('has each message once under its path, all named by one commit, which verifies', async () => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 300))
    source.produce('1', messages(0, 50))
    const store = openStore()
    await archiver(source).run(store)
    const objects = await positionsByObject(store)
    expect(Object.keys(objects)).toEqual(
      [
        'orders/a/0+000000.avro',
        'orders/b/0+000002.avro',
        'orders/c/0+000001.avro',
        'orders/a/1+000000.avro',
        'orders/b/1+000002.avro',
        'orders/c/1+000001.avro',
      ].sort(),
    )
    expect(await held(store)).toEqual([...positions(0, 300), ...positions(0, 50)].sort((a, b) => a - b))
    const data = (await commitsOf(store)).filter(({ kind, lane }) => kind === 'data' && lane === '0')
    expect(data.map(({ segments }) => segments.map(({ layout }) => layout))).toEqual([
      [{ letter: 'a' }, { letter: 'c' }, { letter: 'b' }],
    ])
    const report = await verifyArchive(store, { against: source })
    expect(report).toMatchObject({ clean: true, messages: 350, compared: 350 })
  })

  it('commits after exactly so many messages as it is told, wherever batches end', async () => {
    const source = createMemorySource('orders')
    for (const [from, to] of [
      [0, 3],
      [3, 61],
      [61, 100],
    ] as const)
      source.produce('0', messages(from, to))
    const store = openStore()
    await archiver(source).run(store, { rotate: { ...options.rotate, maxCount: 25 } })
    const data = (await commitsOf(store)).filter(({ kind }) => kind === 'data')
    expect(data.map(({ nextPosition }) => nextPosition)).toEqual([25, 50, 75, 100])
  })

  it('closes each object after exactly so many messages as it may hold, wherever batches end, all under one commit', async () => {
    const source = createMemorySource('orders')
    for (const [from, to] of [
      [0, 3],
      [3, 61],
      [61, 100],
    ] as const)
      source.produce('0', messages(from, to))
    const store = openStore()
    await archiver(source).run(store, { rotate: { ...options.rotate, maxObjectCount: 10 } })
    const data = (await commitsOf(store)).filter(({ kind }) => kind === 'data')
    expect(data).toHaveLength(1)
    const counts = Object.groupBy(data[0]!.segments, ({ layout }) => layout['letter']!)
    const ofLetter = (letter: string) => positions(0, 100).filter((at) => 'abc'[(at * 7919) % 3] === letter)
    for (const letter of 'abc') {
      const first = ofLetter(letter).filter((_, i) => i % 10 === 0)
      expect(counts[letter]!.map(({ firstPosition }) => firstPosition)).toEqual(first)
      expect(counts[letter]!.slice(0, -1).every(({ count }) => count === 10)).toBe(true)
    }
    expect(await held(store)).toEqual(positions(0, 100))
    expect((await verifyArchive(store, { against: source })).clean).toBe(true)
  })

  it('commits where time has gone on so far, and not for a message that comes late', async () => {
    const source = createMemorySource('orders')
    const late = messages(10, 11).map((message) => ({ ...message, timestamp: 0 }))
    source.produce('0', [...messages(0, 10), ...late, ...messages(11, 40)])
    const store = openStore()
    await archiver(source).run(store, { rotate: { ...options.rotate, maxSpanMs: 20_000 } })
    const data = (await commitsOf(store)).filter(({ kind }) => kind === 'data')
    expect(data.map(({ nextPosition }) => nextPosition)).toEqual([20, 40])
  })

  it('closes an object that is large and goes on in another, under the same commit', async () => {
    const source = createMemorySource('orders')
    for (let from = 0; from < 400; from += 20) source.produce('0', messages(from, from + 20, 'a', 500))
    const store = openStore()
    await archiver(source).run(store, { codec: 'null', blockBytes: 1024, rotate: { ...options.rotate, maxBytes: 64 * 1024 } })
    const data = (await commitsOf(store)).filter(({ kind }) => kind === 'data')
    expect(data).toHaveLength(1)
    expect(data[0]!.segments.length).toBeGreaterThan(2)
    expect(await held(store)).toEqual(positions(0, 400))
    expect((await verifyArchive(store, { against: source })).clean).toBe(true)
  })

  it('closes objects that got nothing for longest where more are open than it may keep, all under one commit', async () => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 260, 'abcdefghijklm'))
    source.produce('0', messages(260, 400, 'abcdefghijklm'))
    const store = openStore()
    await archiver(source).run(store, { maxOpenObjects: 10 })
    const data = (await commitsOf(store)).filter(({ kind }) => kind === 'data')
    expect(data).toHaveLength(1)
    expect(data[0]!.segments.length).toBeGreaterThan(13)
    expect(await held(store)).toEqual(positions(0, 400))
    expect((await verifyArchive(store, { against: source })).clean).toBe(true)
  })

  it('keeps an object open for late data as long as it is told, by the time of messages', async () => {
    const source = createMemorySource('orders')
    for (const [from, to, letter] of [
      [0, 20, 'a'],
      [20, 40, 'b'],
      [40, 41, 'a'],
      [41, 200, 'b'],
      [200, 201, 'a'],
    ] as const)
      source.produce('0', messages(from, to, letter))
    const store = openStore()
    await archiver(source).run(store, { graceMs: 60_000 })
    const objects = await positionsByObject(store)
    expect(Object.entries(objects).map(([key, found]) => [key, found.length])).toEqual([
      ['orders/a/0+000000.avro', 21],
      ['orders/a/0+000200.avro', 1],
      ['orders/b/0+000020.avro', 179],
    ])
    expect((await commitsOf(store)).filter(({ kind }) => kind === 'data')).toHaveLength(1)
  })

  it('holds what comes later than that together, one object of a path in a commit, though batches are many', async () => {
    const source = createMemorySource('orders')
    for (let from = 0; from < 600; from += 20) {
      const late = messages(from + 18, from + 20, 'ab').map((one) => ({ ...one, timestamp: one.timestamp - 3_600_000 }))
      source.produce('0', [...messages(from, from + 18, 'c'), ...late])
    }
    const store = openStore()
    await archiver(source).run(store, { graceMs: 60_000 })
    const counts = Object.entries(await positionsByObject(store)).map(([key, found]) => [key.split('/')[1], found.length])
    expect(counts).toEqual([
      ['a', 30],
      ['b', 30],
      ['c', 540],
    ])
    expect((await verifyArchive(store, { against: source })).clean).toBe(true)
  })

  it('takes no message for late because of one from the future', async () => {
    const source = createMemorySource('orders')
    const future = messages(20, 21, 'b').map((one) => ({ ...one, timestamp: Date.UTC(2100, 1) }))
    source.produce('0', [...messages(0, 20, 'a'), ...future])
    for (let from = 21; from < 201; from += 20) source.produce('0', messages(from, from + 20, 'a'))
    const store = openStore()
    await archiver(source).run(store, { graceMs: 60_000 })
    expect(Object.values(await positionsByObject(store)).map((found) => found.length)).toEqual([200, 1])
  })

  it('leaves out what the layout leaves out, and records it', async () => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 10, 'a?b'))
    source.produce('0', messages(10, 13, '?'))
    const store = openStore()
    await archiver(source).run(store)
    const out = [...messages(0, 10, 'a?b'), ...messages(10, 13, '?')].filter(({ key }) => String(key).startsWith('?'))
    expect(await verifyArchive(store)).toMatchObject({
      clean: true,
      missing: out.length,
      deadLettered: 0,
      messages: 13 - out.length,
    })
  })

  it.each([
    { cause: 'age', rotate: { maxAgeMs: 40 } },
    { cause: 'idle', rotate: { idleMs: 40 } },
  ])('commits by $cause though nothing more comes', async ({ cause, rotate }) => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 7))
    const store = openStore()
    const scene = archiver(source)
    const stop = new AbortController()
    const running = scene.run(store, { untilCaughtUp: false, rotate: { ...options.rotate, ...rotate } }, {}, stop)
    await until(() => source.acknowledged.get('0') === 7, 'the commit')
    stop.abort()
    await running
    expect(scene.events.flatMap((event) => (event.kind === 'committed' ? [event.cause] : []))).toEqual([cause])
    expect(await held(store)).toEqual(positions(0, 7))
  })

  it('hands over what has no path, with the reason, and counts it', async () => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 30, 'a!b'))
    source.produce('0', messages(30, 40, '!'))
    const store = openStore()
    const scene = archiver(source)
    await scene.run(store)
    const bad = [...messages(0, 30, 'a!b'), ...messages(30, 40, '!')].filter(({ key }) => String(key).startsWith('!'))
    expect(scene.buried.map(({ position }) => position).sort((a, b) => a - b)).toEqual(bad.map(({ position }) => position))
    expect(new Set(scene.buried.map(({ reason }) => reason))).toEqual(new Set(['its key has no letter']))
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, deadLettered: bad.length })
  })

  it('records positions without a message, wherever they are', async () => {
    const source = createMemorySource('orders')
    source.produce('0', [...messages(5, 10), ...messages(12, 30)])
    source.pass('0', 40)
    source.produce('0', messages(45, 50))
    source.pass('0', 60)
    const store = openStore()
    await archiver(source).run(store, { rotate: { ...options.rotate, maxCount: 8 } })
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, missing: 5 + 2 + 15 + 10 })
  })

  it('records what the source no longer had, and goes on behind it', async () => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 20))
    source.produce('0', messages(20, 40))
    source.expire('0', 20)
    const store = openStore()
    await archiver(source).run(store)
    expect(await held(store)).toEqual(positions(20, 40))
    expect((await commitsOf(store)).flatMap(({ gaps }) => gaps)).toEqual([
      { firstPosition: 0, nextPosition: 20, missing: 20, reason: 'expired' },
    ])
  })

  it('gives a topic that was made again names of its own', async () => {
    const store = openStore()
    const old = createMemorySource('orders', 'old')
    old.produce('0', messages(0, 10, 'a'))
    await archiver(old).run(store)
    const made = createMemorySource('orders', 'new')
    made.produce('0', messages(0, 12, 'a'))
    await archiver(made).run(store, { writer: 'w2' })
    const keys = await listed(store)
    expect(keys).toHaveLength(2)
    expect(keys[1]).toMatch(/^orders@[0-9a-f]{16}\/a\/0\+000000\.avro$/u)
    expect((await verifyArchive(store)).clean).toBe(true)
  })

  it('stops a lane alone where something else lies under a name that it needs, and says what to do', async () => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 10))
    source.produce('1', messages(0, 10))
    const store = openStore()
    await store.put('orders/a/0+000000.avro', new TextEncoder().encode('not ours'))
    const scene = archiver(source)
    const stop = new AbortController()
    const rotate = { ...options.rotate, idleMs: 20 }
    const running = scene.run(store, { untilCaughtUp: false, rotate }, {}, stop)
    await until(
      () => scene.events.some(({ kind }) => kind === 'lane-stopped') && source.acknowledged.has('1'),
      'the lane to fail',
    )
    stop.abort()
    await expect(running).rejects.toThrow(
      expect.objectContaining({ code: 'NAME_TAKEN', message: expect.stringContaining('move it elsewhere') as string }),
    )
    expect((await commitsOf(store)).filter(({ kind, lane }) => kind === 'data' && lane === '1')).toHaveLength(1)
  })

  it('leaves no part of an object behind where its source fails while the object is on its way', async () => {
    const source = createMemorySource('orders')
    for (let from = 0; from < 200; from += 20) source.produce('0', messages(from, from + 20, 'a', 500))
    const failed = Promise.withResolvers<void>()
    const failing = {
      ...source,
      async *read(...args: Parameters<typeof source.read>) {
        for await (const item of source.read(...args)) {
          if (source.given('0') >= 120) {
            failed.resolve()
            throw new MillpondError('STORE_REFUSED', 'the source is gone')
          }
          yield item
        }
      },
    }
    const store = openStore()
    const open = new Set<object>()
    const slow = {
      ...store,
      async openWriter(...args: Parameters<typeof store.openWriter>) {
        const one = {}
        open.add(one)
        await failed.promise
        for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
        const writer = await store.openWriter(...args)
        const end = () => open.delete(one)
        return { ...writer, finish: () => writer.finish().finally(end), abort: () => writer.abort().finally(end) }
      },
    }
    const rotate = { ...options.rotate, maxBytes: 4096 }
    const changes = { codec: 'null', blockBytes: 1024, rotate } as const
    await expect(archiver(failing).run(slow, changes)).rejects.toThrow('gone')
    await until(() => open.size === 0, 'the objects on their way')
    // What is there is whole.
    expect(Object.values(await positionsByObject(store)).every((found) => found.length > 0)).toBe(true)
    source.reassign('0')
    await archiver(source).run(store, { ...changes, writer: 'w2' })
    expect(await held(store)).toEqual(positions(0, 200))
  })

  it('names an object that is begun for another schema by its own first message, whatever id the one before had', async () => {
    const source = createMemorySource('orders')
    const values = Array.from({ length: 40 }, (_, n) => (n < 20 ? `{"n":${n}}` : `{"n":"${n}","m":[1]}`))
    const given = messages(0, 40, 'a').map((one, n) => ({ ...one, id: `id${n}`, value: values[n]! }))
    source.produce('0', given.slice(0, 20))
    source.produce('0', given.slice(20))
    const store = openStore()
    const layout = await layoutOf({ type: 'dataphos', dataphos: { mask: 'year' } })
    const { createValues } = await import('../../src/values/create-values.ts')
    await using known = createValues({ type: 'auto', registry: undefined, check: false, nowMs: Date.now })
    await archiver(source).run(store, { format: 'value-parquet', layout, blockBytes: 64 }, { values: known })
    const keys = await listed(store)
    expect(keys.length).toBeGreaterThan(1)
    expect((await commitsOf(store)).flatMap(({ segments }) => segments.map(({ key }) => key)).toSorted()).toEqual(keys.toSorted())
    expect(await verifyArchive(store)).toMatchObject({ clean: true, messages: 40 })
  })

  it('is split by a layout alone: the same layout with names of its own for each writer needs no take-over', async () => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 30))
    const store = openStore()
    const unique = {
      ...byKey,
      isUnique: true,
      openLane: (lane: { topic: string; lane: string }) => {
        const names = byKey.openLane(lane)
        return {
          ...names,
          objectKey: (...[path, start, extension]: Parameters<typeof names.objectKey>) =>
            names.objectKey(path, start, `${start.writer}.${extension}`),
        }
      },
    }
    await store.put('orders/a/0+000000.avro', new TextEncoder().encode('not ours'))
    await archiver(source).run(store, { layout: unique })
    expect((await verifyArchive(store, { against: source })).clean).toBe(true)
  })

  it('keeps many large objects open in little memory: compressed blocks wait on disk', async () => {
    const source = createMemorySource('orders')
    const letters = 'abcdefghijklmnopqrstuvwxyz'
    const noise = (position: number) => createHash('sha512').update(String(position)).digest('hex').repeat(32)
    for (let from = 0; from < 8000; from += 200)
      source.produce(
        '0',
        messages(from, from + 200, letters).map((message) => ({ ...message, value: noise(message.position) })),
      )
    const store = openStore()
    const folder = await mkdtemp(join(tmpdir(), 'millpond-split-'))
    let opened = 0
    let mostBytes = 0
    const openSpill = async () => {
      opened++
      const spill = await openFileSpill(folder)
      return {
        ...spill,
        async write(bytes: Uint8Array) {
          mostBytes = Math.max(mostBytes, bytes.byteLength)
          return spill.write(bytes)
        },
      }
    }
    const scene = archiver(source)
    await scene.run(store, { memoryBytes: 16 << 20, codec: 'null', blockBytes: 64 << 10 }, { openSpill })
    await rm(folder, { recursive: true })
    expect(opened).toBe(1)
    expect(mostBytes).toBeGreaterThan(1000)
    expect(scene.events.flatMap((event) => (event.kind === 'committed' ? [event.cause] : []))).toEqual(['stop'])
    expect(await listed(store)).toHaveLength(letters.length)
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, messages: 8000 })
  })

  it('writes keys and headers beside objects of values, all named by the commit, and the same again after a crash', async () => {
    const source = createMemorySource('orders')
    const withHeaders = messages(0, 30, 'ab').map((message) => ({
      ...message,
      value: `{"n":${message.position}}`,
      headers: [{ name: 'n', value: String(message.position) }],
    }))
    source.produce('0', withHeaders)
    const store = openStore()
    const crashed = {
      ...store,
      putIfAbsent: async (...[key, ...rest]: Parameters<typeof store.putIfAbsent>) => {
        if (key.startsWith('_millpond/') && !key.endsWith('genesis.avro')) throw new MillpondError('STORE_REFUSED', 'dead')
        return store.putIfAbsent(key, ...rest)
      },
    }
    const changes = { format: 'value-json', codec: 'gzip', siblings: { keys: 'json', headers: 'json' } } as const
    await expect(archiver(source).run(crashed, changes)).rejects.toThrow('dead')
    const before = await listed(store)
    expect(before).toHaveLength(6)
    source.reassign('0')
    await archiver(source).run(store, { ...changes, writer: 'w2' })
    expect(await listed(store)).toEqual(before)
    const commit = (await commitsOf(store)).find(({ kind }) => kind === 'data')
    const lines = async (key: string) =>
      gunzipSync(await store.read(key))
        .toString()
        .trimEnd()
        .split('\n')
    for (const { key, siblings } of commit!.segments) {
      expect(siblings.map(({ role }) => role)).toEqual(['keys', 'headers'])
      const [keys, headers] = await Promise.all(siblings.map((sibling) => lines(sibling.key)))
      const numbers = (await lines(key)).map((line) => (JSON.parse(line) as { n: number }).n)
      expect(keys!.map((line) => JSON.parse(line) as string)).toEqual(numbers.map((n) => withHeaders[n]!.key))
      expect(headers!.map((line) => JSON.parse(line) as unknown)).toEqual(
        numbers.map((n) => ({ headers: [{ key: 'n', value: String(n) }] })),
      )
    }
    expect(await verifyArchive(store)).toMatchObject({ clean: true, messages: 30 })
    await store.put(
      before.find((key) => key.includes('keys'))!,
      new Uint8Array(3),
    )
    await store.delete(before.find((key) => key.includes('headers'))!)
    const problems = (await verifyArchive(store)).problems.map(({ code }) => code)
    expect(problems).toEqual(expect.arrayContaining(['OBJECT_MISSING', 'SEGMENT_CORRUPT']))
  })

  it('has keys and headers in Parquet beside values in Parquet, under the names of Confluent, and the lane in columns', async () => {
    const source = createMemorySource('orders')
    source.produce(
      '0',
      messages(0, 30).map((message) => ({
        ...message,
        value: `{"n":${message.position}}`,
        headers: [{ name: 'n', value: String(message.position) }],
      })),
    )
    const store = openStore()
    await archiver(source).run(store, {
      format: 'value-parquet',
      codec: 'snappy',
      layout: await layoutOf({ type: 'confluent' }),
      siblings: { keys: 'parquet', headers: 'parquet' },
      formatOptions: { extraColumns: ['lane', 'position'] },
    })
    const name = 'topics/orders/partition=0/orders+0+0000000000'
    const keys = ['', '.headers', '.keys'].map((sibling) => `${name}${sibling}.snappy.parquet`)
    expect((await listed(store)).sort()).toEqual(keys.toSorted())
    const [values, headers, ownKeys] = await Promise.all(keys.map(async (key) => tableOf(await store.read(key))))
    expect(values).toEqual(positions(0, 30).map((n) => ({ __lane: '0', __position: n, n })))
    expect(headers).toEqual(positions(0, 30).map((n) => ({ headers: [{ key: 'n', value: String(n) }] })))
    expect(ownKeys).toEqual(messages(0, 30).map(({ key }) => ({ key })))
    expect(await verifyArchive(store)).toMatchObject({ clean: true, messages: 30 })
  })

  it.each([
    ['zstandard', 'zstd.parquet'],
    ['gzip', 'gz.parquet'],
    ['null', 'parquet'],
  ] as const)('names Parquet files in %s as Confluent does: .%s', async (codec, ending) => {
    const source = createMemorySource('orders')
    source.produce('0', [{ position: 0, timestamp: 0, value: '{}' }])
    const store = openStore()
    await archiver(source).run(store, { format: 'value-parquet', codec, layout: await layoutOf({ type: 'confluent' }) })
    expect(await listed(store)).toEqual([`topics/orders/partition=0/orders+0+0000000000.${ending}`])
  })
})
