import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jsonLines, runProgram, serve } from '../live/program.ts'
import { until } from '../live/until.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** What a line may have that a command prints: of a schedule, a fire, what a worker does, or a message. */
interface Line {
  readonly id: string
  readonly name: string
  readonly lastFireMs: number | null
  readonly next: { readonly fireMs: number }
  readonly fireMs: number
  readonly event: string
  readonly schedule: string
  readonly value: number
}

let dir: string
/** How the clock is set that every process sees. */
const clock = {
  nodeWords: ['--import', join(import.meta.dirname, '../faults/shifted-clock.ts')],
  env: { CLOCK_OFFSET_FILE: '' },
}
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-schedules-'))
  clock.env.CLOCK_OFFSET_FILE = join(dir, 'offset')
  await writeFile(join(dir, 'offset'), '0')
  await writeFile(join(dir, 'millpond.yaml'), 'data: .\nlog: { level: error }\n')
})
afterAll(() => rm(dir, { recursive: true }))

/** Sets the clock, which goes on from there. */
const setClock = (nowMs: number) => writeFile(join(dir, 'offset'), String(nowMs - Date.now()))

async function run(...words: string[]) {
  const { exitCode, stdout, stderr } = await runProgram([...words, '--dir', dir, '--json'], clock)
  return { exitCode, stderr, json: (exitCode === 0 ? jsonLines(stdout) : []) as Line[] }
}

const text = async (...words: string[]) => (await runProgram([...words, '--dir', dir], clock)).stdout.toString()

async function archive(from: number, to: number): Promise<void> {
  const lines = Array.from({ length: to - from }, (_, n) => `{"value":${from + n}}\n`)
  await writeFile(join(dir, 'orders.jsonl'), lines.join(''))
  expect((await run('ingest', 'orders', join(dir, 'orders.jsonl'))).exitCode).toBe(0)
  expect((await run('archive', '--once')).exitCode).toBe(0)
}

const valuesOf = async (topic: string) =>
  (await run('tail', topic, '--count', '1000')).json.map(({ value }) => value).toSorted((a, b) => a - b)
const upTo = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)

const select = ['--topic', 'orders', '--cron', '@daily', '--delay', '0s']

describe('schedules', { timeout: 300_000 }, () => {
  it('fire when it is time, each fire once, and send what is in their window', async () => {
    await archive(0, 10)
    expect(await text('schedules')).toBe('no schedules yet: millpond schedules add --help\n')
    const feed = (await run('schedules', 'add', 'feed', ...select, '--window', 'since-last', '--to', 'topic:fed')).json[0]!
    const first = feed.next.fireMs
    expect(first % DAY_MS).toBe(0)
    expect((await run('schedules', 'add', 'wide', ...select, '--window', 'last:4d', '--to', 'topic:wide')).exitCode).toBe(0)
    expect((await run('schedules', 'add', 'rest', ...select, '--window', 'last:1d', '--to', 'count')).exitCode).toBe(0)
    expect((await run('schedules', 'pause', 'rest')).json).toMatchObject([{ name: 'rest', isPaused: true }])
    const fires = (await run('schedules', 'next', 'feed', '--count', '3')).json
    expect(fires.map(({ fireMs }) => fireMs)).toEqual([first, first + DAY_MS, first + 2 * DAY_MS])
    await archive(10, 30)
    expect((await run('jobs', 'work', '--once')).json).toEqual([])

    await setClock(first + 2 * DAY_MS + HOUR_MS)
    const { json: worked } = await run('jobs', 'work', '--once')
    const fired = worked.filter(({ event }) => event === 'fired')
    const days = (id: string) => fired.filter(({ schedule }) => schedule === id).map(({ fireMs }) => (fireMs - first) / DAY_MS)
    expect([days(feed.id), fired.length]).toEqual([[0, 1, 2], 4])
    expect(await valuesOf('fed')).toEqual(upTo(10, 30))
    expect(await valuesOf('wide')).toEqual(upTo(0, 30))
    expect((await run('jobs', 'work', '--once')).json).toEqual([])
    expect((await run('schedules', 'show', 'feed')).json).toMatchObject([
      { lastFireMs: first + 2 * DAY_MS, lastJob: expect.any(String), trouble: null, next: { fromMs: first + 2 * DAY_MS } },
    ])
  })

  it('are fired by a service too', async () => {
    const [before] = (await run('schedules', 'show', 'feed')).json
    await setClock(before!.next.fireMs + HOUR_MS)
    const served = await serve(dir, [], clock)
    const firedTo = async () => (await run('schedules', 'show', 'feed')).json[0]!.lastFireMs
    await until(async () => (await firedTo()) === before!.next.fireMs, 'the fire', 120_000)
    expect((await served.stop()).exitCode).toBe(0)
  })

  it('are told in words, go on, and are removed', async () => {
    const list = await text('schedules')
    expect(list).toMatch(/^schedule +cron +zone +window +to +next job +last job$/mu)
    expect(list).toMatch(/^rest +@daily +UTC +last .* +count +paused/mu)
    expect(await text('schedules', 'show', 'feed')).toMatch(/orders to local fed\n.*\nlast fire .*Z: job [0-9a-f]{12}\n$/u)
    expect(await text('schedules', 'next', 'wide')).toMatch(/^fire +job made +messages from +to\n/u)
    expect(await text('schedules', 'resume', 'rest')).toMatch(/^schedule rest next job .*Z, of messages from .*Z to .*Z\n$/u)
    expect(await text('schedules', 'remove', 'rest')).toBe('schedule rest is removed\n')
    expect((await run('schedules')).json.map(({ name }) => name)).toEqual(['feed', 'wide'])
    expect(await run('schedules', 'show', 'rest')).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('SCHEDULE_UNKNOWN'),
    })
  })

  it.each([
    { words: ['--window', 'yesterday', '--to', 'count'], says: '--window must be' },
    { words: ['--window', 'last:1d'], says: '--to' },
    { words: ['--window', 'last:1d', '--to', 'count', '--from', '-1d'], says: 'window' },
    { words: ['--window', 'last:1d', '--to', 'count', '--zone', 'Berlin'], says: 'zone' },
    { words: ['--window', 'last:1d', '--to', 'file:x'], says: 'file' },
    { words: ['--window', 'last:1d', '--to', 'topic:orders'], says: 'REPLAY_LOOP' },
  ])('cannot be added with $words', async ({ words, says }) => {
    const { exitCode, stderr } = await run('schedules', 'add', 'bad', ...select, ...words)
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(says)])
  })
})
