import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCountSink } from '../../src/adapters/count/sink.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import type { Message } from '../../src/batch/view.ts'
import type { Clock } from '../../src/replay/deliver.ts'
import type { ReplayParts, ReplayProgress } from '../../src/replay/lane.ts'
import { REPLAY_HEADERS } from '../../src/replay/marks.ts'
import { runReplay } from '../../src/replay/replay.ts'
import type { MessageQuery } from '../../src/search/query.ts'
import { until } from '../live/until.ts'
import type { Scene } from './archives.ts'
import { archiveLanes, createMemorySink, laneOf, messagesFrom, openScene } from './archives.ts'

const never = new AbortController().signal
const retry = { maxAttempts: 3, firstDelayMs: 1, maxDelayMs: 2 }
const count = { kind: 'count' }

const partsOf = (scene: Scene, parts: Pick<ReplayParts, 'sink'> & Partial<ReplayParts>): ReplayParts => ({
  ...scene,
  nowMs: Date.now,
  retry,
  ...parts,
})

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes))

/** A clock that moves only when somebody waits. */
function createClock(): Clock & { ms: number } {
  const clock = {
    ms: 0,
    nowMs: () => clock.ms,
    wait: async (delayMs: number) => {
      clock.ms += delayMs
    },
  }
  return clock
}

