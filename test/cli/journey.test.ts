import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jsonLines, runProgram, serve } from '../live/program.ts'
import { until } from '../live/until.ts'

const COUNT = 5000
const START_MS = Date.UTC(2026, 0, 1)

/** Message `n` as a line. */
const line = (n: number) =>
  `${JSON.stringify({ key: `k${n % 100}`, value: { n }, headers: { even: String(n % 2 === 0), ...(n % 1000 === 0 ? { rare: `r${n}` } : {}) }, timestamp: START_MS + n * 1000, id: `id-${n}` })}\n`

interface Found {
  readonly topic: string
  readonly lane: string
  readonly position: number
  readonly timestamp: number
  readonly key: string | null
  readonly id: string
  readonly value: { readonly n: number }
  readonly headers: readonly { readonly name: string; readonly value: string }[]
}

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-journey-'))
  await writeFile(join(dir, 'millpond.yaml'), 'data: .\nlog: { level: error }\narchive: { lookups: { headers: [rare] } }\n')
  await writeFile(join(dir, 'orders.jsonl'), Array.from({ length: COUNT }, (_, n) => line(n)).join(''))
  const taken = await run('ingest', 'orders', join(dir, 'orders.jsonl'), '--partitions', '3')
  expect(taken).toMatchObject({ exitCode: 0, json: [{ topic: 'orders', messages: COUNT }] })
  const archived = await run('archive', '--once')
  expect(archived).toMatchObject({ exitCode: 0, json: [{ messages: COUNT, deadLetters: 0, left: 0 }] })
})
afterAll(() => rm(dir, { recursive: true }))

async function run(...words: string[]) {
  const { exitCode, stdout, stderr } = await runProgram([...words, '--dir', dir, '--json'])
  return { exitCode, stderr, json: exitCode === 0 || exitCode === 5 ? jsonLines(stdout) : [] }
}

async function find(...words: string[]): Promise<Found[]> {
  const { exitCode, json, stderr } = await run('search', ...words)
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
  return json as Found[]
}

const numbers = (found: readonly Found[]) => found.map(({ value }) => value.n).sort((a, b) => a - b)
const upTo = (end: number, wanted: (n: number) => boolean) => Array.from({ length: end }, (_, n) => n).filter(wanted)

