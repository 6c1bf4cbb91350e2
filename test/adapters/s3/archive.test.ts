import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLocalSource } from '../../../src/adapters/local/source.ts'
import { openSqliteIndex } from '../../../src/adapters/sqlite/index.ts'
import { runArchive } from '../../../src/archive.ts'
import type { ArchiveEvent, ArchiveOptions } from '../../../src/archive/options.ts'
import { messagesOf } from '../../../src/batch/view.ts'
import { verifyArchive } from '../../../src/commit/verify.ts'
import { followChains } from '../../../src/index/follow.ts'
import { search } from '../../../src/search/read.ts'
import type { MessageQuery } from '../../../src/search/query.ts'
import { createRequestTotals } from '../../../src/store/requests.ts'
import { standardRetry } from '../../../src/store/retry.ts'
import type { ObjectWriter, Store } from '../../../src/store/store.ts'
import type { NewMessage } from '../../contract/source.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type FaultProxy, startFaultProxy } from '../../servers/fault-proxy.ts'
import { serverMissing } from '../../servers/missing.ts'
import type { S3Server } from '../../servers/s3.ts'
import { temporaryLog, toAppend } from '../local-fixtures.ts'
import { implementations, newBucket, openNewStore } from './servers.ts'

const MiB = 1024 * 1024
const LANES = 2
const COUNT = 30_000

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

for (const { name, start } of implementations) {
  describe.skipIf(serverMissing(name) !== undefined)(`an archive in ${name}`, { timeout: 120_000 }, () => {
    let server: S3Server
    let proxy: FaultProxy
    beforeAll(async () => {
      server = await start()
      proxy = await startFaultProxy(server.endpoint, 7)
    }, GET_LIMIT_MS)
    afterAll(async () => {
      await proxy?.stop()
      await server?.stop()
    })

    /** Archives a new log with these messages, and verifies what the store holds then; gives what was told on the way. */
    const archive = async (
      store: Store,
      given: readonly NewMessage[],
      changes: { readonly lanes?: number; readonly memoryBytes?: number } = {},
    ): Promise<readonly ArchiveEvent[]> => {
      const { lanes = LANES, memoryBytes = options.memoryBytes } = changes
      const events: ArchiveEvent[] = []
      await using fixture = await temporaryLog({ lookups: ['key'] })
      const { log } = fixture
      await log.createTopic('orders', { partitions: lanes })
      for (let at = 0; at < given.length; at += 5000) await log.append('orders', toAppend(given.slice(at, at + 5000)))
      await using source = openLocalSource(log, { topics: ['*'], group: 'g', member: 'm' })
      const deadLetters = {
        name: 'none',
        write: () => Promise.reject(new Error('every message can be archived')),
        async [Symbol.asyncDispose]() {},
      }
      await runArchive(
        {
          source,
          store,
          deadLetters,
          nowMs: Date.now,
          monotonicMs: () => performance.now(),
          random: Math.random,
          randomBytes: (count) => randomBytes(count),
          onEvent: (event) => events.push(event),
        },
        { ...options, memoryBytes },
        new AbortController().signal,
      )
      const report = await verifyArchive(store, { against: source })
      expect(report.problems).toEqual([])
      expect(report).toMatchObject({ clean: true, messages: given.length })
      return events
    }

    const found = async (store: Store, query: MessageQuery): Promise<string[]> => {
      await using index = await openSqliteIndex({ path: ':memory:' })
      await followChains(store, index)
      const values: string[] = []
      for await (const { batch } of search({ store, index }, query)) {
        for (const { value } of messagesOf(batch)) values.push(new TextDecoder().decode(value ?? undefined))
      }
      return values
    }

    it('is whole, is found again, and costs few requests', async () => {
      const { observe, totals } = createRequestTotals()
      const bucket = await newBucket(server)
      await using store = await openNewStore(server, { bucket, prefix: 'archive/', partBytes: 5 * MiB })
      await using counted = await openNewStore(server, { bucket, prefix: 'archive/', partBytes: 5 * MiB, observe })
      const given = messages(COUNT)
      await archive(counted, given)

      const wanted = given.flatMap(({ key, value }) => (key === 'key-7' ? [String(value)] : []))
      const query = { topic: 'orders', key: new TextEncoder().encode('key-7') }
      expect((await found(store, query)).toSorted()).toEqual(wanted.toSorted())
      expect((await found(store, { topic: 'orders' })).toSorted()).toEqual(given.map(({ value }) => String(value)).toSorted())

      const objects = await Array.fromAsync(store.list(''))
      const segments = objects.filter(({ key }) => key.endsWith('.avro') && !key.startsWith('_'))
      expect(segments).toHaveLength(LANES)
      const parts = segments.reduce((sum, { bytes }) => sum + Math.ceil(bytes / (5 * MiB)), 0)
      expect(parts).toBeGreaterThan(LANES)
      // A genesis and a commit for each lane; segments in parts.
      expect(totals().byKind).toMatchObject({ put: 2 * LANES, begin: LANES, part: parts, complete: LANES })
    })

    it('of many lanes is made within its memory, in smaller segments', async () => {
      await using store = await openNewStore(server)
      const writers = new Set<ObjectWriter>()
      let mostBytes = 0
      const watched: Store = {
        ...store,
        async openWriter(key, signal) {
          const writer = await store.openWriter(key, signal)
          writers.add(writer)
          const write = async (bytes: Uint8Array): Promise<void> => {
            await writer.write(bytes)
            mostBytes = Math.max(
              mostBytes,
              [...writers].reduce((sum, { heldBytes }) => sum + heldBytes, 0),
            )
          }
          return Object.create(writer, { write: { value: write } }) as ObjectWriter
        },
      }
      const events = await archive(watched, messages(COUNT), { lanes: 40, memoryBytes: 8 * MiB })
      const causes = events.flatMap((event) => (event.kind === 'committed' ? [event.cause] : []))
      expect(causes).toContain('memory')
      // Half of it, and a block for each that was on its way there.
      expect(mostBytes).toBeLessThan(8 * MiB)
    })

    it('is whole behind a bad network', async () => {
      const bucket = await newBucket(server)
      const quickly = { ...standardRetry, maxAttempts: 20, firstDelayMs: 5, maxDelayMs: 20, budgetMs: 60_000 }
      await using store = await openNewStore(server, {
        bucket,
        endpoint: proxy.url,
        partBytes: 5 * MiB,
        retry: quickly,
        timeoutMs: 2000,
      })
      const faults = ['status-500', 'status-503', 'reset', 'lost-answer', 'cut-answer', 'slow', 'hang'] as const
      proxy.setPlan({ share: 0.2, faults, delayMs: 20 })
      await archive(store, messages(COUNT))
      const { requests, ...counts } = proxy.counts()
      expect(requests).toBeGreaterThan(Object.values(counts).reduce((sum, count) => sum + count, 0))
      expect(counts['lost-answer'] + counts.reset + counts['status-503']).toBeGreaterThan(0)
    })
  })
}
