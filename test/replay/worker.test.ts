import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ReplayState } from '../../src/replay/job.ts'
import type { JobStore } from '../../src/replay/jobs.ts'
import { planRetry } from '../../src/replay/retry.ts'
import { runReplay } from '../../src/replay/replay.ts'
import type { WorkerParts } from '../../src/replay/worker.ts'
import { runWorker } from '../../src/replay/worker.ts'
import type { Sink } from '../../src/sink/sink.ts'
import { until } from '../live/until.ts'
import type { Scene } from './archives.ts'
import { createMemorySink, laneOf, openScene } from './archives.ts'
import { createResumingTarget } from './resuming-target.ts'

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const text = (bytes: Uint8Array | null) => (bytes === null ? '' : new TextDecoder().decode(bytes))

/** A worker of the scene that is stopped when the test is over. */
function start(scene: Scene, sink: Sink, fields: Partial<WorkerParts> = {}) {
  const stop = new AbortController()
  const parts = { ...scene, nowMs: Date.now, tickMs: 5, partsAtOnce: 4, openSink: async () => sink, ...fields }
  const ended = runWorker(parts, stop.signal)
  return {
    ended,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
    },
  }
}

const detached = { query: { topic: 'orders' }, target: { kind: 'local', topic: 'new' }, isDetached: true } as const

async function untilState(scene: Scene, state: ReplayState, id = 'job-1') {
  const reached = async () => (await scene.jobs.get(id, Date.now()))?.state === state
  await until(reached, `${id} to be ${state}`)
  return (await scene.jobs.get(id, Date.now()))!
}

