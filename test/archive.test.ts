import { array, assert, asyncProperty, constant, constantFrom, integer, oneof, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../src/adapters/memory/store.ts'
import { runArchive } from '../src/archive.ts'
import type { ArchiveEvent, ArchiveOptions } from '../src/archive/options.ts'
import { sliceBatch } from '../src/batch/batch.ts'
import type { MessageInput } from '../src/batch/builder.ts'
import { messagesOf } from '../src/batch/view.ts'
import { findChains, readCommits } from '../src/commit/chain.ts'
import type { StoredCommit } from '../src/commit/commit.ts'
import { verifyArchive } from '../src/commit/verify.ts'
import { readStoredBlock } from '../src/encode/formats.ts'
import { MillpondError } from '../src/errors.ts'
import type { Sink } from '../src/sink/sink.ts'
import { withoutPassed } from '../src/source/source.ts'
import type { Store } from '../src/store/store.ts'
import { createMemorySource, type MemorySource } from './live/memory-source.ts'
import { until } from './live/until.ts'

const options: ArchiveOptions = {
  format: 'avro',
  codec: 'zstandard',
  lookups: ['key', 'id'],
  blockBytes: 4096,
  rotate: { maxCount: 1_000_000, maxBytes: 1 << 30, maxSpanMs: Infinity, maxAgeMs: 3_600_000, idleMs: 3_600_000 },
  memoryBytes: 64 << 20,
  writer: 'w1',
  untilCaughtUp: true,
}

const messages = (from: number, to: number, bytes = 20): MessageInput[] =>
  Array.from({ length: to - from }, (_, i) => ({
    position: from + i,
    timestamp: 1_700_000_000_000 + (from + i) * 1000,
    key: `key-${(from + i) % 7}`,
    value: `${from + i}:`.padEnd(bytes, 'x'),
    id: `id-${from + i}`,
    headers: [{ name: 'n', value: String(from + i) }],
  }))

/** What a header's name cannot be. */
const NOT_UTF8 = new Uint8Array([0xc3, 0x28]) as unknown as string

/** A dead-letter sink that keeps what it is given. */
function keepingSink(): Sink & { readonly kept: { position: number; reason: string }[] } {
  const kept: { position: number; reason: string }[] = []
  return {
    name: 'kept',
    kept,
    async write(_target, batch) {
      for (const message of messagesOf(batch)) {
        const reason = message.headers.at(-1)!
        kept.push({ position: message.position, reason: `${reason.name}=${new TextDecoder().decode(reason.value ?? undefined)}` })
      }
      return { delivered: batch.count, failed: [] }
    },
    async [Symbol.asyncDispose]() {},
  }
}

interface Run {
  readonly source: MemorySource
  readonly store: Store
  readonly sink: ReturnType<typeof keepingSink>
  readonly events: ArchiveEvent[]
  start(changes?: Partial<ArchiveOptions>, signal?: AbortSignal, store?: Store, source?: MemorySource): Promise<void>
  setClockBack(byMs: number): void
}

function prepare(): Run {
  const source = createMemorySource('orders', 'topic-1')
  const store = createMemoryStore()
  const sink = keepingSink()
  const events: ArchiveEvent[] = []
  let behindMs = 0
  return {
    source,
    store,
    sink,
    events,
    setClockBack(byMs) {
      behindMs += byMs
    },
    start: (changes = {}, signal = new AbortController().signal, through = store, from = source) =>
      runArchive(
        {
          source: from,
          store: through,
          deadLetters: sink,
          nowMs: () => Date.now() - behindMs,
          monotonicMs: () => performance.now(),
          random: () => 0,
          randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
          onEvent: (event) => events.push(event),
        },
        { ...options, ...changes },
        signal,
      ),
  }
}

async function commitsOf(store: Store): Promise<StoredCommit[]> {
  const commits: StoredCommit[] = []
  for await (const { folder } of findChains(store)) for await (const commit of readCommits(store, folder)) commits.push(commit)
  return commits
}

/** Every message of the archive, read as anybody would: commit by commit, block by block. */
async function archived(
  store: Store,
): Promise<{ lane: string; position: number; value: string; key: string; id: string | null; header: string }[]> {
  const found = []
  const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? new Uint8Array())
  for (const commit of await commitsOf(store)) {
    for (const segment of commit.segments) {
      for (const block of segment.blocks) {
        const bytes = await store.read(segment.key, { start: block.offset, end: block.offset + block.bytes })
        for (const message of messagesOf(await readStoredBlock(segment, bytes))) {
          const header = text(message.headers[0]?.value ?? null)
          found.push({
            lane: commit.lane,
            position: message.position,
            value: text(message.value),
            key: text(message.key),
            id: message.id,
            header,
          })
        }
      }
    }
  }
  return found
}

