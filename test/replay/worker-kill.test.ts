import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { openLocalLog } from '../../src/adapters/local/log.ts'
import { openLocalSource } from '../../src/adapters/local/source.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import { messagesOf } from '../../src/batch/view.ts'
import type { ReplayOptions } from '../../src/replay/job.ts'
import { planReplay } from '../../src/replay/plan.ts'
import { withoutPassed } from '../../src/source/source.ts'
import { archiveLanes, laneOf } from './archives.ts'
import { places } from './replay-process.ts'
import { createCrew } from './worker-kills.ts'

const LANES = ['0', '1', '2']
const MESSAGES = 3000
/** Slow enough that workers are killed in the middle. */
const RATE = 2500

describe('worker processes that share a job and are killed', () => {
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-workers-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it.each<{ options: Partial<ReplayOptions>; lanes: readonly string[]; kills: number }>([
    { options: {}, lanes: LANES, kills: 3 },
    { options: { order: 'key', split: 3 }, lanes: ['0'], kills: 2 },
  ])(
    'deliver each message to the local log once, in order, with $options',
    async ({ options, lanes, kills }) => {
      const at = places(folder)
      await using store = await openFileStore({ path: at.store, create: true })
      await using index = await openSqliteIndex({ path: at.index })
      await using jobs = await openSqliteJobs({ path: at.jobs })
      await using log = await openLocalLog({ path: at.log })
      // One partition, so that the order of every lane can be seen.
      await log.createTopic('new', { partitions: 1 })
      const content = lanes.map((lane, i) => laneOf('orders', lane, MESSAGES, i * 10))
      await archiveLanes(store, index, content, { blockCount: 300 })
      const order = { query: { topic: 'orders' }, target: { kind: 'local', topic: 'new' }, isDetached: true }
      const wanted = { ...order, options: { ...options, rateMessagesPerSecond: RATE } }
      await jobs.create(await planReplay(wanted, { index, id: 'job-1', nowMs: 1 }))

      await using crew = createCrew(jobs, [folder])
      const job = await crew.finish('job-1', kills)
      const count = lanes.length * MESSAGES
      expect(job).toMatchObject({ state: 'done', error: null, counts: { read: count, delivered: count, failed: 0 } })
      // Several processes had parts of it.
      expect(job.parts.reduce((sum, { attempts }) => sum + attempts, 0)).toBeGreaterThan(job.parts.length)

      const seen = new Map<string, { readonly position: number; readonly key: string }[]>()
      for await (const { lane, position, key } of readOrigins(log, count)) {
        seen.set(lane, [...(seen.get(lane) ?? []), { position, key }])
      }
      for (const { lane, messages } of content) {
        const expected = messages.map(({ position }) => position)
        const arrived = seen.get(lane)!
        expect(arrived.map(({ position }) => position).toSorted((a, b) => a - b)).toEqual(expected)
        for (const group of options.order === 'key' ? Map.groupBy(arrived, ({ key }) => key).values() : [arrived]) {
          const positions = group.map(({ position }) => position)
          expect(positions).toEqual(positions.toSorted((a, b) => a - b))
        }
      }
    },
    240_000,
  )
})

/** What is marked on the messages of the topic, in their order. */
async function* readOrigins(log: Awaited<ReturnType<typeof openLocalLog>>, count: number) {
  await using source = openLocalSource(log, { topics: ['new'], group: 'test', member: 'test' })
  const stop = new AbortController()
  let seen = 0
  for await (const lane of source.lanes(stop.signal)) {
    for await (const batch of withoutPassed(source.read(lane, 0, stop.signal))) {
      for (const { key, headers } of messagesOf(batch)) {
        const text = (name: string) =>
          new TextDecoder().decode(headers.find((header) => header.name === name)?.value ?? undefined)
        const position = Number(text('millpond-origin-position'))
        yield { lane: text('millpond-origin-lane'), position, key: new TextDecoder().decode(key ?? undefined) }
        seen++
      }
      if (seen >= count) stop.abort()
    }
  }
}