describe('a worker', () => {
  it('does jobs that are offered, the oldest first, and waits for more', async () => {
    await using scene = await openScene([laneOf('orders', '0', 95), laneOf('orders', '1', 30, 1000)])
    const target = createResumingTarget()
    await scene.plan(detached, 'first')
    await scene.plan({ ...detached, isDetached: false }, 'not offered')
    await using _ = start(scene, target.sink(), { partsAtOnce: 1 })
    expect(await untilState(scene, 'done', 'first')).toMatchObject({ counts: { delivered: 125 }, partsDone: 2 })
    await scene.plan({ ...detached, query: { topic: 'orders', lanes: ['1'] } }, 'second')
    await untilState(scene, 'done', 'second')
    expect(target.arrived.map(({ target: { job } }) => job)).toEqual([
      ...Array.from({ length: 125 }, () => 'first'),
      ...Array.from({ length: 30 }, () => 'second'),
    ])
    expect(await scene.jobs.get('not offered', 1)).toMatchObject({ state: 'queued' })
  })

  it('ends by itself where it is to work once', async () => {
    await using scene = await openScene([laneOf('orders', '0', 95), laneOf('orders', '1', 30)])
    const target = createResumingTarget()
    await scene.plan(detached)
    await scene.plan({ ...detached, query: { topic: 'orders', positions: { from: 5000 } } }, 'empty')
    await start(scene, target.sink(), { isOnce: true }).ended
    expect(await scene.jobs.list(Date.now())).toMatchObject([{ state: 'done' }, { state: 'done' }])
    expect(target.positions('0')).toEqual(range(0, 95))
  })

  it('gives its parts back when it is stopped, and another goes on exactly there', async () => {
    await using scene = await openScene([laneOf('orders', '0', 100), laneOf('orders', '1', 100)])
    const target = createResumingTarget()
    await scene.plan(detached)
    {
      const slow = target.sink(async (when) => {
        if (when === 'after' && target.arrived.length >= 60) await stopping
      })
      let stopped = () => {}
      const stopping = new Promise<void>((resolve) => (stopped = resolve))
      const worker = start(scene, slow)
      await until(() => target.arrived.length >= 60, 'some messages')
      const disposed = worker[Symbol.asyncDispose]()
      stopped()
      await disposed
    }
    const left = (await scene.jobs.get('job-1', Date.now()))!
    expect(left).toMatchObject({
      state: 'interrupted',
      counts: { delivered: target.arrived.length },
      leaseUntilMs: null,
      error: null,
    })
    await start(scene, target.sink(), { isOnce: true }).ended
    for (const lane of ['0', '1']) expect(target.positions(lane)).toEqual(range(0, 100))
  })

  it('hands parts over to a worker that has none', async () => {
    await using scene = await openScene(range(0, 4).map((lane) => laneOf('orders', String(lane), 200)))
    const target = createResumingTarget()
    await scene.plan(detached)
    const release = Promise.withResolvers<void>()
    const owners = new Set<string>()
    const byOwner = (owner: string) =>
      target.sink(async (when) => {
        if (when === 'before') owners.add(owner)
        // Slow, so that both see the other, until both have worked.
        if (owners.size < 2) await new Promise((resolve) => setTimeout(resolve, 20))
        else release.resolve()
      })
    await using _ = start(scene, byOwner('one'))
    await until(
      async () => (await scene.jobs.parts('job-1')).every(({ owner }) => owner !== null),
      'one worker to have all parts',
    )
    await using second = start(scene, byOwner('two'))
    await release.promise
    expect(second.ended).toBeInstanceOf(Promise)
    expect(await untilState(scene, 'done')).toMatchObject({ counts: { read: 800, delivered: 800, failed: 0 } })
    for (const lane of range(0, 4)) expect(target.positions(String(lane))).toEqual(range(0, 200))
  })

  it('lets a job rest while it is paused, and goes on exactly there', async () => {
    await using scene = await openScene([laneOf('orders', '0', 300)])
    const target = createResumingTarget()
    await scene.plan(detached)
    const slow = target.sink(() => new Promise((resolve) => setTimeout(resolve, 5)))
    await using _ = start(scene, slow)
    await until(() => target.arrived.length > 0, 'the first messages')
    expect(await scene.jobs.want('job-1', 'pause', { nowMs: Date.now() })).toMatchObject({ wish: 'pause' })
    await untilState(scene, 'paused')
    const before = target.arrived.length
    expect(before).toBeLessThan(300)
    await scene.jobs.want('job-1', 'run', { nowMs: Date.now() })
    expect(await untilState(scene, 'done')).toMatchObject({ counts: { read: 300, delivered: 300 } })
    expect(target.positions('0')).toEqual(range(0, 300))
  })

  it('stops a job that is cancelled, and one that failed elsewhere', async () => {
    await using scene = await openScene([laneOf('orders', '0', 300), laneOf('orders', '1', 300)])
    const target = createResumingTarget()
    await scene.plan(detached)
    const slow = target.sink(() => new Promise((resolve) => setTimeout(resolve, 5)))
    await using _ = start(scene, slow)
    await until(() => target.arrived.length > 0, 'the first messages')
    await scene.jobs.want('job-1', 'cancel', { nowMs: Date.now() })
    expect((await untilState(scene, 'cancelled')).counts.delivered).toBe(target.arrived.length)
    expect(await scene.jobs.audits()).toMatchObject([{ outcome: 'cancelled', counts: { delivered: target.arrived.length } }])
  })

  it('fails a job whose sink cannot be opened, by name, and leaves alone for a while one whose target is away', async () => {
    await using scene = await openScene([laneOf('orders', '0', 30)])
    await scene.plan(detached, 'bad')
    const sinks: Record<string, () => Sink> = {
      bad: () => {
        throw new Error('no such thing')
      },
      away: () => {
        const sink = createMemorySink()
        sink.fault = () => 0
        return sink
      },
    }
    const retry = { maxAttempts: 1, firstDelayMs: 1, maxDelayMs: 1 }
    await using _ = start(scene, createMemorySink(), { retry, openSink: async ({ id }) => sinks[id]!() })
    expect(await untilState(scene, 'failed', 'bad')).toMatchObject({ error: { code: 'INTERNAL' }, startedMs: null })
    await scene.plan(detached, 'away')
    const { parts } = await untilState(scene, 'interrupted', 'away')
    expect(parts).toMatchObject([{ error: { code: 'DELIVERY_FAILED' }, attempts: 1 }])
    expect(parts[0]!.notBeforeMs!).toBeGreaterThan(Date.now() - 60_000)
  })

  it('sends what was refused again when it is asked to, and nothing else', async () => {
    await using scene = await openScene([laneOf('orders', '0', 3000), laneOf('orders', '1', 50)], { blockCount: 100 })
    const sink = createMemorySink()
    const isBad = (position: number) => position === 7 || position === 8 || position === 2500
    sink.refuse = (position) => (isBad(position) ? 'status 400' : undefined)
    await scene.plan(detached)
    await start(scene, sink, { isOnce: true }).ended
    const job = (await scene.jobs.get('job-1', Date.now()))!
    expect(job).toMatchObject({ state: 'done', counts: { failed: 5, delivered: 3045 } })
    sink.refuse = undefined
    sink.writes.length = 0
    const retry = planRetry(job, { id: 'again', nowMs: Date.now(), requestedBy: 'ann' })
    expect(retry).toMatchObject({ beyond: 0, job: { retryOf: 'job-1', planned: { messages: 5 } } })
    expect(await scene.jobs.create(retry)).toEqual({ id: 'again', isNew: true })
    expect(await scene.jobs.create({ ...retry, job: { ...retry.job, id: 'twice' } })).toEqual({ id: 'again', isNew: false })
    await start(scene, sink, { isOnce: true }).ended
    expect([sink.positions('orders', '0'), sink.positions('orders', '1')]).toEqual([
      [7, 8, 2500],
      [7, 8],
    ])
    const again = (await scene.jobs.get('again', Date.now()))!
    expect(again).toMatchObject({ state: 'done', counts: { read: 5, delivered: 5, failed: 0 } })
    expect(() => planRetry(again, { id: 'x', nowMs: 1 })).toThrow(expect.objectContaining({ code: 'JOB_CONFLICT' }))
  })

  it('shares a job with a caller that runs it in its own process', async () => {
    await using scene = await openScene(range(0, 6).map((lane) => laneOf('orders', String(lane), 100)))
    const target = createResumingTarget()
    await scene.plan(detached)
    await using _ = start(scene, target.sink(), { partsAtOnce: 1 })
    const parts = { ...scene, nowMs: Date.now, sink: target.sink(), lanesAtOnce: 1, tickMs: 5 }
    const { job } = await runReplay('job-1', parts, new AbortController().signal)
    expect(job).toMatchObject({ state: 'done', counts: { delivered: 600 } })
    for (const lane of range(0, 6)) expect(target.positions(String(lane))).toEqual(range(0, 100))
  })
})