describe('a replay', () => {
  it('delivers every message of the selection, in the order of each lane, and marks it', async () => {
    await using scene = await openScene([laneOf('orders', '0', 95), laneOf('orders', '1', 30, 1000), laneOf('other', '0', 20)])
    await scene.plan({ query: { topic: 'orders' }, target: { kind: 'local', topic: 'new' } })
    const sink = createMemorySink()
    const { job, stats } = await runReplay('job-1', partsOf(scene, { sink }), never)

    expect(sink.positions('orders', '0')).toEqual(range(0, 95))
    expect(sink.positions('orders', '1')).toEqual(range(1000, 1030))
    const { target, messages } = sink.writes.find(({ target }) => target.origin.lane === '0')!
    expect(target).toEqual({ topic: 'new', origin: { topic: 'orders', topicId: 'orders', lane: '0' }, job: 'job-1' })
    const original = messagesFrom(0, 1)[0]!
    expect({ ...messages[0], headers: messages[0]!.headers.map(({ name, value }) => [name, text(value)]) }).toEqual({
      ...original,
      key: new TextEncoder().encode('key 0'),
      value: new TextEncoder().encode('value 0'),
      id: null,
      headers: [['own', '0'], ...REPLAY_HEADERS.map((name, i) => [name, ['job-1', 'orders', '0', '0'][i]])],
    })
    expect(job).toMatchObject({ state: 'done', error: null, counts: { read: 125, delivered: 125, failed: 0 }, failures: [] })
    expect(job.parts.map(({ state, nextPosition }) => [state, nextPosition])).toEqual([
      ['done', 95],
      ['done', 1030],
    ])
    expect(await scene.jobs.get('job-1', Date.now())).toEqual(job)
    expect(stats.messagesMatched).toBe(125)
  })

  it('replays any selection as a plain filter of what was archived, lane by lane', async () => {
    const bounds = fc.record({ from: fc.nat(70), to: fc.nat(70) }, { requiredKeys: [] })
    const query = fc.record(
      {
        topic: fc.constantFrom('a', 'b'),
        lanes: fc.subarray(['0', '1'], { minLength: 1 }),
        positions: bounds,
        timestamps: fc.record({ from: fc.nat(70) }).map(({ from }) => ({ from: 1_000_000 + from })),
        key: fc.integer({ min: 0, max: 8 }).map((n) => new TextEncoder().encode(`key ${n}`)),
      },
      { requiredKeys: [] },
    )
    const lanes = [laneOf('a', '0', 60), laneOf('a', '1', 33, 5), laneOf('b', '0', 1, 40), laneOf('b', '1', 0)]
    await using scene = await openScene(lanes, { blockCount: 7 })
    const isMeant = (message: MessageInput, query: MessageQuery) => {
      const within = (value: number, { from = 0, to = Infinity }: { from?: number; to?: number } = {}) =>
        value >= from && value < to
      return (
        within(message.position, query.positions) &&
        within(message.timestamp, query.timestamps) &&
        (query.key === undefined || text(query.key) === message.key)
      )
    }
    let jobs = 0
    await fc.assert(
      fc.asyncProperty(query, fc.constantFrom(undefined, 2000), async (query, rateMessagesPerSecond) => {
        const id = `job-${++jobs}`
        const options = rateMessagesPerSecond === undefined ? {} : { rateMessagesPerSecond }
        await scene.plan({ query, target: { kind: 'local', topic: 'new' }, options }, id)
        const sink = createMemorySink()
        const { job } = await runReplay(id, partsOf(scene, { sink, clock: createClock() }), never)
        let expected = 0
        for (const { topic, lane, messages } of lanes) {
          const isAsked = (query.topic ?? topic) === topic && (query.lanes ?? [lane]).includes(lane)
          const meant = isAsked ? messages.filter((message) => isMeant(message, query)).map(({ position }) => position) : []
          expect(sink.positions(topic, lane)).toEqual(meant)
          expected += meant.length
        }
        expect(job).toMatchObject({ state: 'done', counts: { read: expected, delivered: expected, failed: 0 } })
        expect(job.planned.messages).toBeGreaterThanOrEqual(expected)
        expect(job.planned.exact ? job.planned.messages : expected).toBe(expected)
      }),
      { numRuns: 80 },
    )
  })

  it('gives a lane its next batch only when the one before is durable, and reads on meanwhile', async () => {
    await using scene = await openScene([laneOf('orders', '0', 100), laneOf('orders', '1', 100)], { segmentBlocks: 1 })
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const sink = createMemorySink()
    const busy = new Set<string>()
    const hold = Promise.withResolvers<void>()
    sink.fault = async ({ origin: { lane } }) => {
      if (busy.has(lane)) throw new Error(`two writes at once to lane ${lane}`)
      busy.add(lane)
      await hold.promise
      busy.delete(lane)
      return undefined
    }
    const reads: string[] = []
    const { store } = scene.archive
    const archive = {
      ...scene.archive,
      store: { ...store, read: (...words: Parameters<typeof store.read>) => (reads.push(words[0]), store.read(...words)) },
    }
    const running = runReplay('job-1', partsOf(scene, { sink, archive }), never)
    await until(() => busy.size === 2, 'both lanes to write')
    await until(() => reads.length > 2, 'more to be read')
    hold.resolve()
    expect((await running).job.counts.delivered).toBe(200)
  })

  it('ends though its target is what it reads, and new messages arrive', async () => {
    await using scene = await openScene([laneOf('orders', '0', 50)])
    await scene.plan({ query: { topic: 'orders' }, target: { kind: 'local' }, options: { allowLoop: true } })
    await archiveLanes(scene.archive.store, scene.archive.index, [{ ...laneOf('orders', '0', 25, 50) }])
    const sink = createMemorySink()
    await runReplay('job-1', partsOf(scene, { sink }), never)
    expect(sink.positions('orders', '0')).toEqual(range(0, 50))
  })

  it('keeps the lanes of a topic that was made again apart, one after the other', async () => {
    const lanes = [laneOf('orders', '0', 30), { ...laneOf('orders', '0', 30), topicId: 'second' }]
    await using scene = await openScene(lanes)
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const sink = createMemorySink()
    await runReplay('job-1', partsOf(scene, { sink }), never)
    const ids = sink.writes.flatMap(({ target, messages }) => messages.map(() => target.origin.topicId))
    expect(ids).toEqual([...Array.from({ length: 30 }, () => 'orders'), ...Array.from({ length: 30 }, () => 'second')])
  })

  it.each<[object, (message: Message) => unknown, unknown]>([
    [{ marks: false }, ({ headers }) => headers.map(({ name }) => name), ['own']],
    [{ headers: 'drop' }, ({ headers }) => headers.map(({ name }) => name), [...REPLAY_HEADERS]],
    [{ headers: 'drop', marks: false }, ({ headers }) => headers, []],
    [{ keys: 'drop' }, ({ key, value }) => [key, text(value)], [null, 'value 7']],
    [{ timestamps: 'now' }, ({ timestamp }) => timestamp, 123],
  ])('with %j sends what is asked for', async (options, of, expected) => {
    await using scene = await openScene([laneOf('orders', '0', 10)])
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' }, options })
    const sink = createMemorySink()
    await runReplay('job-1', partsOf(scene, { sink, nowMs: () => 123 }), never)
    expect(of(sink.writes[0]!.messages[7]!)).toEqual(expected)
  })

  it.each([
    [{}, 75],
    [{ positions: { from: 13, to: 27 } }, 28],
    [{ key: new TextEncoder().encode('key 3') }, 10],
  ])('in a dry run of %j counts what would be sent and sends nothing', async (query, read) => {
    await using scene = await openScene([laneOf('orders', '0', 45), laneOf('orders', '1', 30)])
    await scene.plan({ query, target: { kind: 'local', topic: 'new' }, options: { dryRun: true } })
    const sink = createMemorySink()
    const { job } = await runReplay('job-1', partsOf(scene, { sink }), never)
    expect(job).toMatchObject({ state: 'done', counts: { read, delivered: 0, failed: 0 } })
    expect(sink.writes).toEqual([])
  })

  it('keeps to its rate over all lanes, without a burst', async () => {
    await using scene = await openScene([laneOf('orders', '0', 60), laneOf('orders', '1', 60)])
    await scene.plan({ query: {}, target: count, options: { rateMessagesPerSecond: 100 } })
    const clock = createClock()
    const sent: { ms: number; count: number }[] = []
    const sink = createMemorySink()
    const write: typeof sink.write = (...words) => sink.write(...words)
    const timed = {
      ...sink,
      write: (...words: Parameters<typeof write>) => (sent.push({ ms: clock.ms, count: words[1].count }), write(...words)),
    }
    const { elapsedMs } = await runReplay('job-1', partsOf(scene, { sink: timed, clock, lanesAtOnce: 1 }), never)
    expect(elapsedMs).toBeCloseTo((120 - 2) * 10, 3)
    expect(Math.max(...sent.map(({ count }) => count))).toBe(2)
    for (const [i, { ms }] of sent.entries()) expect(ms).toBeCloseTo(i * 20, 3)
  })

  it('hands a slow target that cannot tell how far it got little at a time, a fast one much', async () => {
    await using scene = await openScene([laneOf('orders', '0', 6000)], { blockCount: 3000 })
    const countsAt = async (id: string, msPerMessage: number) => {
      await scene.plan({ query: {}, target: count }, id)
      const clock = createClock()
      const counts: number[] = []
      const sink = createMemorySink()
      const slow: typeof sink = {
        ...sink,
        write: (...words) => {
          counts.push(words[1].count)
          clock.ms += words[1].count * msPerMessage
          return sink.write(...words)
        },
      }
      await runReplay(id, partsOf(scene, { sink: slow, clock }), never)
      expect(sink.positions('orders', '0')).toEqual(range(0, 6000))
      return counts
    }
    expect(await countsAt('fast', 0)).toEqual([500, 1000, 1500, 3000])
    expect((await countsAt('slow', 10)).slice(0, 4)).toEqual([500, 20, 20, 20])
    expect((await countsAt('slowest', 1000)).slice(0, 3)).toEqual([500, 1, 1])
  })

  it('says how far it is', async () => {
    await using scene = await openScene([laneOf('orders', '0', 45), laneOf('orders', '1', 30)])
    await scene.plan({ query: {}, target: count })
    const told: ReplayProgress[] = []
    await runReplay('job-1', partsOf(scene, { sink: createCountSink(), onProgress: (progress) => told.push(progress) }), never)
    expect(told.at(-1)).toMatchObject({ counts: { delivered: 75 }, planned: { messages: 75 }, lanes: 2, lanesDone: 2 })
  })
})

