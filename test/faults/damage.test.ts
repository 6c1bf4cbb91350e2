import { cp, glob, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { archiveAll, postTaken, type PrintedMessage, searched, succeed } from '../live/messages.ts'
import { configure, type Ended, jsonLines, runProgram, serve } from '../live/program.ts'
import { createRandom } from '../live/random.ts'
import { until } from '../live/until.ts'

const COUNT = 3000
const messages = Array.from({ length: COUNT }, (_, n) => ({
  key: 'k',
  id: `id-${n}`,
  value: { n },
  headers: [{ name: 'h', value: 'x' }],
}))

let whole: string
let dir: string
/** What a sound archive gives. */
let truth: PrintedMessage[]
beforeAll(async () => {
  whole = await mkdtemp(join(tmpdir(), 'millpond-whole-'))
  await configure(whole, {
    local: { partitions: 1 },
    archive: { blockBytes: '16 KiB', rotate: { maxCount: 1000 } },
    log: { level: 'warn' },
  })
  // Three commits, each of a segment of some blocks.
  for (const part of [0, 1, 2]) {
    const input = messages.slice(part * 1000, (part + 1) * 1000).map((message) => JSON.stringify(message))
    for (let at = 0; at < 1000; at += 250)
      await succeed(whole, ['ingest', 'sound'], { input: input.slice(at, at + 250).join('\n') })
    await archiveAll(whole)
  }
  truth = await searched(whole, '--topic', 'sound')
  expect(truth.map(({ value }) => value)).toEqual(messages.map(({ value }) => value))
})
afterAll(async () => {
  await rm(whole, { recursive: true })
})
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'millpond-damage-')), 'pond')
  await cp(whole, dir, { recursive: true })
})
afterEach(async () => {
  await rm(join(dir, '..'), { recursive: true })
})

const run = (...words: string[]): Promise<Ended> => runProgram([...words, '--dir', dir])
const inData = (name: string): string => join(dir, 'millpond-data', name)

async function flip(path: string, offset: number): Promise<void> {
  await using file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, offset)
  byte[0]! ^= 1 << (offset % 8)
  await file.write(byte, 0, 1, offset)
}

const cut = async (path: string): Promise<void> => truncate(path, Math.floor((await stat(path)).size / 2))
const flipMiddle = async (path: string): Promise<void> => flip(path, Math.floor((await stat(path)).size / 2))
const overwrite = async (path: string): Promise<void> =>
  writeFile(path, 'this is nothing of ours, but a text of some length\n'.repeat(200))

/** Objects of the archive, oldest first: segments, or commits without the genesis. */
async function objects(kind: 'segments' | 'commits'): Promise<string[]> {
  const folder = join(inData('archive'), kind === 'segments' ? 'sound/0' : '_millpond/sound/0')
  const names = await Array.fromAsync(glob('*-*.avro', { cwd: folder }))
  const sorted = names.toSorted((a, b) => a.localeCompare(b, 'en'))
  return (kind === 'segments' ? sorted : sorted.toReversed()).map((name) => join(folder, name))
}

const keyOf = (path: string): string => path.slice(inData('archive').length + 1)

/** What a command printed, which must be right as far as it goes. */
function expectBeginningOfTruth({ stdout }: Ended): number {
  const printed = jsonLines(stdout) as PrintedMessage[]
  expect(printed).toEqual(truth.slice(0, printed.length))
  return printed.length
}

describe('a damaged log', () => {
  it.each([
    { how: 'overwritten', damage: overwrite },
    { how: 'cut in half', damage: cut },
  ])('that is $how is named by every command that opens it, and the archive is served as before', async ({ damage }) => {
    await damage(inData('log.sqlite'))
    for (const words of [
      ['serve', '--port', '0'],
      ['ingest', 'sound'],
      ['archive', '--once'],
      ['verify', '--against', 'local'],
    ]) {
      const { exitCode, stderr, stdout } = await run(...words)
      expect([words[0], exitCode, stderr, stdout.toString()]).toEqual([words[0], 5, expect.stringContaining('LOG_CORRUPT'), ''])
      expect(stderr).toContain(inData('log.sqlite'))
    }
    expect(await searched(dir, '--topic', 'sound')).toEqual(truth)
    expect((await run('verify')).exitCode).toBe(0)
  })
})

describe('a damaged index', () => {
  it.each([
    { how: 'overwritten', damage: overwrite },
    { how: 'cut in half', damage: cut },
  ])('that is $how is named with what mends it, and `index rebuild` does', async ({ damage }) => {
    await damage(inData('index.sqlite'))
    const { exitCode, stderr, stdout } = await run('search', '--topic', 'sound')
    expect([exitCode, stderr, stdout.toString()]).toEqual([5, expect.stringContaining('INDEX_CORRUPT'), ''])
    expect([stderr.includes(inData('index.sqlite')), stderr.includes('millpond index rebuild')]).toEqual([true, true])
    expect((await run('replay', '--topic', 'sound', '--to', '-')).exitCode).toBe(5)
    expect((await run('verify')).exitCode).toBe(0)
    await succeed(dir, ['index', 'rebuild'])
    expect(await searched(dir, '--topic', 'sound')).toEqual(truth)
  })

  it('that is lost is made anew by the next search', async () => {
    await rm(inData('index.sqlite'))
    expect(await searched(dir, '--topic', 'sound')).toEqual(truth)
  })

  it('of which bytes were flipped anywhere never leads to a wrong answer', async () => {
    const random = createRandom(7)
    const { size } = await stat(inData('index.sqlite'))
    const sound = await readFile(inData('index.sqlite'))
    const outcomes = new Set<string>()
    for (let round = 0; round < 12; round++) {
      await writeFile(inData('index.sqlite'), sound)
      for (let i = 0; i < round; i++) await flip(inData('index.sqlite'), Math.floor(random() * size))
      const ended = await run('search', '--topic', 'sound')
      const printed = expectBeginningOfTruth(ended)
      const isNamed = ended.exitCode === 5 && ended.stderr.includes('INDEX_')
      outcomes.add(isNamed ? 'named' : `${ended.exitCode} with ${printed}`)
    }
    // Some flips hit what is in use, some do not.
    expect(outcomes).toEqual(new Set(['named', `0 with ${COUNT}`]))
  })
})

