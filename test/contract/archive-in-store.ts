import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { openLocalSource } from '../../src/adapters/local/source.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { runArchive } from '../../src/archive.ts'
import type { ArchiveOptions } from '../../src/archive/options.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { followChains } from '../../src/index/follow.ts'
import type { MessageQuery } from '../../src/search/query.ts'
import { search } from '../../src/search/read.ts'
import { createRequestTotals, type ObserveRequest } from '../../src/store/requests.ts'
import { type RetryPolicy, standardRetry } from '../../src/store/retry.ts'
import type { Store } from '../../src/store/store.ts'
import { temporaryLog, toAppend } from '../adapters/local-fixtures.ts'
import type { FaultProxy } from '../servers/fault-proxy.ts'
import type { NewMessage } from './source.ts'

const MiB = 1024 * 1024
const LANES = 2
const COUNT = 30_000
const PART_BYTES = MiB

const options: ArchiveOptions = {
  format: 'avro',
  codec: 'zstandard',
  lookups: ['key'],
  blockBytes: MiB,
  rotate: { maxCount: 1_000_000, maxBytes: 1024 * MiB, maxSpanMs: Infinity, maxAgeMs: 3_600_000, idleMs: 3_600_000 },
  memoryBytes: 64 * MiB,
  writer: 'w1',
  untilCaughtUp: true,
}

/** Messages that no codec makes small, so that a segment of them has several parts. */
const messages = (count: number): NewMessage[] =>
  Array.from({ length: count }, (_, number) => ({
    timestamp: 1_700_000_000_000 + number,
    key: `key-${number % 1000}`,
    value: `${number}:${randomBytes(450).toString('base64')}`,
    headers: [{ name: 'n', value: String(number) }],
  }))

/** Archives a new log with these messages, and compares the archive with it. */
async function archive(store: Store, given: readonly NewMessage[]): Promise<void> {
  await using fixture = await temporaryLog({ lookups: ['key'] })
  const { log } = fixture
  await log.createTopic('orders', { partitions: LANES })
  for (let at = 0; at < given.length; at += 5000) await log.append('orders', toAppend(given.slice(at, at + 5000)))
  await using source = openLocalSource(log, { topics: ['*'], group: 'g', member: 'm' })
  const deadLetters = {
    name: 'none',
    write: () => Promise.reject(new Error('every message can be archived')),
    async [Symbol.asyncDispose]() {},
  }
  const clocks = { nowMs: Date.now, monotonicMs: () => performance.now(), random: Math.random }
  const parts = { source, store, deadLetters, ...clocks, randomBytes: (count: number) => randomBytes(count) }
  await runArchive(parts, options, new AbortController().signal)
  const report = await verifyArchive(store, { against: source })
  expect(report.problems).toEqual([])
  expect(report).toMatchObject({ clean: true, messages: given.length })
}

async function found(store: Store, query: MessageQuery): Promise<string[]> {
  await using index = await openSqliteIndex({ path: ':memory:' })
  await followChains(store, index)
  const values: string[] = []
  for await (const { batch } of search({ store, index }, query)) {
    for (const { value } of messagesOf(batch)) values.push(new TextDecoder().decode(value ?? undefined))
  }
  return values
}

export interface ArchiveStoreOptions {
  readonly partBytes: number
  readonly observe?: ObserveRequest
  /** Where the service is reached, where that is not its own address. */
  readonly url?: string
  readonly retry?: RetryPolicy
  readonly timeoutMs?: number
}

/** What an archive is in a store behind a network. `newPlace` makes a place for a store, and gives what opens stores on it. */
export function archiveInStoreContract(
  newPlace: () => Promise<(options: ArchiveStoreOptions) => Promise<Store>>,
  proxyOf: () => FaultProxy,
): void {
  it('is whole, is found again, and costs few requests', async () => {
    const { observe, totals } = createRequestTotals()
    const open = await newPlace()
    await using store = await open({ partBytes: PART_BYTES })
    await using counted = await open({ partBytes: PART_BYTES, observe })
    const given = messages(COUNT)
    await archive(counted, given)

    const wanted = given.flatMap(({ key, value }) => (key === 'key-7' ? [String(value)] : []))
    const query = { topic: 'orders', key: new TextEncoder().encode('key-7') }
    expect((await found(store, query)).toSorted()).toEqual(wanted.toSorted())
    expect((await found(store, { topic: 'orders' })).toSorted()).toEqual(given.map(({ value }) => String(value)).toSorted())

    const objects = await Array.fromAsync(store.list(''))
    const segments = objects.filter(({ key }) => key.endsWith('.avro') && !key.startsWith('_'))
    expect(segments).toHaveLength(LANES)
    // A genesis and a commit for each lane; segments in parts, of which some services count the last as the end.
    const { put, part, complete, abort } = totals().byKind
    const parts = segments.reduce((sum, { bytes }) => sum + Math.ceil(bytes / PART_BYTES), 0)
    expect(parts).toBeGreaterThan(LANES)
    expect({ put, complete, abort }).toEqual({ put: 2 * LANES, complete: LANES, abort: 0 })
    expect([parts, parts - LANES]).toContain(part)
  })

  it('is whole behind a bad network', async () => {
    const proxy = proxyOf()
    const open = await newPlace()
    const quickly = { ...standardRetry, maxAttempts: 20, firstDelayMs: 5, maxDelayMs: 20, budgetMs: 60_000 }
    await using store = await open({ url: proxy.url, partBytes: PART_BYTES, retry: quickly, timeoutMs: 2000 })
    const faults = ['status-500', 'status-503', 'reset', 'lost-answer', 'cut-answer', 'slow', 'hang'] as const
    proxy.setPlan({ share: 0.2, faults, delayMs: 20 })
    await archive(store, messages(COUNT))
    const { requests, ...counts } = proxy.counts()
    expect(requests).toBeGreaterThan(Object.values(counts).reduce((sum, count) => sum + count, 0))
    expect(counts['lost-answer'] + counts.reset + counts['status-503']).toBeGreaterThan(0)
  })
}
