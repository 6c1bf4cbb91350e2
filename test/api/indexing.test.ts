import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { startIndexing } from '../../src/api/indexing.ts'
import { createReadiness } from '../../src/api/readiness.ts'
import { readCommits } from '../../src/commit/chain.ts'
import type { SegmentIndex } from '../../src/index/segment-index.ts'
import type { Store } from '../../src/store/store.ts'
import { grow } from '../index/chains.ts'
import { until } from '../live/until.ts'

const lane = { topic: 'orders', topicId: 'orders', lane: '0' }
const LIMIT_MS = 60_000

describe('the index behind a service', { timeout: 180_000 }, () => {
  let folder: string
  let path: string
  let store: Store
  let index: SegmentIndex
  const readiness = createReadiness()
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-indexing-'))
    path = join(folder, 'index.db')
    store = createMemoryStore()
    index = await openSqliteIndex({ path, busyTimeoutMs: 10 })
  })
  afterEach(async () => {
    await index[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })
  const start = (signal: AbortSignal) =>
    startIndexing({ store, index, logger: pino({ level: 'silent' }), readiness, maxLagMs: 200 }, signal)
  const commitsOf = () => Array.fromAsync(readCommits(store, 'orders/0', {}))
  const partOf = () => readiness.report().parts['index']
  const known = async () => (await index.lane(lane))?.commits ?? 0

  it('keeps what an index that is away could not take, tells how much and how long, and brings it in', async () => {
    const stop = new AbortController()
    const indexing = start(stop.signal)
    await until(() => partOf()?.state === 'green', 'the first look', LIMIT_MS)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    await grow(store, lane, 3)
    for (const commit of await commitsOf()) indexing.add(commit)
    await until(() => partOf()?.why.includes('4 commits of 63 positions wait') === true, 'readiness', LIMIT_MS)
    expect(partOf()?.state).toBe('amber')
    expect(indexing.lag()).toMatchObject({ commits: 4, positions: 63 })
    await until(() => indexing.lag().milliseconds > 200, 'the lag', LIMIT_MS)
    other.exec('ROLLBACK')
    other.close()
    await until(async () => (await known()) === 4, 'the commits', LIMIT_MS)
    await until(() => partOf()?.state === 'green', 'readiness to be green', LIMIT_MS)
    expect(indexing.lag()).toEqual({ commits: 0, positions: 0, milliseconds: 0 })
    stop.abort()
    await indexing.done
  })

  it('looks in the store for more than it keeps in mind, whosever the lane is', async () => {
    await index.announce!('follow-another', 600_000)
    const stop = new AbortController()
    const indexing = start(stop.signal)
    await until(() => partOf()?.state === 'green', 'the first look', LIMIT_MS)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    await grow(store, lane, 1200)
    for (const commit of await commitsOf()) indexing.add(commit)
    expect(indexing.lag()).toMatchObject({ commits: 1201, positions: 1200 * 21 })
    other.exec('ROLLBACK')
    other.close()
    await until(async () => (await known()) === 1201, 'the commits', LIMIT_MS)
    await until(() => indexing.lag().commits === 0, 'nothing to wait', LIMIT_MS)
    stop.abort()
    await indexing.done
  })

  it('leaves what others wrote to those whose work it is, and takes it when they are gone', async () => {
    await grow(store, lane, 2)
    await index.announce!('follow-another', 600_000)
    const first = new AbortController()
    const waiting = start(first.signal)
    await until(() => partOf()?.state === 'green', 'the first look', LIMIT_MS)
    first.abort()
    await waiting.done
    expect(await known()).toBe(0)
    await index.announce!('follow-another', 0)
    const second = new AbortController()
    const indexing = start(second.signal)
    await until(async () => (await known()) === 3, 'the commits', LIMIT_MS)
    second.abort()
    await indexing.done
    expect(await index.announce!('test', 1000)).toEqual(['test'])
  })
})