describe('a replay that meets trouble', () => {
  it('reports what the target refuses, and goes on', async () => {
    await using scene = await openScene([laneOf('orders', '0', 100)])
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const sink = createMemorySink()
    sink.refuse = (position) => (position % 40 === 3 ? `no ${position}` : undefined)
    const { job } = await runReplay('job-1', partsOf(scene, { sink }), never)
    expect(job).toMatchObject({ state: 'done', counts: { read: 100, delivered: 97, failed: 3 } })
    expect(job.failures).toEqual(
      [3, 43, 83].map((position) => ({ topic: 'orders', topicId: 'orders', lane: '0', position, reason: `no ${position}` })),
    )
    expect(sink.positions('orders', '0')).toEqual(range(0, 100).filter((position) => position % 40 !== 3))
  })

  it('repeats from where a delivery broke off, as long as something gets through', async () => {
    await using scene = await openScene([laneOf('orders', '0', 40)])
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const sink = createMemorySink()
    sink.refuse = (position) => (position === 12 ? 'bad' : undefined)
    sink.fault = () => 1
    const { job } = await runReplay('job-1', partsOf(scene, { sink }), never)
    expect(job).toMatchObject({ state: 'done', counts: { read: 40, delivered: 39, failed: 1 } })
    expect(sink.positions('orders', '0')).toEqual(range(0, 40).filter((position) => position !== 12))
  })

  it('is interrupted when the target stays away, and goes on where it was', async () => {
    await using scene = await openScene([laneOf('orders', '0', 100)])
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const sink = createMemorySink()
    let tries = 0
    sink.fault = (_, first) => (first >= 30 ? (tries++ === 0 ? 5 : 0) : undefined)
    const { job } = await runReplay('job-1', partsOf(scene, { sink }), never)
    expect(job).toMatchObject({ state: 'interrupted', error: { code: 'DELIVERY_FAILED' }, counts: { delivered: 35 } })
    expect(job.parts[0]).toMatchObject({ nextPosition: 35, state: 'open', owner: null })
    expect(tries).toBe(4)

    sink.fault = undefined
    const resumed = await runReplay('job-1', partsOf(scene, { sink }), never)
    expect(resumed.job).toMatchObject({ state: 'done', error: null, counts: { read: 100, delivered: 100 } })
    expect(sink.positions('orders', '0')).toEqual(range(0, 100))
  })

  it('asks a target that can tell before it repeats, for an answer may be lost after the deed', async () => {
    await using scene = await openScene([laneOf('orders', '0', 30)])
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const memory = createMemorySink()
    let isLost = true
    const sink = {
      ...memory,
      async write(...words: Parameters<typeof memory.write>) {
        const delivery = await memory.write(...words)
        if (!isLost || words[1].positions[0] !== 10) return delivery
        isLost = false
        memory.fault = () => 0
        return memory.write(...words).finally(() => (memory.fault = undefined))
      },
      resumePosition: async () => {
        const last = memory.positions('orders', '0').at(-1)
        return last === undefined ? undefined : last + 1
      },
    }
    const { job } = await runReplay('job-1', partsOf(scene, { sink }), never)
    expect(isLost).toBe(false)
    expect(memory.positions('orders', '0')).toEqual(range(0, 30))
    expect(job.counts).toMatchObject({ read: 30, delivered: 30 })
  })

  it('stops when it is told to, with its progress stored, and goes on later', async () => {
    await using scene = await openScene([laneOf('orders', '0', 200), laneOf('orders', '1', 200)])
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const sink = createMemorySink()
    const stop = new AbortController()
    sink.fault = (_, first) => {
      if (first === 100) stop.abort()
      return undefined
    }
    const { job } = await runReplay('job-1', partsOf(scene, { sink }), stop.signal)
    expect(job).toMatchObject({ state: 'interrupted', error: null })
    expect(job.counts.delivered).toBe(sink.writes.flatMap(({ messages }) => messages).length)
    expect(job.counts.delivered).toBeLessThan(400)
    const resumed = await runReplay('job-1', partsOf(scene, { sink }), never)
    expect(resumed.job).toMatchObject({ state: 'done', counts: { delivered: 400 } })
    for (const lane of ['0', '1']) expect(sink.positions('orders', lane)).toEqual(range(0, 200))
  })

  it('is cancelled by whoever has the job store', async () => {
    await using scene = await openScene([laneOf('orders', '0', 100)])
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const sink = createMemorySink()
    const hold = Promise.withResolvers<void>()
    let isHeld = false
    sink.fault = async (_, first) => {
      isHeld = first === 50
      if (isHeld) await hold.promise
      return undefined
    }
    const running = runReplay('job-1', partsOf(scene, { sink }), never)
    await until(() => isHeld, 'the replay to be under way')
    await scene.jobs.want('job-1', 'cancel', { nowMs: Date.now() })
    // The next renewal of the lease is what brings the wish to the runner.
    const leaseUntilMs = async () => (await scene.jobs.get('job-1', Date.now()))!.leaseUntilMs
    const before = await leaseUntilMs()
    await until(async () => (await leaseUntilMs()) !== before, 'the lease to be renewed')
    hold.resolve()
    const { job } = await running
    expect(job).toMatchObject({ state: 'cancelled', counts: { delivered: 60 } })
    await expect(runReplay('job-1', partsOf(scene, { sink }), never)).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
  })

  it('runs once at a time, and waits for the lease of a process that is gone', async () => {
    await using scene = await openScene([laneOf('orders', '0', 10)])
    await scene.plan({ query: {}, target: count })
    const sink = createCountSink()
    await scene.jobs.take({ owner: 'gone', nowMs: Date.now(), leaseMs: 400 }, { job: 'job-1' })
    await expect(runReplay('job-1', partsOf(scene, { sink }), never)).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
    const { job } = await runReplay('job-1', partsOf(scene, { sink, claimWithinMs: 10_000 }), never)
    expect(job.state).toBe('done')
    await expect(runReplay('job-2', partsOf(scene, { sink }), never)).rejects.toMatchObject({ code: 'JOB_UNKNOWN' })
  })

  it('ends when another process took the job over, and records nothing more', async () => {
    await using scene = await openScene([laneOf('orders', '0', 100)])
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const sink = createMemorySink()
    sink.fault = async (_, first) => {
      if (first === 50) await scene.jobs.take({ owner: 'other', nowMs: Date.now() + 60_000, leaseMs: 60_000 }, { job: 'job-1' })
      return undefined
    }
    await expect(runReplay('job-1', partsOf(scene, { sink }), never)).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
    expect(await scene.jobs.get('job-1', Date.now())).toMatchObject({ state: 'running' })
  })

  it('fails, named, where the archive is damaged, delivers what comes before, and goes on once it is mended', async () => {
    await using scene = await openScene([laneOf('orders', '0', 100)])
    await scene.plan({ query: {}, target: { kind: 'local', topic: 'new' } })
    const { store } = scene.archive
    let reads = 0
    const damaged = {
      ...store,
      read: async (...words: Parameters<typeof store.read>) => {
        const bytes = await store.read(...words)
        return reads++ === 1 ? bytes.map((byte, i) => (i === 60 ? byte ^ 1 : byte)) : bytes
      },
    }
    const sink = createMemorySink()
    const archive = { ...scene.archive, store: damaged }
    const { job } = await runReplay('job-1', partsOf(scene, { sink, archive }), never)
    expect(job).toMatchObject({ state: 'failed', error: { code: 'BLOCK_CORRUPT' }, counts: { delivered: 30 } })
    expect((await runReplay('job-1', partsOf(scene, { sink }), never)).job.state).toBe('done')
    expect(sink.positions('orders', '0')).toEqual(range(0, 100))
  })
})

describe('the count sink', () => {
  it('counts what comes', async () => {
    await using scene = await openScene([laneOf('orders', '0', 45), laneOf('orders', '1', 30)])
    await scene.plan({ query: {}, target: count })
    const sink = createCountSink()
    const { job } = await runReplay('job-1', partsOf(scene, { sink }), never)
    expect(sink.counts()).toEqual({ batches: 8, messages: 75, bytes: job.counts.bytes, lanes: 2 })
  })

  it('notices a position that does not rise', async () => {
    await using scene = await openScene([laneOf('orders', '0', 20)])
    await scene.plan({ query: {}, target: count })
    const sink = createCountSink()
    await runReplay('job-1', partsOf(scene, { sink }), never)
    await scene.plan({ query: {}, target: count }, 'job-2')
    const sameJob = {
      ...sink,
      write: ((target, ...words) => sink.write({ ...target, job: 'job-1' }, ...words)) as typeof sink.write,
    }
    const { job } = await runReplay('job-2', partsOf(scene, { sink: sameJob }), never)
    expect(job).toMatchObject({ state: 'failed', error: { code: 'POSITION_INVALID' } })
  })
})