describe('search', () => {
  it.each([
    { words: ['--topic', 'orders'], wanted: () => true },
    { words: ['--key', 'k7'], wanted: (n: number) => n % 100 === 7 },
    { words: ['--key-base64', 'azc='], wanted: (n: number) => n % 100 === 7 },
    { words: ['--id', 'id-4321'], wanted: (n: number) => n === 4321 },
    { words: ['--header', 'rare'], wanted: (n: number) => n % 1000 === 0 },
    { words: ['--header', 'rare=r3000'], wanted: (n: number) => n === 3000 },
    { words: ['--header', 'even=true', '--key', 'k8'], wanted: (n: number) => n % 100 === 8 },
    {
      words: ['--from', '2026-01-01T00:01:00Z', '--until', String(START_MS + 120_000)],
      wanted: (n: number) => n >= 60 && n < 120,
    },
    { words: ['--from', '-1h'], wanted: () => false },
    {
      words: [
        '--id',
        'id-4321',
        '--id',
        'id-7',
        '--id',
        'id-3000',
        '--key',
        'k7',
        '--key-base64',
        'azA=',
        '--header',
        'rare^=r3',
      ],
      wanted: (n: number) => n === 3000,
    },
    {
      words: ['--header', '!rare', '--header', 'even!=false', '--key', 'k0'],
      wanted: (n: number) => n % 100 === 0 && n % 1000 !== 0,
    },
    { words: ['--where', '.n % 500 == 3', '--where', '.n > 1000'], wanted: (n: number) => n % 500 === 3 && n > 1000 },
    {
      words: ['--filter', '{"or":[{"field":"id","equals":"id-5"},{"and":[{"jq":".n < 9"},{"field":"key","gte":"k7"}]}]}'],
      wanted: (n: number) => n === 5 || n === 7 || n === 8,
    },
  ])('finds what $words asks for, and nothing else', async ({ words, wanted }) => {
    expect(numbers(await find(...words))).toEqual(upTo(COUNT, wanted))
    expect((await run('search', ...words, '--count')).json).toEqual([{ count: upTo(COUNT, wanted).length }])
  })

  it('says what is wrong with a filter', async () => {
    const { exitCode, stderr } = await run('search', '--filter', '{"field":"ids","equals":"x"}')
    expect(exitCode).toBe(2)
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'INPUT_INVALID', message: expect.stringContaining('did you mean id?') },
    })
  })

  it('keeps lanes apart by position, and merges them by time', async () => {
    const lane = await find('--lane', '1', '--position', '10..20')
    expect(lane.map(({ position }) => position)).toEqual(upTo(20, (n) => n >= 10))
    const merged = await find('--order', 'time', '--limit', '100')
    expect(merged.map(({ value }) => value.n)).toEqual(upTo(100, () => true))
  })

  it('says on stderr what it read, of how much', async () => {
    const { stderr } = await run('search', '--id', 'id-1')
    expect(JSON.parse(stderr)).toMatchObject({ found: 1, bytesRead: expect.any(Number), bytesTotal: expect.any(Number) })
    const { stderr: words } = await runProgram(['search', '--id', 'id-1', '--dir', dir])
    expect(words).toMatch(/^read [\d.]+ \w+ of [\d.]+ \w+ \([\d.]+ %\), 1 found in \d+/u)
  })

  it('names the nearest topic', async () => {
    const { exitCode, stderr } = await run('search', '--topic', 'oders')
    expect(exitCode).toBe(4)
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'TOPIC_UNKNOWN', message: expect.stringContaining('did you mean orders?') },
    })
  })
})

describe('ingest', () => {
  it('takes what stands before a bad line, names the line, and goes on from there', async () => {
    const file = join(dir, 'bad.jsonl')
    const lines = Array.from({ length: 10 }, (_, n) => line(n))
    await writeFile(file, [...lines.slice(0, 6), '{"value":\n', ...lines.slice(6)].join(''))
    const { exitCode, stderr } = await run('ingest', 'bad', file)
    expect(exitCode).toBe(2)
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'JSON_INVALID', details: { line: 7, taken: 6, file } } })
    await writeFile(file, lines.join(''))
    expect((await run('ingest', 'bad', file, '--from-line', '7')).json).toMatchObject([{ messages: 4 }])
    expect(numbers((await run('tail', 'bad', '--count', '50')).json as Found[])).toEqual(upTo(10, () => true))
  })

  it('takes a pipe line by line as values', async () => {
    const { exitCode } = await runProgram(['ingest', 'pipe', '--format', 'lines', '--dir', dir, '-'], { input: 'a\n\n{b\nlast' })
    expect(exitCode).toBe(0)
    const { stdout } = await runProgram(['tail', 'pipe', '--format', 'raw', '--dir', dir])
    expect(stdout.toString().split('\n').filter(Boolean).sort()).toEqual(['a', 'last', '{b'])
  })

  it('does not change the number of partitions', async () => {
    expect((await run('ingest', 'orders', join(dir, 'orders.jsonl'), '--partitions', '4')).exitCode).toBe(2)
  })
})

