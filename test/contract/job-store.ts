import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JobRecord, ReplayFailure } from '../../src/replay/job.ts'
import { MAX_RECORDED_FAILURES, NO_COUNTS, replayOptions } from '../../src/replay/job.ts'
import type { JobStore } from '../../src/replay/jobs.ts'
import type { ReplayPart } from '../../src/replay/part.ts'

/** A database that keeps jobs, empty, and gone when it is disposed of. */
export interface JobStoreFixture extends AsyncDisposable {
  /** Opens the store, as another process would. The contract closes it. */
  open(): Promise<JobStore>
}

/** A part of a lane of `orders`, from 10 to 500. */
export const partOf = (job: string, part: number, fields: Partial<ReplayPart> = {}): ReplayPart => ({
  job,
  part,
  lane: { topic: 'orders', topicId: 'id-1', lane: String(part) },
  fromPosition: 10,
  toPosition: 500,
  shard: null,
  only: null,
  share: null,
  after: [],
  nextPosition: 10,
  counts: NO_COUNTS,
  state: 'open',
  owner: null,
  leaseUntilMs: null,
  attempts: 0,
  notBeforeMs: null,
  error: null,
  version: 0,
  ...fields,
})

/** A job that is offered to many workers. */
export const recordOf = (id: string, fields: Partial<JobRecord> = {}): JobRecord => ({
  id,
  query: { topic: 'orders', keyBase64: 'a2V5' },
  target: { kind: 'http', url: 'http://user:secret@example.test/in?token=x', headers: { authorization: 'Bearer x' } },
  options: replayOptions('http'),
  createdMs: 1000,
  requestedBy: 'ann',
  note: 'after the outage of Ürümqi',
  key: null,
  retryOf: null,
  planned: { segments: 1, blocks: 2, bytes: 3, messages: 4, exact: false },
  workers: 'many',
  offered: true,
  wish: 'run',
  startedMs: null,
  endedMs: null,
  ...fields,
})

const LEASE_MS = 1000
const lease = (owner: string, nowMs: number) => ({ owner, nowMs, leaseMs: LEASE_MS })
const open = { state: 'open', error: null } as const
const done = { state: 'done', error: null } as const
const counts = (read: number, failed = 0) => ({ read, delivered: read - failed, failed, bytes: read * 10 })
const refusals = (count: number, from = 0, lane = '0'): ReplayFailure[] =>
  Array.from({ length: count }, (_, i) => ({ topic: 'orders', topicId: 'id-1', lane, position: from + i, reason: 'status 400' }))

