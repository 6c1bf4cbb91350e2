import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import { MillpondError } from '../../src/errors.ts'
import { followChains } from '../../src/index/follow.ts'
import { replayOptions, type ReplaySummary } from '../../src/replay/job.ts'
import type { JobStore } from '../../src/replay/jobs.ts'
import type { ReplaySchedule, ScheduleRule } from '../../src/replay/schedule.ts'
import {
  addSchedule,
  findSchedule,
  fireDue,
  type FiringParts,
  keepFiring,
  listSchedules,
  type ScheduleNews,
  type ScheduleOrder,
  steerSchedule,
} from '../../src/replay/schedules.ts'
import { runWorker } from '../../src/replay/worker.ts'
import { openFunction } from '../../src/wiring/functions.ts'
import { until } from '../live/until.ts'
import { archiveLanes, createMemorySink, type LaneContent, openScene, type Scene } from './archives.ts'

const MINUTE_MS = 60_000
const TEN_MS = 10 * MINUTE_MS
const START_MS = Date.UTC(2026, 9, 25) - 30 * MINUTE_MS

/** A message every 37 seconds. */
const lane = (name: string, count: number): LaneContent => ({
  topic: 'orders',
  topicId: 'orders',
  lane: name,
  messages: Array.from({ length: count }, (_, i) => ({ position: i, timestamp: START_MS + i * 37_000, value: `value ${i}` })),
})

const orderOf = (rule: Partial<ScheduleRule> = {}, order: Partial<ScheduleOrder> = {}): ScheduleOrder => ({
  name: 'again',
  rule: { cron: '*/10 * * * *', zone: 'Europe/Berlin', window: { kind: 'since-last' }, delayMs: 0, missed: 'all', ...rule },
  request: { query: { topic: 'orders' }, target: { kind: 'local', topic: 'again' }, options: replayOptions('local') },
  requestedBy: 'ann',
  ...order,
})

const windowOf = ({ query }: ReplaySummary) => [query.timestamps!.from!, query.timestamps!.to!] as const
/** Jobs of a schedule, the first fire first. */
const jobsOf = async (jobs: JobStore, { id }: ReplaySchedule) =>
  (await jobs.list(0, { limit: 10_000 }))
    .filter(({ key }) => key?.startsWith(`schedule ${id} `))
    .toSorted((a, b) => windowOf(a)[1] - windowOf(b)[1])

/** Every window begins where the one before ended. */
function expectNoGap(jobs: readonly ReplaySummary[], fromMs: number): void {
  let coveredMs = fromMs
  for (const job of jobs) {
    expect(windowOf(job)[0]).toBe(coveredMs)
    expect(windowOf(job)[1]).toBeGreaterThan(coveredMs)
    coveredMs = windowOf(job)[1]
  }
}