describe('topics', () => {
  it('are listed with what is archived, and shown lane by lane', async () => {
    const { json } = await run('topics')
    expect(json).toContainEqual(expect.objectContaining({ topic: 'orders', lanes: 3, inSource: COUNT, archived: COUNT, lag: 0 }))
    const [shown] = (await run('topics', 'show', 'orders')).json as { lanes: { archive: { messages: number } }[] }[]
    expect(shown!.lanes.map(({ archive }) => archive.messages).reduce((a, b) => a + b)).toBe(COUNT)
  })

  it('are made once, and deleted only when that loses nothing, unless forced', async () => {
    expect((await run('topics', 'create', 'made', '--partitions', '2', '--retention-age', '7d')).json).toMatchObject([
      { partitions: 2, retentionMs: 604_800_000 },
    ])
    expect((await run('topics', 'create', 'made')).exitCode).toBe(2)
    expect((await runProgram(['ingest', 'made', '--dir', dir], { input: line(1) })).exitCode).toBe(0)
    expect((await run('topics', 'delete', 'made')).exitCode).toBe(2)
    expect((await run('topics', 'delete', 'made', '--force')).json).toMatchObject([{ deleted: true, lost: 1 }])
    expect((await run('topics', 'show', 'made')).exitCode).toBe(4)
  })
})

describe('verify', () => {
  it('is clean, also against the log', async () => {
    const { exitCode, json } = await run('verify', '--topic', 'orders', '--against', 'local')
    expect(exitCode).toBe(0)
    expect(json).toMatchObject([{ clean: true, messages: COUNT, compared: COUNT, problemCount: 0 }])
  })

  it('collects nothing where there is no garbage', async () => {
    expect((await run('verify', '--collect')).json).toMatchObject([{ clean: true, collected: { removed: { objects: 0 } } }])
  })
})

describe('compact', () => {
  it('puts segments together, in another format, and all is found and replayed as before', async () => {
    const counted = async () => {
      const found = await find('--topic', 'orders')
      return found.length
    }
    const count = await counted()
    expect((await run('compact', '--dry-run', '--min-objects', '2')).json).toMatchObject([{ dryRun: true }])
    const { exitCode, json } = await run('compact', 'orders', '--format', 'parquet', '--keep-replaced', '0s')
    expect(exitCode).toBe(0)
    expect(json).toMatchObject([{ messages: COUNT, lanes: [expect.anything(), expect.anything(), expect.anything()] }])
    expect(await counted()).toBe(count)
    expect((await run('verify', '--topic', 'orders', '--against', 'local')).json).toMatchObject([
      { clean: true, compared: COUNT, replaced: { objects: 0 } },
    ])
    const { stderr, exitCode: refused } = await run('compact', 'ordrs')
    expect([refused, stderr]).toEqual([4, expect.stringContaining('orders')])
  })
})

describe('index', () => {
  it('is made anew from the archive alone', async () => {
    const before = (await run('index', 'status')).json
    await rm(join(dir, 'index.sqlite'))
    expect((await run('index', 'rebuild')).json).toMatchObject([{ messages: expect.any(Number) }])
    expect((await run('index', 'status')).json).toEqual(before)
    expect((await run('index', 'follow', '--once')).json).toEqual([{ commits: 0 }])
  })
})

