import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archiveAll, postTaken, type PrintedMessage, searched, succeed, verified } from '../live/messages.ts'
import { configure, jsonLines, runProgram, serve, type Served } from '../live/program.ts'

/** Text that means something to a file system, a URL, a terminal, SQL, JSON or a look-up somewhere. */
const NAMES = [
  'plain',
  '/',
  '//',
  '.',
  '..',
  '../..',
  '../../../../etc/passwd',
  'a/../b',
  '/absolute/path',
  '.hidden',
  '..hidden',
  'trailing.',
  'trailing ',
  ' leading',
  '\u0000',
  'a\u0000b',
  'line\nfeed',
  'carriage\rreturn',
  'tab\t',
  '\u001b[31mred',
  '%',
  '%2e%2e%2f',
  '%00',
  '100%25',
  '*',
  'a*b?c[d]',
  '"quoted"',
  "it's",
  '\\back\\slash',
  'C:\\x',
  '_millpond',
  'genesis.avro',
  'con',
  'a@0123456789abcdef',
  'é',
  'e\u0301',
  '🎈',
  '👩‍👩‍👧‍👦',
  'مرحبا بالعالم',
  '\u202eRTL override',
  '日本語',
  '\ufeffBOM',
  '$&',
  '{"json":1}',
  '-rf',
  '--topic',
  'n'.repeat(1024),
  'é'.repeat(512),
  '/'.repeat(1024),
]

let root: string
let dir: string
let served: Served
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millpond-names-'))
  dir = join(root, 'a', 'b', 'pond')
  await mkdir(dir, { recursive: true })
  await configure(dir, {
    local: { partitions: 1 },
    archive: { rotate: { idle: '1s' }, lookups: { headers: ['..', '🎈'] } },
    log: { level: 'warn' },
  })
  served = await serve(dir)
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

/** Every message with the name as key, header name, header value, id and value, under the topic of that name. */
const messageOf = (name: string) => ({
  key: name,
  value: { name },
  headers: [
    { name, value: name },
    { name: `${name}-null`, value: null },
    { name, value: 'again' },
  ],
  timestamp: 1_790_000_000_000,
  id: name,
})

/** Posts under the path as it is: `fetch` would resolve `.` and `..` before it sends them. */
async function post(name: string): Promise<number | undefined> {
  const { hostname, port } = new URL(served.url)
  const path = `/topics/${encodeURIComponent(name)}/messages`
  const headers = { 'content-type': 'application/json' }
  const sent = request({ hostname, port, path, method: 'POST', headers })
  sent.end(JSON.stringify(messageOf(name)))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}

function expectSame(found: PrintedMessage | undefined, name: string, topic = name): void {
  expect(found).toEqual({ topic, lane: '0', position: expect.any(Number), ...messageOf(name) })
}

describe('names of every kind', { timeout: 300_000 }, () => {
  it('go in by HTTP', async () => {
    for (const name of NAMES) expect([name, await post(name)]).toEqual([name, 200])
    await postTaken(served, 'together', NAMES.map(messageOf))
    expect((await served.stop()).exitCode).toBe(0)
    await archiveAll(dir)
    expect(await verified(dir, '--against', 'local')).toMatchObject({ messages: 2 * NAMES.length, compared: 2 * NAMES.length })
  })

  it('are listed as they are', async () => {
    const topics = jsonLines((await succeed(dir, ['topics', '--json'])).stdout) as { topic: string; archived: number }[]
    expect(new Set(topics.map(({ topic }) => topic))).toEqual(new Set([...NAMES, 'together']))
    expect(topics.filter(({ topic }) => topic !== 'together').every(({ archived }) => archived === 1)).toBe(true)
  })

  it('come out by search, each as it went in', async () => {
    const found = await searched(dir)
    const byTopic = Map.groupBy(found, ({ topic }) => topic)
    for (const name of NAMES) {
      expect(byTopic.get(name)).toHaveLength(1)
      expectSame(byTopic.get(name)![0], name)
    }
    const together = byTopic.get('together')!
    for (const [i, name] of NAMES.entries()) expectSame(together[i], name, 'together')
  })

  // No argument of a process can hold a NUL.
  it.each(NAMES.filter((name) => !name.includes('\u0000')))('are found by topic, key, id and header: %j', async (name) => {
    const found = await searched(dir, `--topic=${name}`, `--key=${name}`, `--id=${name}`, `--header=${name}=${name}`)
    expect(found).toHaveLength(1)
    expectSame(found[0], name)
    expect(await searched(dir, '--topic=together', `--key=${name}`)).toHaveLength(1)
  })

  it('come out by replay to a file byte for byte as search prints them, and to a topic', async () => {
    const file = join(root, 'out.jsonl')
    await succeed(dir, ['replay', '--to', `file:${file}`, '--json'])
    const lines = (text: string) => text.split('\n').toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const { stdout } = await succeed(dir, ['search'])
    expect(lines(await readFile(file, 'utf8'))).toEqual(lines(stdout.toString()))

    await succeed(dir, ['replay', '--topic', 'together', '--no-marks', '--to', 'topic:../copy'])
    await archiveAll(dir)
    const copies = await searched(dir, '--topic=../copy')
    for (const [i, name] of NAMES.entries()) expectSame(copies[i], name, '../copy')
  })

  it('leave no path outside of the folder, and none in the store that is not of safe characters', async () => {
    expect((await readdir(root)).toSorted((a, b) => a.localeCompare(b, 'en'))).toEqual(['a', 'out.jsonl'])
    expect(await readdir(join(root, 'a'))).toEqual(['b'])
    expect(await readdir(join(root, 'a', 'b'))).toEqual(['pond'])
    expect((await readdir(dir)).toSorted((a, b) => a.localeCompare(b, 'en'))).toEqual(['millpond-data', 'millpond.yaml'])
    const paths = await readdir(join(dir, 'millpond-data', 'archive'), { recursive: true })
    expect(paths.length).toBeGreaterThan(3 * NAMES.length)
    expect(paths.filter((path) => !/^[\w@.,=%~+/-]+$/u.test(path) || path.split('/').includes('..'))).toEqual([])
    expect(Math.max(...paths.flatMap((path) => path.split('/').map((part) => Buffer.byteLength(part))))).toBeLessThanOrEqual(255)
  })

  it('that no topic can have are refused', async () => {
    for (const name of ['', 'x'.repeat(1025), 'é'.repeat(513)]) {
      const { exitCode, stderr } = await runProgram(['ingest', '--dir', dir, '--', name], { input: '{"value":1}' })
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining('TOPIC_INVALID')])
    }
  })
})