describe('workers that die', () => {
  const LEASE_MS = 20_000
  /** Wall time goes this much faster, so that leases end soon. */
  const SPEED = 100

  const plan = fc.record({
    lanes: fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 4 }),
    order: fc.constantFrom('lane' as const, 'key' as const, 'none' as const),
    split: fc.integer({ min: 1, max: 4 }),
    workers: fc.integer({ min: 1, max: 3 }),
    kills: fc.array(fc.record({ writes: fc.nat(12), when: fc.constantFrom('before' as const, 'after' as const) }), {
      maxLength: 4,
    }),
  })

  it('leave each message at the target once, in the order that is asked for, whatever dies', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async ({ lanes, order, split, workers, kills }) => {
        await using scene = await openScene(
          lanes.map((count, lane) => laneOf('orders', String(lane), count, lane * 3)),
          { blockCount: 7, segmentBlocks: 2 },
        )
        await scene.plan({ ...detached, options: { order, split } })
        const target = createResumingTarget()
        const began = performance.now()
        let jumpedMs = 0
        const nowMs = () => Math.floor(1_000_000 + jumpedMs + (performance.now() - began) * SPEED)
        const over = Promise.withResolvers<never>()
        over.promise.catch(() => undefined)
        const stop = new AbortController()
        const running: Promise<void>[] = []
        const hire = () => {
          const kill = kills[running.length]
          let writes = 0
          let isDead = false
          const live = async <T>(act: () => Promise<T>): Promise<T> => (isDead ? over.promise : act())
          const jobs: JobStore = {
            ...scene.jobs,
            take: (...words) => live(() => scene.jobs.take(...words)),
            progress: (...words) => live(() => scene.jobs.progress(...words)),
            release: (...words) => live(() => scene.jobs.release(...words)),
          }
          const sink = target.sink(async (when) => {
            if (kill !== undefined && when === kill.when && writes++ === kill.writes) {
              isDead = true
              // The leases of the others end too: those who notice late are zombies for a while.
              jumpedMs += LEASE_MS
              hire()
            }
            if (isDead) await over.promise
          })
          const parts = { ...scene, jobs, nowMs, leaseMs: LEASE_MS, tickMs: 3, partsAtOnce: 2, openSink: async () => sink }
          running.push(runWorker(parts, stop.signal).catch(() => undefined))
        }
        for (let i = 0; i < workers; i++) hire()
        const state = async () => (await scene.jobs.get('job-1', nowMs()))!.state
        if (lanes.some((count) => count > 0)) await until(async () => (await state()) === 'done', 'the job to be done')
        stop.abort()
        over.reject(new Error('over'))
        await Promise.all(running)

        for (const [lane, count] of lanes.entries()) {
          const expected = range(lane * 3, lane * 3 + count)
          const arrived = target.arrived.filter(({ target: { origin } }) => origin.lane === String(lane))
          const positionsOf = (all: typeof arrived) => all.map(({ message }) => message.position)
          const rising = (positions: readonly number[]) => positions.toSorted((a, b) => a - b)
          expect(rising(positionsOf(arrived))).toEqual(expected)
          // What has to keep its order, apart.
          const groups = {
            lane: () => [arrived],
            key: () => [...Map.groupBy(arrived, ({ message }) => text(message.key)).values()],
            none: () => [],
          }[order]()
          for (const group of groups) expect(positionsOf(group)).toEqual(rising(positionsOf(group)))
        }
        const total = lanes.reduce((sum, count) => sum + count, 0)
        const job = (await scene.jobs.get('job-1', nowMs()))!
        expect(job.counts).toMatchObject({ read: total, delivered: total, failed: 0 })
      }),
      { numRuns: 40 },
    )
  }, 120_000)
})