describe('replay', () => {
  it('fills a topic, with marks of where messages come from', async () => {
    const { exitCode, json } = await run('replay', '--topic', 'orders', '--key', 'k7', '--to', 'topic:again')
    expect({ exitCode, json }).toMatchObject({ exitCode: 0, json: [{ state: 'done', counts: { delivered: 50, failed: 0 } }] })
    const again = (await run('tail', 'again', '--count', '100')).json as Found[]
    expect(numbers(again)).toEqual(upTo(COUNT, (n) => n % 100 === 7))
    expect(again[0]!.headers.map(({ name }) => name)).toContain('millpond-origin-position')
    expect(again[0]).toMatchObject({ key: 'k7', timestamp: START_MS + again[0]!.value.n * 1000 })
  })

  it('writes a file that can be ingested, and is the same', async () => {
    const file = join(dir, 'out.jsonl')
    expect((await run('replay', '--topic', 'orders', '--to', `file:${file}`)).exitCode).toBe(0)
    expect((await run('ingest', 'copy', file)).json).toMatchObject([{ messages: COUNT }])
    const strip = (found: readonly Found[]) =>
      found.map(({ timestamp, key, id, value, headers }) => JSON.stringify([timestamp, key, id, value, headers])).sort()
    expect(strip((await run('tail', 'copy', '--count', String(COUNT))).json as Found[])).toEqual(
      strip(await find('--topic', 'orders')),
    )
  })

  it('writes values to standard output, and its report to stderr', async () => {
    const { stdout, stderr } = await runProgram(['replay', '--id', 'id-5', '--to', '-', '--format', 'raw', '--dir', dir])
    expect(stdout.toString()).toBe('{"n":5}\n')
    expect(stderr).toContain('done: 1 message')
  })

  it('sends nothing in a dry run, and goes into no loop', async () => {
    expect((await run('replay', '--topic', 'orders', '--to', 'topic:nowhere', '--dry-run')).json).toMatchObject([
      { counts: { read: COUNT, delivered: 0 } },
    ])
    expect((await run('topics', 'show', 'nowhere')).exitCode).toBe(4)
    expect(JSON.parse((await run('replay', '--topic', 'orders', '--to', 'topic:orders')).stderr)).toMatchObject({
      error: { code: 'REPLAY_LOOP' },
    })
  })

  it('posts to an address, goes on after an interruption, and shows no secret', async () => {
    const bodies: string[] = []
    const tokens = new Set<string | undefined>()
    const target = createServer((request, response) => {
      tokens.add(request.headers.authorization)
      request.setEncoding('utf8')
      let body = ''
      request.on('data', (part: string) => (body += part))
      request.on('end', () => {
        bodies.push(body)
        response.end()
      })
    }).listen(0, '127.0.0.1')
    await once(target, 'listening')
    const url = `http://127.0.0.1:${(target.address() as AddressInfo).port}/in?token=hunter2`
    const stopping = new AbortController()
    const running = runProgram(
      [
        'replay',
        '--topic',
        'orders',
        '--to',
        url,
        '--rate',
        '2000',
        '--http-header',
        'authorization: Bearer hunter2',
        '--dir',
        dir,
        '--json',
      ],
      { kill: stopping.signal },
    )
    await until(() => bodies.length > 0, 'the first request')
    stopping.abort()
    await running
    const [job] = (await run('jobs')).json as { id: string }[]
    const resumed = await run('replay', '--resume', job!.id.slice(0, 6))
    expect(resumed.exitCode).toBe(0)
    target.close()
    const ids = new Set(bodies.flatMap((body) => jsonLines(Buffer.from(body)) as Found[]).map(({ id }) => id))
    expect(ids.size).toBe(COUNT)
    expect([...tokens]).toEqual(['Bearer hunter2'])
    const shown = await run('jobs', 'show', job!.id)
    expect(shown.json).toMatchObject([{ state: 'done' }])
    expect(JSON.stringify([shown, resumed, await run('jobs')])).not.toContain('hunter2')
    expect((await run('jobs', 'cancel', job!.id)).exitCode).toBe(8)
  })

  it('is queued for workers, rests and goes on, shares lanes by key, and leaves a record', async () => {
    const words = ['--topic', 'orders', '--to', 'topic:shared', '--detach', '--order', 'key', '--split', '2', '--note', 'why']
    const [job] = (await run('replay', ...words)).json as { id: string }[]
    expect(job).toMatchObject({ state: 'queued', partCount: 6, workers: 'many' })
    expect((await run('jobs', 'pause', job!.id)).json).toMatchObject([{ state: 'paused' }])
    expect((await run('jobs', 'work', '--once')).json).toEqual([])
    expect((await run('jobs', 'resume', job!.id.slice(0, 6))).json).toMatchObject([{ state: 'queued' }])
    const worked = await run('jobs', 'work', '--once')
    expect(worked.exitCode).toBe(0)
    expect(worked.json.filter((line) => (line as { event: string }).event === 'left')).toHaveLength(6)
    const shared = (await run('tail', 'shared', '--count', String(COUNT))).json as Found[]
    expect(numbers(shared)).toEqual(upTo(COUNT, () => true))
    expect((await run('jobs', 'show', job!.id)).json).toMatchObject([{ state: 'done', counts: { delivered: COUNT, failed: 0 } }])
    expect((await run('jobs', 'history', '--limit', '1')).json).toMatchObject([
      { job: job!.id, outcome: 'done', note: 'why', counts: { delivered: COUNT }, requestedBy: expect.any(String) },
    ])
    expect((await run('jobs', 'list', '--state', 'odd')).exitCode).toBe(2)
  }, 240_000)
})

