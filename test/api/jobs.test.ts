import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runWorker } from '../../src/replay/worker.ts'
import { openFunction } from '../../src/wiring/functions.ts'
import { until } from '../live/until.ts'
import { createMemorySink, type MemorySink, type Scene } from '../replay/archives.ts'
import { type JobsScene, jsonOf, openJobsScene } from './jobs-scene.ts'

interface JobJson {
  readonly id: string
  readonly state: string
  readonly counts: { readonly delivered: number; readonly failed: number; readonly read: number }
  readonly requestedBy: string
  readonly partCount: number
}

describe('jobs over HTTP', () => {
  let served: JobsScene
  let folder: string
  let scene: Scene
  let url: string
  let sink: MemorySink
  const stop = new AbortController()
  let working: Promise<void> | undefined

  beforeEach(async () => {
    served = await openJobsScene()
    ;({ folder, scene, url } = served)
    sink = createMemorySink()
    working = undefined
  })
  afterEach(() => served[Symbol.asyncDispose]())

  /** Works until nothing is left to take. */
  const work = () => {
    working = runWorker(
      {
        archive: scene.archive,
        jobs: scene.jobs,
        nowMs: Date.now,
        partsAtOnce: 4,
        isOnce: true,
        openFunction,
        openSink: async () => sink,
      },
      stop.signal,
    )
    return working
  }
  const post = (path: string, body?: unknown, headers?: Record<string, string>) => served.send('POST', path, body, headers)
  const json = <T = JobJson>(response: Response | Promise<Response>) => jsonOf<T>(response)
  const show = (id: string) => json(fetch(`${url}/jobs/${id}`))

  it('are made, done by a worker, and shown', async () => {
    const made = await post('/jobs', { select: { topic: 'orders' }, to: 'topic:again', note: 'after the fix' })
    expect(made.status).toBe(201)
    const job = await json(made)
    expect(made.headers.get('location')).toBe(`/jobs/${job.id}`)
    expect(job).toMatchObject({ state: 'queued', requestedBy: 'anonymous', note: 'after the fix', partCount: 2 })
    await work()
    expect(sink.positions('orders', '0')).toHaveLength(95)
    expect(await show(job.id)).toMatchObject({ state: 'done', counts: { read: 125, delivered: 125, failed: 0 } })
  })

  it('are the same job where they are asked for twice with one key', async () => {
    const ask = () => post('/jobs', { select: { topic: 'orders' }, to: 'topic:again' }, { 'idempotency-key': 'once' })
    const [first, second] = [await ask(), await ask()]
    expect([first.status, second.status]).toEqual([201, 200])
    expect((await json(first)).id).toBe((await json(second)).id)
  })

  it('are paused, resumed and cancelled', async () => {
    const { id } = await json(post('/jobs', { select: { topic: 'orders' }, to: 'topic:again' }))
    expect(await json(post(`/jobs/${id}/pause`))).toMatchObject({ state: 'paused' })
    await work()
    expect(sink.writes).toEqual([])
    expect(await json(post(`/jobs/${id}/resume`))).toMatchObject({ state: 'queued' })
    expect(await json(post(`/jobs/${id}/cancel`))).toMatchObject({ state: 'cancelled' })
    const late = await post(`/jobs/${id}/resume`)
    expect([late.status, await json<object>(late)]).toMatchObject([409, { error: { code: 'JOB_CONFLICT' } }])
  })

  it('send again what was refused', async () => {
    sink.refuse = (position) => (position === 7 ? 'too large' : undefined)
    const { id } = await json(post('/jobs', { select: { topic: 'orders', lanes: ['0'] }, to: 'topic:again' }))
    await work()
    expect(await show(id)).toMatchObject({ state: 'done', counts: { failed: 1 } })
    sink.refuse = undefined
    const retry = await json<JobJson & { beyond: number }>(post(`/jobs/${id}/retry`))
    expect(retry).toMatchObject({ state: 'queued', retryOf: id, beyond: 0 })
    await work()
    expect(sink.positions('orders', '0').filter((position) => position === 7)).toEqual([7])
  })

  it('go through a function of the folder, and no other file', async () => {
    await writeFile(join(folder, 'half.mjs'), 'export default (m) => (m.position % 2 === 0 ? m : null)')
    const { id } = await json(post('/jobs', { select: { topic: 'other' }, to: 'topic:again', function: 'half.mjs' }))
    await work()
    expect(await show(id)).toMatchObject({ state: 'done', counts: { read: 20, delivered: 10 } })
    await writeFile(join(folder, 'needs.mjs'), "import './gone.mjs'\nexport default (m) => m")
    for (const name of ['../half.mjs', '/etc/passwd', '.hidden', 'missing.mjs', 'needs.mjs']) {
      const refused = await post('/jobs', { select: { topic: 'other' }, to: 'topic:again', function: name })
      const answer = await json<object>(refused)
      expect([refused.status, answer]).toMatchObject([400, { error: { code: 'FUNCTION_INVALID' } }])
      // Where the folder is, is nobody's business.
      expect(JSON.stringify(answer)).not.toContain(folder)
    }
  })

  it('are listed in pages, the newest first, and by state', async () => {
    const ids: string[] = []
    for (const topic of ['orders', 'other', 'orders'])
      ids.push((await json(post('/jobs', { select: { topic }, to: 'topic:again' }))).id)
    await post(`/jobs/${ids[0]}/cancel`)
    const list = (query: string) => json<{ jobs: JobJson[]; next: string | null }>(fetch(`${url}/jobs?${query}`))
    expect((await list('state=cancelled')).jobs.map(({ id }) => id)).toEqual([ids[0]])
    const seen: string[] = []
    let next: string | null = ''
    while (next !== null) {
      const page: Awaited<ReturnType<typeof list>> = await list(`limit=1${next === '' ? '' : `&cursor=${next}`}`)
      seen.push(...page.jobs.map(({ id }) => id))
      next = page.next
    }
    expect(new Set(seen)).toEqual(new Set(ids))
    expect(seen).toHaveLength(3)
  })

  it.each(['state=done&state=failed', 'state=gone', 'limit=0', 'limit=1&limit=2', 'cursor=1', 'cursor=1.a&cursor=1.b'])(
    'are not listed for %s, which is refused',
    async (query) => {
      const response = await fetch(`${url}/jobs?${query}`)
      expect([response.status, await jsonOf(response)]).toMatchObject([400, { error: { code: 'INPUT_INVALID' } }])
    },
  )

  it('tell of their progress as it goes, until they end', async () => {
    const { id } = await json(post('/jobs', { select: { topic: 'orders' }, to: 'topic:again' }))
    const response = await fetch(`${url}/jobs/${id}/events`)
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const decoder = new TextDecoder()
    let text = ''
    const reading = (async () => {
      for await (const chunk of response.body!) text += decoder.decode(chunk as Uint8Array, { stream: true })
    })()
    await until(() => text.includes('event: progress'), 'a first event')
    await work()
    await reading
    const events = text.trim().split('\n\n')
    expect(events.at(-1)).toMatch(/^event: end\ndata: \{.*"state":"done"/u)
    expect(JSON.parse(events[0]!.split('data: ')[1]!)).toMatchObject({ id, state: 'queued' })
  })

  it.each([
    { body: { select: { topic: 'orders' } }, path: 'to' },
    { body: { to: 'topic:x' }, path: 'select' },
    { body: { select: { topic: 'orders' }, to: 'file:/etc/passwd' }, path: 'to' },
    { body: { select: { topic: 'orders' }, to: 'topic:x', rates: 5 }, path: 'rates' },
    { body: { select: { topic: 'orders' }, to: 'topic:x', rate: 0 }, path: 'rate' },
    { body: { select: { topc: 'orders' }, to: 'topic:x' }, path: 'topc' },
    { body: { select: {}, to: 'topic:x', setHeaders: { a: 1 } }, path: 'setHeaders.a' },
    { body: { select: {}, to: 'topic:x', split: 257 }, path: 'split' },
    { body: { select: {}, to: 'topic:x', split: 1.5 }, path: 'split' },
  ])('refuse $body and name $path', async ({ body, path }) => {
    const refused = await post('/jobs', body)
    expect([refused.status, await json<object>(refused)]).toMatchObject([400, { error: { code: 'INPUT_INVALID', path } }])
  })

  it('need replay of every topic that they read and write, and admin to leave by HTTP', async () => {
    const as = (who: string) => ({ 'x-test-caller': who })
    const ask = (body: object, who: string) => post('/jobs', body, as(who))
    expect((await ask({ select: { topic: 'orders' }, to: 'topic:again' }, 'replayer')).status).toBe(201)
    for (const body of [
      { select: { topic: 'other' }, to: 'topic:again' },
      { select: { topic: 'orders' }, to: 'topic:elsewhere' },
      { select: { topic: 'orders' }, to: 'topic:again', topics: { orders: 'elsewhere' } },
      { select: {}, to: 'topic:again' },
      { select: { topic: 'orders' }, to: 'http://127.0.0.1:1/in' },
    ])
      expect((await ask(body, 'replayer')).status).toBe(403)
    expect((await ask({ select: { topic: 'orders' }, to: 'topic:again' }, 'reader')).status).toBe(403)
    const { id } = await json(post('/jobs', { select: { topic: 'other' }, to: 'topic:again' }))
    const hidden = await fetch(`${url}/jobs/${id}`, { headers: as('replayer') })
    expect([hidden.status, await json<object>(hidden)]).toMatchObject([404, { error: { code: 'JOB_UNKNOWN' } }])
    const list = await json<{ jobs: JobJson[] }>(fetch(`${url}/jobs`, { headers: as('replayer') }))
    expect(list.jobs.map(({ requestedBy }) => requestedBy)).toEqual(['replayer'])
  })
})
