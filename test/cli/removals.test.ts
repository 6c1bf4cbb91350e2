import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { searched, succeed } from '../live/messages.ts'
import { jsonLines, runProgram, serve } from '../live/program.ts'
import { until } from '../live/until.ts'

const COUNT = 2000
const START_MS = Date.UTC(2026, 0, 1)
const SUBJECT = 'subject-4711'

/** Message `n` as a line; every tenth is of the subject, in the later half only. */
const line = (n: number) =>
  `${JSON.stringify({ key: n % 10 === 3 && n >= COUNT / 2 ? SUBJECT : `k${n}`, value: { n }, timestamp: START_MS + n * 1000 })}\n`

let root: string
let original: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millpond-removals-'))
  original = join(root, 'original')
  await mkdir(original)
  await configure(original)
  await writeFile(join(original, 'orders.jsonl'), Array.from({ length: COUNT }, (_, n) => line(n)).join(''))
  await succeed(original, ['ingest', 'orders', join(original, 'orders.jsonl'), '--partitions', '2'])
  await succeed(original, ['archive', '--once'])
}, 120_000)
afterAll(() => rm(root, { recursive: true }))

const configure = (dir: string, more = '') =>
  writeFile(
    join(dir, 'millpond.yaml'),
    `data: .\nlog: { level: error }\narchive: { codec: 'null', rotate: { maxCount: 100, exact: true }${more} }\n`,
  )

/** A folder of its own whose archive holds the messages in many small segments. */
async function prepare(): Promise<string> {
  const dir = await mkdtemp(join(root, 'run-'))
  await cp(original, dir, { recursive: true })
  return dir
}

/** What the archive of the folder is, seen by this process. */
async function proved(dir: string) {
  const { problems, ...report } = await verifyArchive(await openFileStore({ path: join(dir, 'archive') }))
  expect(problems).toEqual([])
  return report
}

async function run(dir: string, ...words: string[]) {
  const { exitCode, stdout, stderr } = await runProgram([...words, '--dir', dir, '--json'])
  return { exitCode, stderr, json: jsonLines(stdout) as Record<string, unknown>[] }
}

async function objectsIn(dir: string): Promise<string[]> {
  await using store = await openFileStore({ path: join(dir, 'archive') })
  return Array.fromAsync(store.list(''), ({ key }) => join(dir, 'archive', key))
}

/** Objects of the archive that hold the subject's key. */
async function holding(dir: string): Promise<string[]> {
  const found: string[] = []
  for (const path of await objectsIn(dir)) if ((await readFile(path)).includes(SUBJECT)) found.push(path)
  return found
}