describe('serve', () => {
  it('takes messages, archives and indexes them while other commands look on, and stops gracefully', async () => {
    const served = await serve(dir)
    const answer = await fetch(`${served.url}/topics/live/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: Array.from({ length: 1000 }, (_, n) => line(n)).join(''),
    })
    expect(await answer.json()).toMatchObject({ count: 1000 })
    expect(await (await fetch(`${served.url}/readyz`)).json()).toMatchObject({ ready: true, state: 'green' })
    expect(((await run('tail', 'live', '--count', '3')).json as Found[]).map(({ value }) => value.n)).toEqual([997, 998, 999])
    const [job] = (await run('replay', '--topic', 'orders', '--key', 'k8', '--to', 'topic:served', '--detach')).json as {
      id: string
    }[]
    const state = async () => ((await run('jobs', 'show', job!.id)).json as { state: string }[])[0]!.state
    await until(async () => (await state()) === 'done', 'the service to replay', 60_000)
    const { exitCode } = await served.stop()
    expect(exitCode).toBe(0)
    const again = (await run('tail', 'served', '--count', '100')).json as Found[]
    expect(numbers(again)).toEqual(upTo(COUNT, (n) => n % 100 === 8))
    expect(numbers(await find('--topic', 'live'))).toEqual(upTo(1000, () => true))
    expect((await run('verify', '--topic', 'live', '--against', 'local')).json).toMatchObject([{ clean: true, compared: 1000 }])
  })

  it('says that its port is taken', async () => {
    const served = await serve(dir)
    const { exitCode, stderr } = await run('serve', '--port', new URL(served.url).port)
    expect(exitCode).toBe(8)
    expect(stderr).toContain('ADDRESS_IN_USE')
    await served.stop()
  })
})

describe('tail --follow', () => {
  it('shows what comes, until it is stopped', async () => {
    await runProgram(['ingest', 'flow', '--dir', dir], { input: line(0) })
    const { spawn } = await import('node:child_process')
    const main = join(import.meta.dirname, '../../src/cli/main.ts')
    const child = spawn(process.execPath, [main, 'tail', 'flow', '--follow', '--dir', dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let shown = ''
    child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()))
    await until(() => shown.includes('"n":0'), 'the newest message')
    await runProgram(['ingest', 'flow', '--dir', dir], { input: line(1) })
    await until(() => shown.includes('"n":1'), 'the message that came')
    child.kill('SIGINT')
    const [exitCode] = (await once(child, 'close')) as [number | null]
    expect(exitCode).toBe(0)
    expect(shown.trim().split('\n')).toHaveLength(2)
  })
})

describe('a damaged archive', () => {
  it('is not verified, with exit code 5 and what is wrong where', async () => {
    const [object] = (await run('index', 'status')).json as { lane: { headKey: string }[] }[]
    const key = object!.lane[0]!.headKey
    const path = join(dir, 'archive', key)
    const bytes = await readFile(path)
    const flipped = Buffer.from(bytes)
    flipped[100]! ^= 1
    await writeFile(path, flipped)
    const { exitCode, json, stderr } = await run('verify')
    await writeFile(path, bytes)
    expect(exitCode).toBe(5)
    expect(json).toMatchObject([{ clean: false }])
    expect(JSON.stringify(json)).toContain(key)
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'VERIFY_FAILED' } })
    expect((await run('verify')).exitCode).toBe(0)
  })
})