describe('a damaged segment', () => {
  it.each([
    { how: 'flipped in the middle', damage: flipMiddle, code: 'BLOCK_CORRUPT' },
    { how: 'cut in half', damage: cut, code: 'SEGMENT_CORRUPT' },
    { how: 'overwritten', damage: overwrite, code: 'BLOCK_CORRUPT' },
    { how: 'removed', damage: rm, code: 'SEGMENT_CORRUPT' },
  ])('that is $how is named, and nothing of it is served', async ({ damage, code }) => {
    const segment = (await objects('segments'))[1]!
    await damage(segment)
    const found = await run('search', '--topic', 'sound')
    expect([found.exitCode, found.stderr]).toEqual([5, expect.stringContaining(code)])
    expect(found.stderr).toContain(keyOf(segment))
    const served = expectBeginningOfTruth(found)
    expect([served >= 1000, served < 2000]).toEqual([true, true])

    const target = join(dir, 'out.jsonl')
    const replayed = await run('replay', '--topic', 'sound', '--to', `file:${target}`, '--json')
    expect([replayed.exitCode, replayed.stderr]).toEqual([5, expect.stringContaining(code)])
    expectBeginningOfTruth({ ...replayed, stdout: await readFile(target) })

    const report = await run('verify', '--json')
    const { problems } = jsonLines(report.stdout)[0] as { problems: { key: string }[] }
    expect([report.exitCode, new Set(problems.map(({ key }) => key))]).toEqual([5, new Set([keyOf(segment)])])
    // What does not lie in it is still found.
    expect((await searched(dir, '--topic', 'sound', '--position', '..1000')).length).toBe(1000)
    expect((await searched(dir, '--topic', 'sound', '--id', 'id-2500')).length).toBe(1)
  })
})

describe('a damaged commit', () => {
  it.each([
    { how: 'flipped in the middle', damage: flipMiddle, code: 'COMMIT_CORRUPT' },
    { how: 'cut in half', damage: cut, code: 'COMMIT_CORRUPT' },
    { how: 'removed', damage: rm, code: 'CHAIN_BROKEN' },
  ])('in the middle of the chain that is $how is named by verify and index rebuild', async ({ damage, code }) => {
    const [, commit] = await objects('commits')
    await damage(commit!)
    const report = await run('verify', '--json')
    const { problems } = jsonLines(report.stdout)[0] as { problems: { key: string; code: string }[] }
    expect([report.exitCode, problems.map((problem) => problem.code)]).toEqual([5, expect.arrayContaining([code])])
    const rebuilt = await run('index', 'rebuild')
    expect([rebuilt.exitCode, rebuilt.stderr]).toEqual([5, expect.stringContaining(code)])
    expect(rebuilt.stderr).toContain('sound/0')
    expectBeginningOfTruth(await run('search', '--topic', 'sound', '--no-follow'))
  })

  it.each([
    { how: 'flipped in the middle', damage: flipMiddle },
    { how: 'cut in half', damage: cut },
  ])('that is the newest and $how stops its lane with its name; others go on', async ({ damage }) => {
    const newest = (await objects('commits')).at(-1)!
    await damage(newest)
    const archived = await run('archive', '--once')
    expect([archived.exitCode, archived.stderr]).toEqual([5, expect.stringContaining('COMMIT_CORRUPT')])
    expect(archived.stderr).toContain(keyOf(newest))

    await configure(dir, { archive: { rotate: { idle: '100ms' } }, log: { level: 'warn' } })
    const served = await serve(dir)
    await postTaken(served, 'sound', [{ value: 'goes into the log' }])
    await postTaken(served, 'other', [{ value: 'goes into the archive' }])
    const ready = async () => {
      const response = await fetch(`${served.url}/readyz`)
      return {
        status: response.status,
        why: ((await response.json()) as { parts: { archive: { why: string } } }).parts.archive.why,
      }
    }
    await until(async () => (await ready()).status === 503, 'readiness to turn red')
    expect((await ready()).why).toContain(keyOf(newest))
    const metrics = async () => (await fetch(`${served.url}/metrics`)).text()
    await until(async () => (await metrics()).includes('millpond_messages_archived_total{topic="other"} 1'), 'the other topic')
    await served.stop()
    expect(await searched(dir, '--topic', 'other')).toMatchObject([{ value: 'goes into the archive' }])
  })
})
