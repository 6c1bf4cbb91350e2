import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { visiblePage } from '../../src/api/jobs/visible-page.ts'
import type { JobAudit } from '../../src/replay/job.ts'
import { runWorker } from '../../src/replay/worker.ts'
import { createMemorySink } from '../replay/archives.ts'
import { type JobsScene, jsonOf, openJobsScene } from './jobs-scene.ts'

interface History {
  readonly history: readonly JobAudit[]
  readonly next: string | null
}

describe('the history of jobs over HTTP', () => {
  let served: JobsScene
  // No two things happen at the same moment.
  let tickMs = Date.UTC(2026, 0, 1)
  const nowMs = () => tickMs++
  beforeEach(async () => {
    served = await openJobsScene(nowMs)
  })
  afterEach(() => served[Symbol.asyncDispose]())

  const make = async (topic: string, body: object = {}) => {
    const answer = await served.send('POST', '/jobs', { select: { topic }, to: 'topic:again', ...body })
    return (await jsonOf<{ readonly id: string }>(answer)).id
  }
  const work = () => {
    const { archive, jobs } = served.scene
    const sink = createMemorySink()
    sink.refuse = (position) => (position === 7 ? 'too large' : undefined)
    return runWorker(
      { archive, jobs, nowMs, partsAtOnce: 4, isOnce: true, openSink: async () => sink },
      AbortSignal.timeout(120_000),
    )
  }
  const read = async (query = '', caller?: string) =>
    jsonOf<History>(
      served.send('GET', `/jobs/history${query}`, undefined, caller === undefined ? {} : { 'x-test-caller': caller }),
    )
  /** Every page of so many rows. */
  const readAll = async (limit: number, caller?: string) => {
    const pages: History[] = []
    for (let next: string | null | undefined; next !== null; next = pages.at(-1)!.next) {
      pages.push(await read(`?limit=${limit}${next === undefined ? '' : `&cursor=${next}`}`, caller))
    }
    return pages
  }

  it('has who, what, when, how many and how it ended, the newest first, as the job store keeps it', async () => {
    const done = await make('orders', { note: 'after the fix' })
    await work()
    const cancelled = await make('other', { to: 'https://ann:secret@example.test/in?token=x' })
    await served.send('POST', `/jobs/${cancelled}/cancel`)
    await make('orders')
    const { history, next } = await read()
    expect(next).toBeNull()
    expect(history).toEqual(await served.scene.jobs.audits())
    expect(history).toMatchObject([
      { job: cancelled, outcome: 'cancelled', query: { topic: 'other' }, counts: { delivered: 0 } },
      {
        job: done,
        outcome: 'done',
        requestedBy: 'anonymous',
        note: 'after the fix',
        query: { topic: 'orders' },
        target: { kind: 'local', topic: 'again' },
        counts: { read: 125, delivered: 124, failed: 1 },
        startedMs: expect.any(Number),
        endedMs: expect.any(Number),
      },
    ])
    expect(JSON.stringify(history)).not.toMatch(/secret|token/u)
    expect((await read('?outcome=done')).history.map(({ job }) => job)).toEqual([done])
    expect((await read('?outcome=failed,cancelled')).history.map(({ job }) => job)).toEqual([cancelled])
    expect((await read(`?job=${done}`)).history.map(({ job }) => job)).toEqual([done])
  })

  it('shows a caller the jobs of topics that it may replay, page after page, and nothing of others', async () => {
    const mine: string[] = []
    const hidden: string[] = []
    for (let n = 0; n < 12; n++) {
      const topic = n % 3 === 0 ? 'orders' : 'other'
      const id = await make(topic)
      ;(topic === 'orders' ? mine : hidden).push(id)
      await served.send('POST', `/jobs/${id}/cancel`)
    }
    for (const limit of [1, 3, 100]) {
      expect((await readAll(limit)).flatMap(({ history }) => history)).toHaveLength(12)
      const pages = await readAll(limit, 'replayer')
      expect(pages.flatMap(({ history }) => history.map(({ job }) => job)).toSorted()).toEqual(mine.toSorted())
      const shown = JSON.stringify(pages)
      for (const id of hidden) expect(shown).not.toContain(id)
      // A page is full though most of what lies between is hidden.
      expect(pages[0]!.history).toHaveLength(Math.min(limit, mine.length))
    }
    expect(await read('', 'reader')).toEqual({ history: [], next: null })
    const list = await jsonOf<{ readonly jobs: object[] }>(
      served.send('GET', '/jobs?limit=4', undefined, { 'x-test-caller': 'replayer' }),
    )
    expect(list.jobs).toHaveLength(4)
  })

  it.each(['?limit=0', '?limit=1001', '?limit=x', '?outcome=running', '?cursor=1.2', '?cursor=x'])(
    'refuses %s',
    async (query) => {
      const answer = await served.send('GET', `/jobs/history${query}`)
      expect([answer.status, await jsonOf(answer)]).toMatchObject([400, { error: { code: 'INPUT_INVALID' } }])
    },
  )
})

describe('keys that Millpond gives to jobs', () => {
  let served: JobsScene
  beforeEach(async () => {
    served = await openJobsScene()
  })
  afterEach(() => served[Symbol.asyncDispose]())

  it.each([
    { how: 'a field', key: 'schedule 0123456789ab 1795248000000', path: 'key' },
    { how: 'a header', key: 'schedule 0123456789ab 1795248000000', path: 'idempotency-key' },
    { how: 'a field', key: 'retry of 0123456789ab, 5 refused', path: 'key' },
    { how: 'a header', key: 'x'.repeat(5000), path: 'idempotency-key' },
  ])('are refused as $how: $key', async ({ key, path }) => {
    const body = { select: { topic: 'orders' }, to: 'topic:again', ...(path === 'key' ? { key } : {}) }
    const answer = await served.send('POST', '/jobs', body, path === 'key' ? {} : { 'idempotency-key': key })
    expect([answer.status, await jsonOf(answer)]).toMatchObject([400, { error: { code: 'INPUT_INVALID', path } }])
    expect(await served.scene.jobs.list(1)).toEqual([])
  })

  it('do not stand in the way of others that are like them', async () => {
    for (const key of ['schedules', 'my schedule 1', 'Schedule 1', 'retry']) {
      const body = { select: { topic: 'orders' }, to: 'topic:again', key }
      expect((await served.send('POST', '/jobs', body)).status).toBe(201)
    }
  })
})

describe('a page of what a caller sees', () => {
  it('ends though nearly all is hidden, and goes on from there', async () => {
    const COUNT = 50_000
    const seen: number[] = []
    let [reads, next]: [number, number | undefined] = [0, -1]
    const pages: number[] = []
    while (next !== undefined) {
      const page: { readonly rows: number[]; readonly next: number | undefined } = await visiblePage({
        limit: 3,
        from: next,
        read: async (limit, behind = -1) => {
          reads++
          return Array.from({ length: Math.min(limit, COUNT - behind - 1) }, (_, i) => behind + 1 + i)
        },
        placeOf: (row) => row,
        isVisible: (row) => row % 30_000 === 17,
      })
      seen.push(...page.rows)
      pages.push(page.rows.length)
      next = page.next
    }
    expect(seen).toEqual([17, 30_017])
    expect(pages).toEqual([1, 1, 0])
    expect(reads).toBeLessThan(60)
  })
})
