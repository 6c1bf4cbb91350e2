import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { openLocalLog } from '../../src/adapters/local/log.ts'
import { openLocalSource } from '../../src/adapters/local/source.ts'
import { withoutPassed } from '../../src/source/source.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { planReplay } from '../../src/replay/plan.ts'
import type { ReplayTarget } from '../../src/replay/job.ts'
import { until } from '../live/until.ts'
import { archiveLanes, laneOf } from './archives.ts'
import { places } from './replay-process.ts'

const LANES = ['0', '1', '2']
const MESSAGES = 4000
const KILLS = 6
const PROCESS = join(import.meta.dirname, 'replay-process.ts')
/** Slow enough that a process is killed in the middle, with a step of each lane every 20 ms. */
const RATE = 4000

interface Ended {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

describe('a replay that is killed', () => {
  let folder: string
  const children = new Set<ChildProcess>()

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-replay-'))
  })
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })

  async function prepare(target: ReplayTarget): Promise<void> {
    const at = places(folder)
    await using store = await openFileStore({ path: at.store, create: true })
    await using index = await openSqliteIndex({ path: at.index })
    await using jobs = await openSqliteJobs({ path: at.jobs })
    const lanes = LANES.map((lane, i) => laneOf('orders', lane, MESSAGES, i * 10))
    await archiveLanes(store, index, lanes, { blockCount: 300 })
    const options = { rateMessagesPerSecond: RATE }
    await jobs.create(await planReplay({ query: { topic: 'orders' }, target, options }, { index, id: 'job-1', nowMs: 1 }))
  }

  function start() {
    const child = spawn(process.execPath, [PROCESS, folder], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.add(child)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => (stdout += String(chunk)))
    child.stderr.on('data', (chunk) => (stderr += String(chunk)))
    const ended = new Promise<Ended>((resolve) => child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr })))
    return { child, ended }
  }

  /** Kills the job whenever it has got on by a step of its own, some times, then lets it end; gives what it said. */
  async function runKilled(): Promise<unknown> {
    await using jobs = await openSqliteJobs({ path: places(folder).jobs })
    const readOf = async () => (await jobs.get('job-1', Date.now()))!.counts.read
    let kills = 0
    for (;;) {
      const before = await readOf()
      const { child, ended } = start()
      if (kills < KILLS) {
        await until(async () => child.exitCode !== null || (await readOf()) > before, 'the replay to get on')
        child.kill('SIGKILL')
        kills++
        await ended
        continue
      }
      const { exitCode, stdout, stderr } = await ended
      expect([exitCode, stderr]).toEqual([0, ''])
      return JSON.parse(stdout)
    }
  }

  const expectedPositions = (lane: string) => Array.from({ length: MESSAGES }, (_, i) => LANES.indexOf(lane) * 10 + i)
  const expectExactlyOnce = (seen: ReadonlyMap<string, number[]>) => {
    expect([...seen.keys()].toSorted()).toEqual(LANES)
    for (const [lane, positions] of seen) expect(positions).toEqual(expectedPositions(lane))
  }
  const everything = { state: 'done', error: null, counts: { read: 12_000, delivered: 12_000, failed: 0 } }

  it('delivers each message to the local log once, in the order of its lane', async () => {
    await prepare({ kind: 'local', topic: 'new' })
    await using log = await openLocalLog({ path: places(folder).log })
    // One partition, so that the order of every lane can be seen.
    await log.createTopic('new', { partitions: 1 })
    expect(await runKilled()).toMatchObject(everything)

    const source = openLocalSource(log, { topics: ['new'], group: 'test', member: 'test' })
    const stop = new AbortController()
    const seen = new Map<string, number[]>()
    let count = 0
    for await (const lane of source.lanes(stop.signal)) {
      for await (const batch of withoutPassed(source.read(lane, 0, stop.signal))) {
        for (const { headers } of messagesOf(batch)) {
          const text = (name: string) => new TextDecoder().decode(headers.find((header) => header.name === name)!.value)
          const origin = text('millpond-origin-lane')
          seen.set(origin, [...(seen.get(origin) ?? []), Number(text('millpond-origin-position'))])
          count++
        }
        if (count >= LANES.length * MESSAGES) stop.abort()
      }
    }
    await source[Symbol.asyncDispose]()
    expectExactlyOnce(seen)
  })

  it('leaves each message in the file once, in the order of its lane', async () => {
    await prepare({ kind: 'file', path: places(folder).file })
    expect(await runKilled()).toMatchObject(everything)
    const seen = new Map<string, number[]>()
    for (const line of (await readFile(places(folder).file, 'utf8')).trimEnd().split('\n')) {
      const { lane, position } = JSON.parse(line) as { lane: string; position: number }
      seen.set(lane, [...(seen.get(lane) ?? []), position])
    }
    expectExactlyOnce(seen)
  })
})