const causes = (events: readonly ArchiveEvent[]) => events.flatMap((event) => (event.kind === 'committed' ? [event.cause] : []))

describe('the archive loop', () => {
  it('archives every lane once, in order, with all that a message has, and acknowledges last', async () => {
    const run = prepare()
    run.source.produce('0', messages(0, 500))
    run.source.produce('0', messages(500, 700))
    run.source.produce('1', messages(0, 300))
    await run.start()
    const found = await archived(run.store)
    for (const [lane, count] of [
      ['0', 700],
      ['1', 300],
    ] as const) {
      const expected = messages(0, count).map((m) => ({
        lane,
        position: m.position,
        value: m.value,
        key: m.key,
        id: m.id,
        header: String(m.position),
      }))
      expect(found.filter((message) => message.lane === lane)).toEqual(expected)
      expect(run.source.acknowledged.get(lane)).toBe(count)
    }
  })

  it('begins no chain of a lane that never had a message', async () => {
    const run = prepare()
    const lanes = run.source.lanes.bind(run.source)
    const empty = { topic: 'orders', topicId: 'topic-1', lane: '7', startPosition: 0, revoked: new AbortController().signal }
    const source: MemorySource = {
      ...run.source,
      async *lanes(signal) {
        yield empty
        yield* lanes(signal)
      },
      range: async (lane) => (lane.lane === '7' ? { oldest: 0, next: 0 } : run.source.range(lane)),
    }
    run.source.produce('0', messages(0, 10))
    await run.start({}, undefined, undefined, source)
    const chains = await Array.fromAsync(findChains(run.store), ({ lane }) => lane.lane)
    expect(chains).toEqual(['0'])
  })

  it('goes on where the chain ends, whatever was acknowledged', async () => {
    const run = prepare()
    run.source.produce('0', messages(0, 100))
    await run.start()
    run.source.produce('0', messages(100, 150))
    run.source.reassign('0')
    await run.start({ writer: 'w2' })
    expect((await archived(run.store)).map(({ position }) => position)).toEqual(messages(0, 150).map(({ position }) => position))
  })

  it.each([
    { cause: 'count', rotate: { maxCount: 100 } },
    { cause: 'bytes', rotate: { maxBytes: 2000 } },
    { cause: 'span', rotate: { maxSpanMs: 100_000 } },
  ])('closes a segment by $cause', async ({ cause, rotate }) => {
    const run = prepare()
    run.source.produce('0', messages(0, 1000))
    await run.start({ codec: 'null', rotate: { ...options.rotate, ...rotate } })
    expect(causes(run.events).length).toBeGreaterThan(3)
    expect(
      causes(run.events)
        .slice(0, -1)
        .every((found) => found === cause),
    ).toBe(true)
    expect(await archived(run.store)).toHaveLength(1000)
  })

  it.each([
    { cause: 'age', rotate: { maxAgeMs: 30 } },
    { cause: 'idle', rotate: { idleMs: 30 } },
  ])('closes a segment by $cause though nothing more comes and no block is full', async ({ cause, rotate }) => {
    const run = prepare()
    run.source.produce('0', messages(0, 3))
    const stop = new AbortController()
    const running = run.start({ untilCaughtUp: false, rotate: { ...options.rotate, ...rotate } }, stop.signal)
    await until(() => causes(run.events).length > 0, 'a commit')
    expect(causes(run.events)).toEqual([cause])
    run.source.produce('0', messages(3, 5))
    await until(() => causes(run.events).length > 1, 'another commit')
    stop.abort()
    await running
    expect(await archived(run.store)).toHaveLength(5)
  })

  it('closes a segment in time though the wall clock goes back while it is open', async () => {
    const run = prepare()
    run.source.produce('0', messages(0, 5))
    const stop = new AbortController()
    const changes = { untilCaughtUp: false, rotate: { ...options.rotate, idleMs: 50 } }
    const running = run.start(changes, stop.signal)
    await until(() => run.events.some(({ kind }) => kind === 'lane-opened'), 'the lane to open')
    await new Promise((resolve) => setImmediate(resolve))
    run.setClockBack(86_400_000)
    await until(() => causes(run.events).length === 1, 'the segment to close')
    stop.abort()
    await running
    expect(causes(run.events)).toEqual(['idle'])
    expect(await archived(run.store)).toHaveLength(5)
  })

  it('commits what was read when it is told to stop', async () => {
    const run = prepare()
    run.source.produce('0', messages(0, 40))
    const stop = new AbortController()
    const running = run.start({ untilCaughtUp: false }, stop.signal)
    await until(() => run.events.some(({ kind }) => kind === 'lane-opened'), 'the lane to open')
    await new Promise((resolve) => setImmediate(resolve))
    stop.abort()
    await running
    expect(causes(run.events)).toEqual(['stop'])
    expect(await archived(run.store)).toHaveLength(40)
  })

  it('records positions that the source went over, between and inside of blocks', async () => {
    const run = prepare()
    run.source.produce('0', [...messages(5, 10), ...messages(12, 13), ...messages(20, 30)])
    run.source.produce('0', messages(40, 45))
    await run.start()
    const data = (await commitsOf(run.store)).filter(({ kind }) => kind === 'data')
    expect(data.at(-1)!.nextPosition).toBe(45)
    expect(data.flatMap(({ gaps }) => gaps).reduce((sum, gap) => sum + gap.missing, 0)).toBe(45 - 5 - 1 - 10 - 5)
  })

  it.each([
    { end: 'is told to stop', cause: 'stop', rotate: {}, untilCaughtUp: false },
    { end: 'is old enough', cause: 'age', rotate: { maxAgeMs: 30 }, untilCaughtUp: false },
    { end: 'is idle', cause: 'idle', rotate: { idleMs: 30 }, untilCaughtUp: false },
    { end: 'has caught up', cause: 'stop', rotate: {}, untilCaughtUp: true },
  ])('commits positions at the end of a lane that no message follows when it $end', async ({ cause, rotate, untilCaughtUp }) => {
    const run = prepare()
    run.source.produce('0', messages(0, 5))
    run.source.pass('0', 9)
    const stop = new AbortController()
    const running = run.start({ untilCaughtUp, rotate: { ...options.rotate, ...rotate } }, stop.signal)
    await until(() => run.source.given('0') === 9, 'all to be read')
    if (cause === 'stop') stop.abort()
    await until(() => run.source.acknowledged.get('0') === 9, 'the commit')
    expect(causes(run.events)).toEqual([cause])
    stop.abort()
    await running
    expect((await commitsOf(run.store)).flatMap(({ gaps }) => gaps)).toEqual([
      { firstPosition: 5, nextPosition: 9, missing: 4, reason: 'skipped' },
    ])
  })

  it('commits a gap where all that came since the last commit holds no message, and messages behind it as ever', async () => {
    const run = prepare()
    run.source.pass('0', 3)
    const stop = new AbortController()
    const running = run.start({ untilCaughtUp: false, rotate: { ...options.rotate, idleMs: 30 } }, stop.signal)
    await until(() => run.source.acknowledged.get('0') === 3, 'the first gap')
    run.source.pass('0', 4)
    await until(() => run.source.acknowledged.get('0') === 4, 'the second gap')
    run.source.produce('0', messages(6, 8))
    await until(() => run.source.acknowledged.get('0') === 8, 'the messages')
    stop.abort()
    await running
    const data = (await commitsOf(run.store)).filter(({ kind }) => kind === 'data')
    expect(data.map(({ firstPosition, nextPosition }) => [firstPosition, nextPosition])).toEqual([
      [0, 3],
      [3, 4],
      [4, 8],
    ])
    expect(data.map(({ gaps }) => gaps.map(({ missing }) => missing))).toEqual([[3], [1], [2]])
    expect((await verifyArchive(run.store, { against: run.source })).clean).toBe(true)
  })

  it('ends where a lane ends in positions without a message, also where it has nothing else', async () => {
    const run = prepare()
    run.source.produce('0', messages(2, 40))
    run.source.pass('0', 50)
    run.source.produce('0', messages(50, 60))
    run.source.pass('0', 61)
    run.source.pass('1', 7)
    await run.start({ rotate: { ...options.rotate, maxCount: 10 } })
    expect([...run.source.acknowledged]).toEqual(
      expect.arrayContaining([
        ['0', 61],
        ['1', 7],
      ]),
    )
    expect((await archived(run.store)).map(({ position }) => position)).toEqual([
      ...messages(2, 40).map(({ position }) => position),
      ...messages(50, 60).map(({ position }) => position),
    ])
    const report = await verifyArchive(run.store, { against: run.source })
    expect(report.clean).toBe(true)
    expect(report.missing).toBe(2 + 10 + 1 + 7)
    expect(report.compared).toBe(48)
  })

  it('accounts for every position once, whatever comes, is passed or cannot be encoded, and wherever it is cut', async () => {
    const step = oneof(
      record({ kind: constantFrom('produce', 'pass', 'skip', 'break'), count: integer({ min: 1, max: 9 }) }),
      record({ kind: constant('run'), count: integer({ min: 1, max: 20 }) }),
    )
    await assert(
      asyncProperty(array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
        const run = prepare()
        const held: number[] = []
        const broken: number[] = []
        let next = 0
        let runs = 0
        // A source that has given all its lanes, so that a run ends at once.
        const source: MemorySource = {
          ...run.source,
          async *lanes() {
            yield { topic: 'orders', topicId: 'topic-1', lane: '0', startPosition: 0, revoked: new AbortController().signal }
          },
        }
        const archive = (maxCount: number) => {
          const rotate = { ...options.rotate, maxCount }
          return run.start({ writer: `w${++runs}`, blockBytes: 100, rotate }, undefined, undefined, source)
        }
        run.source.pass('0', 0)
        for (const { kind, count } of steps) {
          const rows = messages(next, next + count)
          if (kind === 'produce') {
            run.source.produce('0', rows)
            held.push(...rows.map(({ position }) => position))
          }
          if (kind === 'break') {
            run.source.produce(
              '0',
              rows.map((row) => ({ ...row, headers: [{ name: NOT_UTF8, value: 'x' }] })),
            )
            broken.push(...rows.map(({ position }) => position))
          }
          if (kind !== 'run') next += count
          if (kind === 'pass') run.source.pass('0', next)
          if (kind === 'run') await archive(count)
        }
        run.source.pass('0', next)
        await archive(5)
        expect((await archived(run.store)).map(({ position }) => position)).toEqual(held)
        const report = await verifyArchive(run.store, { against: run.source })
        expect(report.clean).toBe(true)
        expect(report.deadLettered).toBe(broken.length)
        expect(report.messages + report.missing + report.deadLettered).toBe(next)
        expect(run.source.acknowledged.get('0') ?? 0).toBe(next)
      }),
      { numRuns: 60 },
    )
  })

  it('records what the source no longer had, and goes on behind it', async () => {
    const run = prepare()
    run.source.produce('0', messages(0, 10))
    run.source.produce('0', messages(10, 20))
    run.source.expire('0', 10)
    await run.start()
    const gaps = (await commitsOf(run.store)).flatMap((commit) => commit.gaps)
    expect(gaps).toEqual([{ firstPosition: 0, nextPosition: 10, missing: 10, reason: 'expired' }])
    expect((await archived(run.store)).map(({ position }) => position)).toEqual(messages(10, 20).map(({ position }) => position))
    expect(run.events.filter(({ kind }) => kind === 'expired')).toHaveLength(1)
  })

  it('hands over what cannot be encoded, with the reason, and counts it', async () => {
    const run = prepare()
    const broken = (position: number): MessageInput => ({
      position,
      timestamp: 0,
      value: 'v',
      headers: [{ name: NOT_UTF8, value: 'x' }],
    })
    run.source.produce('0', [...messages(0, 3), broken(3), ...messages(4, 6), broken(6)])
    await run.start()
    expect(run.sink.kept.map(({ position }) => position)).toEqual([3, 6])
    expect(run.sink.kept[0]!.reason).toMatch(/^millpond-dead-letter-reason=.*UTF-8/u)
    const data = (await commitsOf(run.store)).filter(({ kind }) => kind === 'data')
    expect(data.flatMap(({ deadLetters }) => deadLetters.map(({ position }) => position))).toEqual([3, 6])
    expect(data.at(-1)!.nextPosition).toBe(7)
    expect((await archived(run.store)).map(({ position }) => position)).toEqual([0, 1, 2, 4, 5])
  })

  it('reads no further than its memory goes while the store is slow', async () => {
    const run = prepare()
    for (let i = 0; i < 50; i++) run.source.produce('0', messages(i * 10, i * 10 + 10, 10_000))
    const held = Promise.withResolvers<void>()
    let writes = 0
    const slow: Store = {
      ...run.store,
      async openWriter(key, signal) {
        const writer = await run.store.openWriter(key, signal)
        return {
          ...writer,
          async write(bytes) {
            writes += 1
            await held.promise
            await writer.write(bytes)
          },
        }
      },
    }
    const stop = new AbortController()
    let read = 0
    const counting: MemorySource = {
      ...run.source,
      async *read(lane, position, signal) {
        for await (const batch of withoutPassed(run.source.read(lane, position, signal))) {
          read += batch.count
          yield batch
        }
      },
    }
    const running = runArchive(
      {
        source: counting,
        store: slow,
        deadLetters: run.sink,
        nowMs: Date.now,
        monotonicMs: () => performance.now(),
        random: () => 0,
        randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      },
      { ...options, memoryBytes: 500_000 },
      stop.signal,
    )
    await until(() => writes > 0 && read > 0, 'the first write')
    await until(() => read >= 40, 'the budget to fill')
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(read).toBeLessThan(100)
    held.resolve()
    await running
    expect(await archived(run.store)).toHaveLength(500)
  })

  it.each(['avro', 'kafka'] as const)(
    'reads every lane in %s though what waits for full blocks would fill its memory',
    async (format) => {
      const run = prepare()
      const lanes = Array.from({ length: 40 }, (_, lane) => String(lane))
      const recordCodecs = format === 'kafka' ? (['none'] as const) : []
      const source = createMemorySource('orders', 'topic-1', recordCodecs)
      const some = messages(0, 20, 2000).map(({ id: _id, ...message }) => message)
      for (const lane of lanes) for (let at = 0; at < 20; at += 5) source.produce(lane, some.slice(at, at + 5))
      const stop = new AbortController()
      const changes = { format, untilCaughtUp: false, blockBytes: 1 << 20, memoryBytes: 400_000 }
      const running = run.start(changes, stop.signal, undefined, source)
      await until(() => lanes.every((lane) => source.given(lane) === 20), 'every lane to be read')
      // Nothing is due: neither age nor idleness closed a block.
      expect(causes(run.events).filter((cause) => cause !== 'memory')).toEqual([])
      stop.abort()
      await running
      expect(await archived(run.store)).toHaveLength(40 * 20)
    },
  )

  it('tries again after what passes, and writes nothing twice', async () => {
    const run = prepare()
    run.source.produce('0', messages(0, 200))
    let refusals = 3
    const failing: Store = {
      ...run.store,
      async putIfAbsent(key, bytes, signal) {
        if (key.startsWith('_millpond/') && !key.endsWith('genesis.avro') && refusals-- > 0) {
          if (refusals === 0) await run.store.putIfAbsent(key, bytes, signal)
          throw new MillpondError('STORE_UNAVAILABLE', 'the store is away')
        }
        return run.store.putIfAbsent(key, bytes, signal)
      },
    }
    await run.start({}, undefined, failing)
    expect(run.events.some(({ kind }) => kind === 'lane-retrying')).toBe(true)
    expect((await archived(run.store)).map(({ position }) => position)).toEqual(messages(0, 200).map(({ position }) => position))
  })

  it('leaves the winner its commit where two write one lane, and covers every position once', async () => {
    const run = prepare()
    const other = createMemorySource('orders', 'topic-1')
    for (const source of [run.source, other]) for (let i = 0; i < 20; i++) source.produce('0', messages(i * 50, i * 50 + 50))
    const second = runArchive(
      {
        source: other,
        store: run.store,
        deadLetters: run.sink,
        nowMs: Date.now,
        monotonicMs: () => performance.now(),
        random: () => 0,
        randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
        onEvent: (event) => run.events.push(event),
      },
      { ...options, writer: 'other', rotate: { ...options.rotate, maxCount: 70 } },
      new AbortController().signal,
    )
    await Promise.all([run.start({ rotate: { ...options.rotate, maxCount: 110 } }), second])
    expect((await archived(run.store)).map(({ position }) => position)).toEqual(messages(0, 1000).map(({ position }) => position))
    expect(run.events.some(({ kind }) => kind === 'race-lost')).toBe(true)
  })

  it('stops a lane alone whose source gives positions twice, and says so', async () => {
    const run = prepare()
    run.source.produce('0', messages(0, 10))
    run.source.produce('1', messages(0, 10))
    const wrong: MemorySource = {
      ...run.source,
      async *read(lane, _position, signal) {
        if (lane.lane === '1') yield* run.source.read(lane, 0, signal)
        else {
          const batch = (await run.source.read(lane, 0, signal)[Symbol.asyncIterator]().next()).value!
          if (!('count' in batch)) throw new Error('the lane begins with messages')
          // Short of the lane's end, with which reading ends.
          yield sliceBatch(batch, 0, 5)
          yield sliceBatch(batch, 0, 5)
        }
      },
    }
    const running = runArchive(
      {
        source: wrong,
        store: run.store,
        deadLetters: run.sink,
        nowMs: Date.now,
        monotonicMs: () => performance.now(),
        random: () => 0,
        randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      },
      { ...options, blockBytes: 1 },
      new AbortController().signal,
    )
    await expect(running).rejects.toMatchObject({ code: 'POSITION_INVALID' })
    expect((await archived(run.store)).filter(({ lane }) => lane === '1')).toHaveLength(10)
  })
})
