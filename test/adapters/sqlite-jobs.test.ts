import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import type { LaneProgress, ReplayJob } from '../../src/replay/job.ts'
import { MAX_RECORDED_FAILURES, NO_COUNTS, replayOptions, stateAt } from '../../src/replay/job.ts'
import type { JobStore } from '../../src/replay/jobs.ts'

const lane = (name: string, progress: Partial<LaneProgress> = {}): LaneProgress => ({
  lane: { topic: 'orders', topicId: 'id-1', lane: name },
  fromPosition: 10,
  toPosition: 500,
  nextPosition: 10,
  counts: NO_COUNTS,
  done: false,
  ...progress,
})

const job = (id: string, fields: Partial<ReplayJob> = {}): ReplayJob => ({
  id,
  query: { topic: 'orders', keyBase64: 'a2V5' },
  target: { kind: 'http', url: 'http://user:secret@example.test/in?token=x', headers: { authorization: 'Bearer x' } },
  options: replayOptions('http', { rateMessagesPerSecond: 0.5 }),
  state: 'queued',
  createdMs: 1000,
  startedMs: null,
  endedMs: null,
  planned: { segments: 1, blocks: 2, bytes: 3, messages: 4, exact: false },
  counts: NO_COUNTS,
  error: null,
  cancelRequested: false,
  leaseUntilMs: null,
  lanes: [lane('0'), lane('10'), lane('2', { toPosition: Number.MAX_SAFE_INTEGER })],
  failures: [],
  ...fields,
})

const lease = (owner: string, nowMs: number) => ({ owner, nowMs, leaseMs: 1000 })
const nothing = { lanes: [], failures: [] }
const failures = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ topic: 'orders', lane: '0', position: from + i, reason: 'status 400' }))