/** What every job store must hold to. */
export function jobStoreContract(name: string, openFixture: () => Promise<JobStoreFixture>): void {
  describe(`job store contract: ${name}`, () => {
    let fixture: JobStoreFixture
    let jobs: JobStore
    let others: JobStore[]

    beforeEach(async () => {
      fixture = await openFixture()
      jobs = await fixture.open()
      others = []
    })
    afterEach(async () => {
      await Promise.all([jobs, ...others].map((store) => store[Symbol.asyncDispose]()))
      await fixture[Symbol.asyncDispose]()
    })
    const another = async (): Promise<JobStore> => {
      const store = await fixture.open()
      others.push(store)
      return store
    }
    const make = async (id: string, parts: number, fields: Partial<JobRecord> = {}) => {
      const all = Array.from({ length: parts }, (_, part) => partOf(id, part))
      expect(await jobs.create({ job: recordOf(id, fields), parts: all })).toEqual({ id, isNew: true })
    }
    const stateOf = async (id: string, nowMs: number) => (await jobs.get(id, nowMs))?.state

    it('gives a job back as it was made, with its parts in their order', async () => {
      const parts = [
        partOf('a', 0, { toPosition: Number.MAX_SAFE_INTEGER }),
        partOf('a', 1, { shard: { index: 1, count: 4 }, share: '1/4' }),
        partOf('a', 2, { only: [10, 12, [20, 300], 499], after: [0, 1], share: 'retry' }),
        partOf('a', 3, { refused: { at: [12, [20, 300]], count: 7, clearTo: 310 } }),
      ]
      const record = recordOf('a', { options: replayOptions('http', { rateMessagesPerSecond: 0.5 }), retryOf: 'before' })
      await jobs.create({ job: record, parts })
      const summary = {
        ...record,
        state: 'queued',
        counts: NO_COUNTS,
        error: null,
        partCount: 4,
        partsDone: 0,
        leaseUntilMs: null,
      }
      expect(await (await another()).get('a', 5)).toEqual({ ...summary, parts, failures: [] })
      expect(await jobs.list(5)).toEqual([summary])
      expect(await jobs.parts('a')).toEqual(parts)
      expect((await jobs.parts('a', { from: 1, limit: 1 })).map(({ part }) => part)).toEqual([1])
      expect(await jobs.get('b', 5)).toBeUndefined()
    })

    it('refuses an id that is taken and leaves the job that has it', async () => {
      await make('a', 2)
      const again = jobs.create({ job: recordOf('a', { createdMs: 5 }), parts: [partOf('a', 0, { fromPosition: 99 })] })
      await expect(again).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
      const job = (await jobs.get('a', 5))!
      expect([job.createdMs, job.parts.map(({ fromPosition }) => fromPosition)]).toEqual([1000, [10, 10]])
    })

    it('makes one job for one key, however often and at once it is asked for', async () => {
      const stores = [jobs, ...(await Promise.all(Array.from({ length: 4 }, another)))]
      const asked = stores.map((store, i) =>
        store.create({ job: recordOf(`job-${i}`, { key: 'once' }), parts: [partOf(`job-${i}`, 0)] }),
      )
      const made = await Promise.all(asked)
      expect(made.filter(({ isNew }) => isNew)).toHaveLength(1)
      expect(new Set(made.map(({ id }) => id)).size).toBe(1)
      expect((await jobs.list(1)).map(({ id }) => id)).toEqual([made[0]!.id])
      // Nothing is left of those that were not made.
      for (const i of [0, 1, 2, 3, 4]) {
        expect(await jobs.parts(`job-${i}`)).toHaveLength(`job-${i}` === made[0]!.id ? 1 : 0)
      }
      expect(await jobs.create({ job: recordOf('x', { key: 'once' }), parts: [] })).toEqual({ id: made[0]!.id, isNew: false })
    })

    it('lists the newest first, by state, page after page, whatever comes in between', async () => {
      for (let i = 0; i < 7; i++) await make(`job-${i}`, 1, { createdMs: 100 + (i >> 1) })
      await jobs.want('job-3', 'cancel', { nowMs: 9 })
      await jobs.want('job-2', 'pause', { nowMs: 9 })
      await jobs.take(lease('w', 500), { job: 'job-5' })
      const ids = async (options?: Parameters<JobStore['list']>[1]) => (await jobs.list(600, options)).map(({ id }) => id)
      expect(await ids()).toEqual(['job-6', 'job-5', 'job-4', 'job-3', 'job-2', 'job-1', 'job-0'])
      expect(await ids({ states: ['queued'] })).toEqual(['job-6', 'job-4', 'job-1', 'job-0'])
      expect(await ids({ states: ['cancelled'] })).toEqual(['job-3'])
      expect(await ids({ states: ['paused', 'running'] })).toEqual(['job-5', 'job-2'])
      expect(await ids({ states: ['queued'], limit: 2 })).toEqual(['job-6', 'job-4'])
      const seen: string[] = []
      for (let before: { createdMs: number; id: string } | undefined; ;) {
        const page = await jobs.list(600, { limit: 2, ...(before === undefined ? {} : { before }) })
        if (page.length === 0) break
        seen.push(...page.map(({ id }) => id))
        before = page.at(-1)!
        await make(`new-${seen.length}`, 1, { createdMs: 900 })
      }
      expect(seen).toEqual(['job-6', 'job-5', 'job-4', 'job-3', 'job-2', 'job-1', 'job-0'])
    })

    it('gives each part to one worker, the oldest job first, until its lease ends without being renewed', async () => {
      await make('young', 1, { createdMs: 2000 })
      await make('old', 2)
      const other = await another()
      const one = (await jobs.take(lease('one', 5000)))!
      expect(one).toMatchObject({
        job: { id: 'old', state: 'queued' },
        part: { part: 0, owner: 'one', leaseUntilMs: 6000, attempts: 1 },
      })
      expect((await other.take(lease('two', 5000)))!.part).toMatchObject({ job: 'old', part: 1 })
      expect((await other.take(lease('two', 5000)))!.part).toMatchObject({ job: 'young', part: 0 })
      expect(await other.take(lease('three', 5999))).toBeUndefined()
      expect(await stateOf('old', 5999)).toBe('running')

      const { held } = await jobs.progress(lease('one', 5900), { job: 'old', parts: [one.part], failures: [] })
      expect(await other.take(lease('three', 6000), { job: 'old' })).toMatchObject({ part: { part: 1, attempts: 2 } })
      expect(await other.take(lease('three', 6899), { job: 'old' })).toBeUndefined()
      expect(await other.take(lease('three', 6900), { job: 'old' })).toMatchObject({ part: { part: 0, attempts: 2 } })

      // Who lost a part records nothing of it any more.
      const moved = held.map((part) => ({ ...part, nextPosition: 400 }))
      const answer = await jobs.progress(lease('one', 6950), { job: 'old', parts: moved, failures: [] })
      expect(answer.held).toEqual([])
      expect(await jobs.release(lease('one', 6950), moved[0]!, done)).toBe(false)
      expect((await jobs.get('old', 6950))!.parts[0]).toMatchObject({ owner: 'three', nextPosition: 10, state: 'open' })
    })

    it('gives no worker what it holds itself, though its lease ended', async () => {
      await make('a', 2)
      await jobs.take(lease('one', 1))
      expect((await jobs.take(lease('one', 5000)))!.part.part).toBe(1)
      expect(await jobs.take(lease('one', 9000))).toBeUndefined()
    })

    it('lets an owner whose lease ended go on while nobody else took the part', async () => {
      await make('a', 1)
      const { part } = (await jobs.take(lease('one', 1)))!
      const { held, wanted } = await jobs.progress(lease('one', 90_000), { job: 'a', parts: [part], failures: [] })
      expect([held.length, wanted, held[0]?.leaseUntilMs]).toEqual([1, 'run', 91_000])
    })

    it('gives every part to exactly one of many racing workers', async () => {
      await make('a', 30)
      const stores = [jobs, ...(await Promise.all(Array.from({ length: 5 }, another)))]
      const takeAll = async (store: JobStore, owner: string) => {
        const taken: number[] = []
        for (let next = await store.take(lease(owner, 1)); next !== undefined; next = await store.take(lease(owner, 1))) {
          taken.push(next.part.part)
        }
        return taken
      }
      const taken = (await Promise.all(stores.map((store, i) => takeAll(store, `owner ${i}`)))).flat()
      expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, part) => part))
    })

    it('begins a part only when those before it are done', async () => {
      const parts = [partOf('a', 0), partOf('a', 1, { after: [0] }), partOf('a', 2, { after: [0, 1] })]
      await jobs.create({ job: recordOf('a'), parts })
      for (const place of [0, 1, 2]) {
        const { part } = (await jobs.take(lease('w', 1)))!
        expect(part.part).toBe(place)
        expect(await jobs.take(lease('w', 1))).toBeUndefined()
        await jobs.release(lease('w', 1), part, done)
      }
      expect(await stateOf('a', 1)).toBe('done')
    })

    it('finds parts behind many that have to wait', async () => {
      const waiting = Array.from({ length: 50 }, (_, part) => partOf('a', part, { after: [50] }))
      await jobs.create({ job: recordOf('a'), parts: [...waiting, partOf('a', 50)] })
      expect((await jobs.take(lease('w', 1)))!.part.part).toBe(50)
    })

    it('keeps what progress said, adds up the parts, and shows it to other processes', async () => {
      await make('a', 3)
      const { part } = (await jobs.take(lease('one', 77)))!
      const refused = { at: [0, 1], count: 2, clearTo: 2 }
      const moved = { ...part, nextPosition: 400, counts: counts(9, 2), refused }
      const { held } = await jobs.progress(lease('one', 78), { job: 'a', parts: [moved], failures: refusals(2) })
      const other = await another()
      expect(await other.get('a', 78)).toMatchObject({
        state: 'running',
        startedMs: 78,
        leaseUntilMs: 1078,
        counts: counts(9, 2),
        failures: refusals(2),
        parts: [{ nextPosition: 400, owner: 'one', refused }, { nextPosition: 10, owner: null }, {}],
      })
      const error = { code: 'DELIVERY_FAILED', message: 'the target is away' }
      const ended = { ...held[0]!, nextPosition: 450, counts: counts(12, 3) }
      expect(await jobs.release(lease('one', 79), ended, { state: 'open', error, notBeforeMs: 500 }, refusals(1, 2))).toBe(true)
      expect(await other.get('a', 79)).toMatchObject({
        state: 'interrupted',
        error,
        counts: counts(12, 3),
        failures: refusals(3),
      })
      // Who looks for work leaves the part alone for a while; who names the job does not.
      expect((await other.take(lease('two', 499)))!.part.part).toBe(1)
      expect((await other.take(lease('two', 499), { job: 'a' }))!.part).toMatchObject({ part: 0, nextPosition: 450, error: null })
    })

    it('keeps a bounded list of failures, each once, and their number in full', async () => {
      await make('a', 1)
      let { part } = (await jobs.take(lease('one', 1)))!
      for (const [from, count] of [
        [0, 600],
        [400, 600],
        [1000, 20],
      ] as const) {
        part = { ...part, counts: counts(2000, from + count) }
        const update = { job: 'a', parts: [part], failures: refusals(count, from) }
        part = (await jobs.progress(lease('one', 2), update)).held[0]!
      }
      const job = (await jobs.get('a', 2))!
      expect(job.failures).toEqual(refusals(MAX_RECORDED_FAILURES))
      expect(job.counts.failed).toBe(1020)
    })

    it('repeats a change whose answer was lost', async () => {
      await make('a', 1)
      const { part } = (await jobs.take(lease('one', 1)))!
      const moved = { ...part, nextPosition: 100 }
      await jobs.progress(lease('one', 2), { job: 'a', parts: [moved], failures: refusals(1) })
      const { held } = await jobs.progress(lease('one', 3), { job: 'a', parts: [moved], failures: refusals(1) })
      expect(held).toMatchObject([{ nextPosition: 100, leaseUntilMs: 1003 }])
      expect((await jobs.get('a', 3))!.failures).toEqual(refusals(1))
    })

    it('is done when all parts are, and leaves a record of who, what, when and how many', async () => {
      await make('a', 2)
      for (const nowMs of [10, 20]) {
        const { part } = (await jobs.take(lease('w', nowMs)))!
        const { held } = await jobs.progress(lease('w', nowMs), { job: 'a', parts: [part], failures: [] })
        expect(await stateOf('a', nowMs)).toBe('running')
        await jobs.release(lease('w', nowMs), { ...held[0]!, counts: counts(5, 1) }, done)
      }
      expect(await jobs.get('a', 21)).toMatchObject({
        state: 'done',
        startedMs: 10,
        endedMs: 20,
        counts: counts(10, 2),
        partsDone: 2,
      })
      const [audit, ...more] = await (await another()).audits()
      expect(more).toEqual([])
      expect(audit).toMatchObject({
        job: 'a',
        ending: 0,
        requestedBy: 'ann',
        note: 'after the outage of Ürümqi',
        query: { topic: 'orders' },
        createdMs: 1000,
        startedMs: 10,
        endedMs: 20,
        outcome: 'done',
        counts: counts(10, 2),
        error: null,
      })
      expect(JSON.stringify(audit)).not.toMatch(/secret|Bearer/u)
      await expect(jobs.want('a', 'cancel', { nowMs: 30 })).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
      await expect(jobs.want('a', 'run', { nowMs: 30 })).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
    })

    it('lists records of endings, the newest first, by job and outcome, page after page', async () => {
      for (let i = 0; i < 5; i++) {
        await make(`job-${i}`, 1)
        if (i % 2 === 0) await jobs.want(`job-${i}`, 'cancel', { nowMs: 100 + (i >> 1) })
        else await jobs.release(lease('w', 100 + i), (await jobs.take(lease('w', 100 + i)))!.part, done)
      }
      const jobsOf = async (options?: Parameters<JobStore['audits']>[0]) => (await jobs.audits(options)).map(({ job }) => job)
      expect(await jobsOf()).toEqual(['job-3', 'job-4', 'job-2', 'job-1', 'job-0'])
      expect(await jobsOf({ outcomes: ['done'] })).toEqual(['job-3', 'job-1'])
      expect(await jobsOf({ job: 'job-2' })).toEqual(['job-2'])
      expect(await jobsOf({ limit: 2, before: { endedMs: 102, job: 'job-4', ending: 0 } })).toEqual(['job-2', 'job-1'])

      // A job that fails again in the same moment is in two places.
      await make('again', 1)
      for (const ending of [0, 1, 2]) {
        const { part } = (await jobs.take(lease('w', 200), { job: 'again' }))!
        await jobs.release(lease('w', 200), part, { state: 'failed', error: { code: 'BLOCK_CORRUPT', message: 'damaged' } })
        expect(await jobs.audits({ job: 'again', limit: 1 })).toMatchObject([{ ending, endedMs: 200 }])
        await jobs.want('again', 'run', { nowMs: 200 })
      }
      const seen: string[] = []
      for (
        let page = await jobs.audits({ limit: 1 });
        page.length > 0;
        page = await jobs.audits({ limit: 1, before: page[0]! })
      ) {
        seen.push(`${page[0]!.job} ${page[0]!.ending}`)
      }
      const once = ['job-3', 'job-4', 'job-2', 'job-1', 'job-0'].map((job) => `${job} 0`)
      expect(seen).toEqual(['again 2', 'again 1', 'again 0', ...once])
    })

    it('stops all workers of a job that failed, and lets it go on when it is wanted to', async () => {
      await make('a', 3)
      const one = (await jobs.take(lease('one', 1)))!.part
      const two = (await jobs.take(lease('two', 1)))!.part
      const error = { code: 'BLOCK_CORRUPT', message: 'a block is damaged' }
      await jobs.release(lease('one', 2), one, { state: 'failed', error })
      expect(await jobs.take(lease('three', 2))).toBeUndefined()
      const { wanted, held } = await jobs.progress(lease('two', 3), { job: 'a', parts: [two], failures: [] })
      expect(wanted).toBe('halt')
      await jobs.release(lease('two', 4), held[0]!, open)
      expect(await jobs.get('a', 5)).toMatchObject({ state: 'failed', error, endedMs: 4 })
      expect(await jobs.audits()).toMatchObject([{ outcome: 'failed', error, ending: 0 }])

      expect(await jobs.want('a', 'run', { nowMs: 6 })).toMatchObject({ state: 'interrupted', error: null, endedMs: null })
      for (let left = 3; left > 0; left--) await jobs.release(lease('w', 7), (await jobs.take(lease('w', 7)))!.part, done)
      expect(await jobs.get('a', 8)).toMatchObject({ state: 'done', error: null })
      expect(await jobs.audits()).toMatchObject([
        { outcome: 'done', ending: 1 },
        { outcome: 'failed', ending: 0 },
      ])
    })

    it('pauses: nobody takes a part, who has one is told, and it goes on when it is wanted to', async () => {
      await make('a', 2)
      const { part } = (await jobs.take(lease('one', 1)))!
      expect(await jobs.want('a', 'pause', { nowMs: 2 })).toMatchObject({ state: 'running', wish: 'pause' })
      expect(await jobs.take(lease('two', 2))).toBeUndefined()
      expect(await jobs.take(lease('two', 2), { job: 'a' })).toBeUndefined()
      const { wanted, held } = await jobs.progress(lease('one', 2), { job: 'a', parts: [part], failures: [] })
      expect(wanted).toBe('pause')
      await jobs.release(lease('one', 3), held[0]!, open)
      expect(await stateOf('a', 3)).toBe('paused')
      expect(await jobs.want('a', 'run', { nowMs: 4 })).toMatchObject({ state: 'interrupted' })
      expect((await jobs.take(lease('two', 4)))!.part.part).toBe(0)
    })

    it('cancels what nobody runs at once, and tells those who run a job', async () => {
      await make('idle', 1)
      expect(await jobs.want('idle', 'cancel', { nowMs: 50 })).toMatchObject({ state: 'cancelled', endedMs: 50 })
      expect(await jobs.want('idle', 'cancel', { nowMs: 60 })).toMatchObject({ state: 'cancelled', endedMs: 50 })
      expect(await jobs.take(lease('w', 60), { job: 'idle' })).toBeUndefined()
      await expect(jobs.want('idle', 'run', { nowMs: 61 })).rejects.toMatchObject({ code: 'JOB_CONFLICT' })

      await make('run', 1)
      const { part } = (await jobs.take(lease('one', 70)))!
      expect(await jobs.want('run', 'cancel', { nowMs: 71 })).toMatchObject({ state: 'running', wish: 'cancel' })
      const { wanted, held } = await jobs.progress(lease('one', 72), { job: 'run', parts: [part], failures: [] })
      expect(wanted).toBe('cancel')
      await jobs.release(lease('one', 73), held[0]!, open)
      expect(await jobs.get('run', 74)).toMatchObject({ state: 'cancelled', endedMs: 73 })

      await make('killed', 1)
      await jobs.take(lease('one', 80), { job: 'killed' })
      expect(await jobs.want('killed', 'cancel', { nowMs: 1079 })).toMatchObject({ state: 'running' })
      // Nobody is there to say so any more; who looks records it.
      expect(await stateOf('killed', 1080)).toBe('cancelled')
      expect(await jobs.audits({ job: 'killed' })).toMatchObject([{ outcome: 'cancelled', endedMs: 1080 }])
    })

    it('asks those with several parts to hand over, when a worker has none', async () => {
      await make('a', 2)
      const parts = [(await jobs.take(lease('one', 1)))!.part, (await jobs.take(lease('one', 1)))!.part]
      const wanted = async (nowMs: number) => (await jobs.progress(lease('one', nowMs), { job: 'a', parts, failures: [] })).wanted
      expect(await jobs.take(lease('two', 10))).toBeUndefined()
      expect(await wanted(10)).toBe('run')
      expect(await jobs.take(lease('two', 20), { isIdle: true })).toBeUndefined()
      expect(await wanted(20)).toBe('hand-over')
      expect(await wanted(60_000)).toBe('run')
    })

    it('lets one worker at a time do a job that is for one, part by part', async () => {
      await make('a', 3, { workers: 'one' })
      const other = await another()
      const first = (await jobs.take(lease('one', 1)))!.part
      expect((await jobs.take(lease('one', 1)))!.part.part).toBe(1)
      expect(await other.take(lease('two', 2))).toBeUndefined()
      expect(await other.take(lease('two', 2), { job: 'a' })).toBeUndefined()
      const { held } = await jobs.progress(lease('one', 900), { job: 'a', parts: [first], failures: [] })
      expect(await other.take(lease('two', 1500), { job: 'a' })).toBeUndefined()
      // A lease that ended gives the seat to another, and the one before is told to stop.
      expect((await other.take(lease('two', 2000), { job: 'a' }))!.part.part).toBe(0)
      expect(await jobs.progress(lease('one', 2001), { job: 'a', parts: held, failures: [] })).toEqual({
        wanted: 'halt',
        held: [],
      })
    })

    it('frees the seat of a job for one when its worker leaves', async () => {
      await make('a', 2, { workers: 'one' })
      const { part } = (await jobs.take(lease('one', 1)))!
      await jobs.release(lease('one', 2), part, open)
      expect((await jobs.take(lease('two', 3)))!.part.part).toBe(0)
    })

    it('gives workers that name no job only what is offered', async () => {
      await make('a', 1, { offered: false })
      expect(await jobs.take(lease('w', 1))).toBeUndefined()
      await jobs.want('a', 'run', { nowMs: 2, isOffered: true })
      expect((await jobs.take(lease('w', 3)))!.job).toMatchObject({ id: 'a', offered: true })
    })

    it('holds one rate over all workers, whatever they ask for', async () => {
      await make('a', 1, { options: replayOptions('http', { rateMessagesPerSecond: 100 }) })
      await make('free', 1)
      const other = await another()
      expect(await jobs.reserve('a', 50, 1000)).toBe(0)
      expect(await other.reserve('a', 50, 1000)).toBe(500)
      expect(await jobs.reserve('a', 10, 1500)).toBe(500)
      expect(await other.reserve('a', 10, 1600)).toBe(500)
      // What was not used in a pause is lost, but for a moment's worth.
      expect(await jobs.reserve('a', 20, 60_000)).toBe(0)
      expect(await jobs.reserve('a', 20, 60_000)).toBe(100)
      expect(await jobs.reserve('free', 1_000_000, 1)).toBe(0)
      const turns = await Promise.all(
        [jobs, other].flatMap((store) => Array.from({ length: 5 }, () => store.reserve('a', 1, 90_000))),
      )
      expect(turns.toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      expect(await jobs.reserve('a', 1, 90_000)).toBe(0)
      expect(await jobs.reserve('a', 1, 90_000)).toBeCloseTo(10, 3)
    })

    it('is done with a job that has no parts when a worker looks at it', async () => {
      await make('a', 0)
      expect(await stateOf('a', 1)).toBe('queued')
      expect(await jobs.take(lease('w', 2))).toBeUndefined()
      expect(await stateOf('a', 3)).toBe('done')
    })

    it('keeps jobs of many parts', async () => {
      await make('a', 2500)
      expect((await jobs.get('a', 1))!.parts.map(({ part }) => part)).toEqual(Array.from({ length: 2500 }, (_, part) => part))
      expect(await jobs.list(1)).toMatchObject([{ partCount: 2500 }])
    })

    it('has not started while its first worker is still opening the target', async () => {
      await make('a', 1)
      const { part } = (await jobs.take(lease('w', 1)))!
      const { held } = await jobs.progress(lease('w', 500), { job: 'a', parts: [part], failures: [], isOpening: true })
      expect(await jobs.get('a', 900)).toMatchObject({ state: 'running', startedMs: null, leaseUntilMs: 1500 })
      await jobs.progress(lease('w', 800), { job: 'a', parts: held, failures: [] })
      expect(await jobs.get('a', 900)).toMatchObject({ startedMs: 800 })
    })

    it('names a job that is not there', async () => {
      const missing = { code: 'JOB_UNKNOWN' }
      await expect(jobs.take(lease('w', 1), { job: 'x' })).rejects.toMatchObject(missing)
      await expect(jobs.progress(lease('w', 1), { job: 'x', parts: [], failures: [] })).rejects.toMatchObject(missing)
      await expect(jobs.release(lease('w', 1), partOf('x', 0), open)).rejects.toMatchObject(missing)
      await expect(jobs.want('x', 'pause', { nowMs: 1 })).rejects.toMatchObject(missing)
      await expect(jobs.reserve('x', 1, 1)).rejects.toMatchObject(missing)
    })
  })
}