describe('schedules', () => {
  let scene: Scene
  let nowMs: number
  let news: ScheduleNews[]
  let parts: FiringParts
  beforeEach(async () => {
    scene = await openScene([lane('0', 400)])
    nowMs = START_MS
    news = []
    const { store, index } = scene.archive
    parts = {
      jobs: scene.jobs,
      index,
      nowMs: () => nowMs,
      follow: () => followChains(store, index),
      onNews: (one) => void news.push(one),
    }
  })
  afterEach(() => scene[Symbol.asyncDispose]())

  it('send every message once, whoever was away in between', async () => {
    await addSchedule(orderOf(), parts)
    for (const minutes of [4, 6, 1, 30, 55, 3, 100]) {
      nowMs += minutes * MINUTE_MS
      await fireDue(parts)
    }
    const sink = createMemorySink()
    const openSink = async () => sink
    await runWorker(
      { ...scene, nowMs: Date.now, partsAtOnce: 1, isOnce: true, openFunction, openSink },
      AbortSignal.timeout(120_000),
    )
    // The last fire was nine minutes ago.
    const sent = sink.positions('orders', '0').toSorted((a, b) => a - b)
    expect(sent).toEqual(Array.from({ length: Math.ceil((190 * MINUTE_MS) / 37_000) }, (_, i) => i))
    expect(news).toHaveLength(19)
  })

  it('have in a job what was archived within the delay', async () => {
    const schedule = await addSchedule(orderOf({ delayMs: 5 * MINUTE_MS }), parts)
    nowMs += 12 * MINUTE_MS
    await fireDue(parts)
    expect(await jobsOf(scene.jobs, schedule)).toEqual([])
    await using late = await openSqliteIndex({ path: ':memory:' })
    await archiveLanes(scene.archive.store, late, [lane('1', 5)])
    nowMs += 3 * MINUTE_MS
    await fireDue(parts)
    expect(await jobsOf(scene.jobs, schedule)).toMatchObject([
      { partCount: 2, requestedBy: 'ann', note: 'schedule again', offered: true, query: { topic: 'orders' } },
    ])
  })

  it('tell why a job cannot be made, and make it when it can', async () => {
    const schedule = await addSchedule(orderOf(), parts)
    const away = new MillpondError('STORE_UNAVAILABLE', 'the store is away')
    nowMs += 10 * MINUTE_MS
    await fireDue({ ...parts, follow: () => Promise.reject(away) })
    expect(news).toMatchObject([{ kind: 'trouble', error: away }])
    expect(await findSchedule(scene.jobs.schedules, 'again')).toMatchObject({
      trouble: { code: 'STORE_UNAVAILABLE' },
      lastJob: null,
    })
    await fireDue(parts)
    expect(await jobsOf(scene.jobs, schedule)).toEqual([])
    nowMs += MINUTE_MS
    await fireDue(parts)
    const [job] = await jobsOf(scene.jobs, schedule)
    expect(windowOf(job!)).toEqual([START_MS, START_MS + 10 * MINUTE_MS])
    expect(await findSchedule(scene.jobs.schedules, schedule.id)).toMatchObject({ trouble: null, lastJob: job!.id })
  })

  it('are not made where their first job could not be', async () => {
    const request = orderOf().request
    const refused = [
      { order: { request: { ...request, query: { topic: 'none' } } }, code: 'TOPIC_UNKNOWN' },
      { order: { request: { ...request, target: { kind: 'local', topic: 'orders' } } }, code: 'REPLAY_LOOP' },
      { order: { request: { ...request, target: { kind: 'file', path: '-' } } }, code: 'INPUT_INVALID' },
      { order: { name: 'no good' }, code: 'INPUT_INVALID' },
    ]
    for (const { order, code } of refused) await expect(addSchedule(orderOf({}, order), parts)).rejects.toMatchObject({ code })
    await addSchedule(orderOf(), parts)
    await expect(addSchedule(orderOf(), parts)).rejects.toMatchObject({ code: 'SCHEDULE_CONFLICT' })
    expect((await listSchedules(scene.jobs.schedules)).map(({ name }) => name)).toEqual(['again'])
    await expect(findSchedule(scene.jobs.schedules, 'none')).rejects.toMatchObject({ code: 'SCHEDULE_UNKNOWN' })
  })

  it('fire by themselves as long as they are kept', async () => {
    const schedule = await addSchedule(orderOf(), parts)
    const stop = new AbortController()
    const keeping = [1, 2, 3].map(() => keepFiring(parts, stop.signal))
    nowMs += 30 * MINUTE_MS
    await until(async () => (await jobsOf(scene.jobs, schedule)).length === 3, 'three jobs')
    stop.abort()
    await Promise.all(keeping)
    expectNoGap(await jobsOf(scene.jobs, schedule), START_MS)
  })
})

/** What happens, in order: time passes, processes look at the schedules at once and die at one of their calls, somebody pauses or resumes. */
interface Turn {
  readonly minutes: number
  /** For each process the call that is its last, and whether the call is done. */
  readonly processes: readonly { readonly lastCall: number; readonly isDone: boolean }[]
  readonly pause: boolean | undefined
}