describe('expire and forget', () => {
  it('remove what they are asked to, prove it, and all else is found and replayed', async () => {
    const dir = await prepare()
    expect(await searched(dir, '--topic', 'orders', '--key', SUBJECT)).toHaveLength(100)
    expect((await run(dir, 'expire', '--older-than', '1d')).exitCode).toBe(2)
    const rule = ['expire', '--topic', 'ord*', '--before-position', '300']
    const dry = await run(dir, ...rule, '--dry-run')
    expect(dry.json).toMatchObject([{ dryRun: true, messages: 600, records: 0 }])
    expect((await run(dir, ...rule, '--now', '--reason', 'policy 3')).json).toMatchObject([
      { messages: 600, segments: { objects: 6 }, deleted: { objects: 6 }, records: 2 },
    ])
    const dryForget = await run(dir, 'forget', '-t', 'orders', '--key', SUBJECT, '--reason', 'r', '--dry-run')
    expect(dryForget.json).toMatchObject([{ dryRun: true, messages: 100, records: 0 }])
    const { json, exitCode } = await run(dir, 'forget', '-t', 'orders', '--key', SUBJECT, '--reason', 'request 17', '--now')
    expect(exitCode).toBe(0)
    expect(json).toMatchObject([{ topic: 'orders', messages: 100, lanes: [{ left: [] }, { left: [] }] }])
    expect(json[0]!['outside']).toEqual(expect.arrayContaining([expect.stringContaining('local log')]))
    expect(await holding(dir)).toEqual([])
    expect(await searched(dir, '--topic', 'orders', '--key', SUBJECT)).toEqual([])
    expect(await searched(dir, '--topic', 'orders')).toHaveLength(COUNT - 700)
    const report = await run(dir, 'verify', '--against', 'local')
    expect(report.json).toMatchObject([{ clean: true, removed: 700, messages: COUNT - 700, notCompared: 700 }])
    const removals = (await run(dir, 'removals', '--topic', 'orders')).json
    expect(new Set(removals.map(({ kind, why }) => `${String(kind)}: ${String(why)}`))).toEqual(
      new Set(['expired: before position 300; policy 3', 'forgotten: request 17']),
    )
    const told = await runProgram(['verify', '--dir', dir])
    expect(told.stdout.toString()).toMatch(/orders\/0 {2}positions 0 to 299: 300 messages expired at 2\d+-.* by .*@.* \(before/u)
    const replayed = await runProgram(['replay', '-t', 'orders', '--position', '0..400', '--to', `file:${dir}/out`, '--dir', dir])
    expect(replayed.exitCode).toBe(0)
    expect(replayed.stderr).toContain('orders/0: 300 messages of this range were expired (before position 300; policy 3)')
    expect((await readFile(join(dir, 'out'), 'utf8')).trim().split('\n')).toHaveLength(200)
    expect((await run(dir, 'query', 'select count(*) as n from orders')).json).toMatchObject([{ n: COUNT - 700 }])
    await succeed(dir, ['index', 'rebuild'])
    expect(await searched(dir, '--topic', 'orders')).toHaveLength(COUNT - 700)
  }, 240_000)

  it('remove nothing of a topic that is held, by the store or the configuration', async () => {
    const dir = await prepare()
    const before = await objectsIn(dir)
    expect((await run(dir, 'hold', 'add', 'orders', '--reason', 'case 9')).json).toMatchObject([{ changed: true }])
    expect((await run(dir, 'hold', 'add', 'orders')).json).toMatchObject([{ changed: false }])
    expect((await run(dir, 'hold', 'list')).json).toMatchObject([{ topic: 'orders', action: 'hold', reason: 'case 9' }])
    const expire = ['expire', '--topic', 'orders', '--older-than', '1d', '--now']
    const refused = await run(dir, ...expire)
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('TOPIC_HELD')])
    const forget = await run(dir, 'forget', '-t', 'orders', '--key', SUBJECT, '--reason', 'r', '--now')
    expect([forget.exitCode, forget.stderr]).toEqual([2, expect.stringContaining('TOPIC_HELD')])
    expect((await objectsIn(dir)).length).toBe(before.length + 1)
    await succeed(dir, ['hold', 'remove', 'orders', '--reason', 'closed'])
    expect((await run(dir, 'hold', 'list', '--history')).json.map(({ action }) => action)).toEqual(['release', 'hold'])
    await configure(dir, ", expire: { holds: ['ord*'] }")
    expect((await run(dir, ...expire)).exitCode).toBe(2)
    await configure(dir)
    expect((await run(dir, ...expire)).json).toMatchObject([{ messages: COUNT }])
    expect(await proved(dir)).toMatchObject({ removed: COUNT })
  }, 240_000)

  it('go on after kill -9, wherever it comes, and leave no byte of the subject', async () => {
    const dir = await prepare()
    const segments = (await objectsIn(dir)).filter((path) => !path.includes('_millpond')).length
    const words = ['forget', '-t', 'orders', '--key', SUBJECT, '--reason', 'request 17', '--now', '--dir', dir]
    const moments: ((paths: readonly string[]) => boolean)[] = [
      (paths) => paths.some((path) => path.endsWith('.intent')),
      (paths) => paths.some((path) => path.includes('-rewrite-')),
      (paths) => paths.some((path) => path.includes('_rewrites') && path.endsWith('.avro')),
      (paths) => paths.some((path) => path.endsWith('.collected')),
      (paths) => paths.filter((path) => !path.includes('_millpond')).length < segments,
    ]
    for (const isNow of moments) {
      const kill = new AbortController()
      const ended = runProgram(words, { kill: kill.signal })
      let isOver = false
      const over = ended.finally(() => {
        isOver = true
      })
      await until(async () => isOver || isNow(await objectsIn(dir)), 'the moment to kill it', 60_000)
      kill.abort()
      await over
      await proved(dir)
    }
    await succeed(dir, words.slice(0, -2))
    expect(await holding(dir)).toEqual([])
    expect(await proved(dir)).toMatchObject({ removed: 100, messages: COUNT - 100, replaced: { objects: 0 } })
    expect((await objectsIn(dir)).filter((path) => path.endsWith('.intent'))).toEqual([])
  }, 240_000)

  it('are done by serve, as often as the configuration says', async () => {
    const dir = await prepare()
    await configure(dir, ", expire: { every: 1s, keepRemoved: 0s, topics: { 'ord*': { olderThan: 30d } } }")
    const served = await serve(dir)
    await until(
      async () => (await objectsIn(dir)).every((path) => path.includes('_millpond')),
      'everything to be expired',
      120_000,
    )
    await served.stop()
    expect(await proved(dir)).toMatchObject({ removed: COUNT, messages: 0 })
    expect((await run(dir, 'removals')).json[0]).toMatchObject({ by: expect.stringMatching(/^serve@/u), why: 'older than 30d' })
  }, 240_000)
})
