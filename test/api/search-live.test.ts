import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, serve } from '../live/program.ts'
import { until } from '../live/until.ts'
import { type Line, linesFrom } from './search-scene.ts'

const LANES = 3
const SEARCHES = 20

describe('searching a service that archives meanwhile', { timeout: 180_000 }, () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millpond-search-'))
    await configure(dir, {
      data: '.',
      log: { level: 'warn' },
      local: { partitions: LANES },
      archive: { rotate: { maxAge: '200ms', idle: '50ms' } },
    })
  })
  afterAll(() => rm(dir, { recursive: true }))

  it('gives each of twenty a snapshot, and pages that go on over a restart', async () => {
    let service = await serve(dir)
    const counted = async () => ((await (await fetch(`${service.url}/search/count`)).json()) as { count: number }).count
    let sent = 0
    const put = async () => {
      const lines = Array.from({ length: 200 }, () =>
        JSON.stringify({ key: `k${sent % 97}`, value: { n: sent }, id: `i${sent++}` }),
      )
      const headers = { 'content-type': 'application/x-ndjson' }
      const { status } = await fetch(`${service.url}/topics/t/messages`, { method: 'POST', headers, body: lines.join('\n') })
      expect(status).toBe(200)
    }
    await put()
    await until(async () => (await counted()) >= 200, 'the first messages', 60_000)

    let isPutting = true
    const putting = (async () => {
      while (isPutting && sent < 6000) await put()
    })()
    await until(async () => (await counted()) > 400, 'more messages', 60_000)
    const search = async (query: string) => linesFrom(await fetch(`${service.url}/search?topic=t${query}`))
    const found = await Promise.all(
      Array.from({ length: SEARCHES }, async (_, at) => (at % 2 === 0 ? search('') : search('&order=time'))),
    )
    const first = (await (await fetch(`${service.url}/search?topic=t&format=page&limit=100`)).json()) as Page
    isPutting = false
    await putting
    for (const lines of found) expectSnapshot(lines)
    expect(await (await fetch(`${service.url}/search?id=i399`)).text()).toContain('"value":{"n":399}')

    await service.stop()
    service = await serve(dir)
    const messages = [...first.messages]
    for (let next = first.next; next !== null;) {
      const page = (await (await fetch(`${service.url}/search?format=page&cursor=${next}`)).json()) as Page
      messages.push(...page.messages)
      next = page.next
    }
    expectSnapshot([...messages, { end: true } as Line])
    await until(async () => (await counted()) === sent, 'the last messages', 60_000)
    await service.stop()
  })
})

interface Page {
  readonly messages: readonly Line[]
  readonly next: string | null
}

/** Of each lane the first so many messages, each once and in order, and the end. */
function expectSnapshot(lines: readonly Line[]): void {
  expect(lines.at(-1)).toMatchObject({ end: true })
  const messages = lines.slice(0, -1)
  expect(messages.length).toBeGreaterThan(400)
  for (const [lane, inLane] of Map.groupBy(messages, (one) => one.lane)) {
    expect(
      inLane.map(({ position }) => position),
      `lane ${lane}`,
    ).toEqual(inLane.map((_, at) => at))
  }
}