const turns: fc.Arbitrary<readonly Turn[]> = fc.array(
  fc.record({
    minutes: fc.integer({ min: 0, max: 70 }),
    processes: fc.array(fc.record({ lastCall: fc.integer({ min: 1, max: 14 }), isDone: fc.boolean() }), {
      minLength: 1,
      maxLength: 3,
    }),
    pause: fc.option(fc.boolean(), { nil: undefined, freq: 6 }),
  }),
  { minLength: 1, maxLength: 8 },
)

/** The parts of a process that is gone with that call. */
function mortal(parts: FiringParts, { lastCall, isDone }: Turn['processes'][number]): FiringParts {
  let calls = 0
  const gone = () => Promise.reject(new Error('this process is dead'))
  const live = async <T>(act: () => Promise<T>): Promise<T> => {
    calls++
    // Others come in between.
    await Promise.resolve()
    if (calls < lastCall) return act()
    if (calls === lastCall && isDone) await act()
    return gone()
  }
  const { schedules } = parts.jobs
  const jobs: JobStore = {
    ...parts.jobs,
    create: (job) => live(() => parts.jobs.create(job)),
    schedules: {
      ...schedules,
      list: () => live(() => schedules.list()),
      replace: (schedule) => live(() => schedules.replace(schedule)),
    },
  }
  return { ...parts, jobs }
}

describe('whoever dies whenever', () => {
  it.each([
    { window: { kind: 'since-last' }, missed: 'all', delayMs: 0 },
    { window: { kind: 'since-last' }, missed: 'latest', delayMs: 7 * MINUTE_MS },
    { window: { kind: 'last', ms: 25 * MINUTE_MS }, missed: 'latest', delayMs: 0 },
    { window: { kind: 'last', ms: 25 * MINUTE_MS }, missed: 'all', delayMs: 7 * MINUTE_MS },
  ] as const)('each fire has one job: $window.kind, $missed, $delayMs ms late', { timeout: 300_000 }, async (rule) => {
    await using scene = await openScene([lane('0', 3)])
    const property = fc.asyncProperty(turns, async (course) => {
      await using jobs = await openSqliteJobs({ path: ':memory:' })
      let nowMs = START_MS + 1234
      const parts: FiringParts = { jobs, index: scene.archive.index, nowMs: () => nowMs, follow: async () => undefined }
      const schedule = await addSchedule(orderOf(rule), parts)
      const createdMs = nowMs
      for (const { minutes, processes, pause } of course) {
        nowMs += minutes * MINUTE_MS
        if (pause !== undefined) await steerSchedule(jobs.schedules, 'again', pause, nowMs)
        await Promise.all(processes.map((one) => fireDue(mortal(parts, one)).catch(() => undefined)))
      }
      await steerSchedule(jobs.schedules, 'again', false, nowMs)
      // The last one lives; what is tried again later is due.
      nowMs += 20 * MINUTE_MS
      for (let turn = 0; turn < 10; turn++) await fireDue(parts)
      const made = await jobsOf(jobs, schedule)
      const fires = made.map((job) => windowOf(job)[1])
      const due = Math.floor((nowMs - rule.delayMs) / TEN_MS) * TEN_MS
      expect(fires.at(-1)).toBe(due)
      const first = Math.ceil(createdMs / TEN_MS) * TEN_MS
      const all = Array.from({ length: (due - first) / TEN_MS + 1 }, (_, i) => first + i * TEN_MS)
      // Of those that were missed some are left out, where only the latest counts; none comes twice.
      expect(fires).toEqual(rule.missed === 'all' ? all : all.filter((fire) => fires.includes(fire)))
      const { window } = rule
      const fromOf = (at: number) => (window.kind === 'last' ? fires[at]! - window.ms : (fires[at - 1] ?? createdMs))
      expect(made.map(windowOf)).toEqual(fires.map((fire, at) => [fromOf(at), fire]))
      const after = await findSchedule(jobs.schedules, 'again')
      expect(after).toMatchObject({ firing: null, trouble: null, lastFireMs: due, lastJob: made.at(-1)!.id })
    })
    await fc.assert(property, { numRuns: 60 })
  })
})