describe('jobs in SQLite', () => {
  let folder: string
  let path: string
  let jobs: JobStore

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-jobs-'))
    path = join(folder, 'jobs.sqlite')
    jobs = await openSqliteJobs({ path })
  })
  afterEach(async () => {
    await jobs[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  it('gives a job back as it was made, with its lanes in their order', async () => {
    await jobs.create(job('a'))
    expect(await jobs.get('a')).toEqual(job('a'))
    expect(await jobs.get('b')).toBeUndefined()
  })

  it('refuses an id that is taken and leaves the job that has it', async () => {
    await jobs.create(job('a'))
    await expect(jobs.create(job('a', { createdMs: 5 }))).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
    expect((await jobs.get('a'))!.createdMs).toBe(1000)
  })

  it('keeps the file from other users, since a request may hold secrets', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('lists the newest first, by state and number', async () => {
    for (const [i, id] of ['a', 'b', 'c'].entries()) await jobs.create(job(id, { createdMs: i }))
    await jobs.cancel('b', 9)
    const ids = async (options?: Parameters<JobStore['list']>[0]) => (await jobs.list(options)).map(({ id }) => id)
    expect(await ids()).toEqual(['c', 'b', 'a'])
    expect(await ids({ states: ['queued', 'running'] })).toEqual(['c', 'a'])
    expect(await ids({ states: ['cancelled'] })).toEqual(['b'])
    expect(await ids({ limit: 2 })).toEqual(['c', 'b'])
  })

  it('lets one process run a job, until its lease ends without being renewed', async () => {
    await jobs.create(job('a'))
    await using other = await openSqliteJobs({ path })
    expect(await jobs.claim('a', lease('one', 5000))).toMatchObject({ state: 'running', startedMs: 5000, leaseUntilMs: 6000 })
    await expect(other.claim('a', lease('two', 5999))).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
    await jobs.progress('a', lease('one', 5900), nothing)
    await expect(other.claim('a', lease('two', 6899))).rejects.toMatchObject({ code: 'JOB_CONFLICT' })

    expect(stateAt((await jobs.get('a'))!, 6900)).toBe('interrupted')
    expect(await other.claim('a', lease('two', 6900))).toMatchObject({ state: 'running', startedMs: 5000 })
    await expect(jobs.progress('a', lease('one', 6900), nothing)).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
    const outcome = { state: 'done', endedMs: 1, error: null } as const
    await expect(jobs.finish('a', 'one', nothing, outcome)).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
    expect(await other.finish('a', 'two', nothing, outcome)).toMatchObject({ state: 'done', leaseUntilMs: null })
  })

  it('lets exactly one of many racing processes claim a job', async () => {
    await jobs.create(job('a'))
    const stores = await Promise.all(Array.from({ length: 8 }, () => openSqliteJobs({ path })))
    const claims = await Promise.allSettled(stores.map((store, i) => store.claim('a', lease(`owner ${i}`, 1))))
    expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const store of stores) await store[Symbol.asyncDispose]()
  })

  it('keeps what progress said, adds up the lanes, and shows it to other processes', async () => {
    await jobs.create(job('a'))
    await jobs.claim('a', lease('one', 1))
    const moved = lane('2', {
      toPosition: Number.MAX_SAFE_INTEGER,
      nextPosition: 400,
      counts: { read: 9, delivered: 7, failed: 2, bytes: 99 },
    })
    await jobs.progress('a', lease('one', 2), { lanes: [moved], failures: failures(2) })
    await using other = await openSqliteJobs({ path })
    expect(await other.get('a')).toMatchObject({
      counts: moved.counts,
      lanes: [lane('0'), lane('10'), moved],
      failures: failures(2),
    })

    const ended = lane('0', { nextPosition: 500, done: true, counts: { read: 1, delivered: 1, failed: 0, bytes: 1 } })
    const error = { code: 'DELIVERY_FAILED', message: 'the target is away' }
    const outcome = { state: 'interrupted', endedMs: 77, error } as const
    const finished = await jobs.finish('a', 'one', { lanes: [ended], failures: [] }, outcome)
    expect(finished).toEqual({
      ...job('a'),
      ...outcome,
      startedMs: 1,
      counts: { read: 10, delivered: 8, failed: 2, bytes: 100 },
      lanes: [ended, lane('10'), moved],
      failures: failures(2),
    })
    expect(await jobs.claim('a', lease('three', 80))).toMatchObject({ error: null, endedMs: null, lanes: finished.lanes })
  })

  it('keeps a bounded list of failures', async () => {
    await jobs.create(job('a'))
    await jobs.claim('a', lease('one', 1))
    await jobs.progress('a', lease('one', 2), { lanes: [], failures: failures(600) })
    await jobs.progress('a', lease('one', 2), { lanes: [], failures: failures(600, 600) })
    await jobs.progress('a', lease('one', 2), { lanes: [], failures: failures(5, 1200) })
    expect((await jobs.get('a'))!.failures).toEqual(failures(MAX_RECORDED_FAILURES))
  })

  it('cancels what nobody runs at once, and tells the one who runs a job', async () => {
    await jobs.create(job('idle'))
    expect(await jobs.cancel('idle', 50)).toMatchObject({ state: 'cancelled', endedMs: 50 })
    expect(await jobs.cancel('idle', 60)).toMatchObject({ state: 'cancelled', endedMs: 50 })
    await expect(jobs.claim('idle', lease('one', 1))).rejects.toMatchObject({ code: 'JOB_CONFLICT' })

    await jobs.create(job('run'))
    await jobs.claim('run', lease('one', 1))
    expect(await jobs.progress('run', lease('one', 2), nothing)).toEqual({ cancelRequested: false })
    expect(await jobs.cancel('run', 3)).toMatchObject({ state: 'running', cancelRequested: true })
    expect(await jobs.progress('run', lease('one', 4), nothing)).toEqual({ cancelRequested: true })
    expect(await jobs.finish('run', 'one', nothing, { state: 'cancelled', endedMs: 5, error: null })).toMatchObject({
      state: 'cancelled',
    })

    await jobs.create(job('killed'))
    await jobs.claim('killed', lease('one', 1))
    expect(await jobs.cancel('killed', 1001)).toMatchObject({ state: 'cancelled', cancelRequested: false })

    await jobs.create(job('done'))
    await jobs.claim('done', lease('one', 1))
    await jobs.finish('done', 'one', nothing, { state: 'done', endedMs: 5, error: null })
    await expect(jobs.cancel('done', 6)).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
    await expect(jobs.claim('done', lease('one', 7))).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
  })

  it('names a job that is not there', async () => {
    const unknown = { code: 'JOB_UNKNOWN' }
    await expect(jobs.claim('x', lease('one', 1))).rejects.toMatchObject(unknown)
    await expect(jobs.progress('x', lease('one', 1), nothing)).rejects.toMatchObject(unknown)
    await expect(jobs.finish('x', 'one', nothing, { state: 'done', endedMs: 1, error: null })).rejects.toMatchObject(unknown)
    await expect(jobs.cancel('x', 1)).rejects.toMatchObject(unknown)
  })

  it('opens a new file from many places at once', async () => {
    const fresh = join(folder, 'fresh.sqlite')
    const stores = await Promise.all(Array.from({ length: 10 }, () => openSqliteJobs({ path: fresh })))
    await stores[0]!.create(job('a'))
    expect(await stores[9]!.get('a')).toEqual(job('a'))
    for (const store of stores) await store[Symbol.asyncDispose]()
  })

  it('names a file that is no job store, and a folder that is not there', async () => {
    const broken = join(folder, 'broken.sqlite')
    await writeFile(broken, 'this is no database, and long enough to be looked at as one. '.repeat(100))
    await expect(openSqliteJobs({ path: broken })).rejects.toMatchObject({ code: 'JOBS_CORRUPT' })
    await expect(openSqliteJobs({ path: join(folder, 'none', 'jobs.sqlite') })).rejects.toMatchObject({
      code: 'JOBS_UNAVAILABLE',
    })
  })
})
