import { rm } from 'node:fs/promises'
import { createLogger } from '../logger.ts'
import { packageVersion } from '../version.ts'
import { runArchive } from '../../archive.ts'
import { ownArchiveParts } from '../../api/archiving.ts'
import { suitHeapToStream } from '../../api/heap.ts'
import { runService } from '../../api/service.ts'
import { followChains } from '../../index/follow.ts'
import { createDeadLetters, openIndex } from '../../wiring.ts'
import { archiveOptions } from '../../wiring/archive.ts'
import { localBroker, openLog } from '../../wiring/local.ts'
import { openStore } from '../../wiring/store.ts'
import type { BenchCase, BenchContext, Figures } from './context.ts'
import { decodeSegments, encodeBatches, prepareBatches } from './encode-case.ts'
import { measure, rateFigures } from './measure.ts'
import { linesFile, MESSAGES_PER_MS, readEntries, TOPIC } from './prepare.ts'
import { lookups, timeLookups } from './search-case.ts'

const MILLION = 1_000_000

/** What `millpond bench` measures, in the order of the way of the data. */
export const benchCases: readonly BenchCase[] = [
  {
    name: 'encode',
    summary: 'batches → Avro (or --format) zstandard 1 with a filter over the keys → file store, durable',
    messages: 5 * MILLION,
    run: async ({ config, messages, format = 'avro' }) => {
      await using store = await openStore(config, 'write')
      const batches = prepareBatches(messages, format)
      let bytes = 0
      const measured = await measure(async () => {
        const entries = await encodeBatches(store, batches(), { format, codec: 'zstandard' })
        bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
        return entries.reduce((sum, { count }) => sum + count, 0)
      })
      return { ...rateFigures(measured), bytesPerMessage: Number((bytes / measured.messages).toFixed(1)), format }
    },
  },
  {
    name: 'partition',
    summary: 'batches → paths of a layout by the day of a field, 365 of them in no order, in a time zone',
    messages: 20 * MILLION,
    run: async (context) => (await import('./layout-case.ts')).partitionByDay(context),
  },
  {
    name: 'decode',
    summary: 'segments of the file store → columns',
    messages: 5 * MILLION,
    needs: 'segments',
    run: async ({ config, folder }) => {
      await using store = await openStore(config, 'read')
      const entries = await readEntries(folder)
      return rateFigures(await measure(() => decodeSegments(store, entries)))
    },
  },
  {
    name: 'ingest',
    summary: 'file of JSON lines with keys and headers → local log, durable',
    messages: 3 * MILLION,
    needs: 'lines',
    run: async ({ config, folder, signal }) => {
      const { ingestFile } = await import('../ingest.ts')
      await rm(config.local.path, { force: true, recursive: true })
      await using log = await openLog(config)
      suitHeapToStream()
      const from = { path: linesFile(folder), format: 'json' as const, maxMessageBytes: config.http.maxMessageBytes }
      return rateFigures(await measure(async () => (await ingestFile(log, TOPIC, from, signal)).messages))
    },
  },
  {
    name: 'archive',
    summary: 'local log (filled) → archive, durable, index included',
    messages: 5 * MILLION,
    needs: 'log',
    run: archiveLog,
  },
  {
    name: 'http-batch',
    summary: '16 connections that POST 500 lines each, acknowledged durable',
    messages: 3 * MILLION,
    run: http(),
  },
  {
    name: 'http-single',
    summary: '64 connections that POST one message each, acknowledged durable',
    messages: 200_000,
    run: http(),
  },
  ...(['search-key', 'search-id', 'search-minute'] as const).map((name): BenchCase => ({
    name,
    summary: `one look-up by ${name.slice('search-'.length)}, nothing of ours warm but the process`,
    messages: 10 * MILLION,
    needs: 'archive',
    run: ({ config, messages }) => {
      const open = async () => {
        const [store, index] = [await openStore(config, 'read'), await openIndex(config)]
        return {
          store,
          index,
          async [Symbol.asyncDispose]() {
            await index[Symbol.asyncDispose]()
            await store[Symbol.asyncDispose]()
          },
        }
      }
      return timeLookups(open, TOPIC, { messages, queryOf: (message) => lookups[name](message, MESSAGES_PER_MS) })
    },
  })),
  {
    name: 'replay',
    summary: 'archive → a sink that counts, as a recorded job',
    messages: 10 * MILLION,
    needs: 'archive',
    run: async (context) => (await import('./replay-case.ts')).replayAll(context),
  },
]

async function archiveLog({ config, signal }: BenchContext): Promise<Figures> {
  suitHeapToStream()
  await rm(config.store.path, { force: true, recursive: true })
  await rm(config.index.path, { force: true })
  await using log = await openLog(config)
  await using store = await openStore(config, 'write')
  await using index = await openIndex(config)
  await using deadLetters = createDeadLetters(config)
  const fresh = { ...config, source: { ...config.source, group: `bench-${Date.now()}` } }
  await using source = await localBroker(fresh, log, false).openSource()
  let messages = 0
  const figures = await measure(async () => {
    await runArchive(
      {
        ...ownArchiveParts(),
        source,
        store,
        deadLetters,
        onEvent: (event) => {
          if (event.kind === 'lane-stopped') throw event.error
          if (event.kind === 'committed') for (const { count } of event.commit.segments) messages += count
        },
      },
      archiveOptions(config, true),
      signal,
    )
    await followChains(store, index)
    return messages
  })
  return rateFigures(figures)
}

/** The service in this process, the load in another one. */
function http(): BenchCase['run'] {
  return async ({ config, messages, start }) => {
    const stop = new AbortController()
    const served = { ...config, http: { ...config.http, port: 0 } }
    const listening = Promise.withResolvers<string>()
    const logger = createLogger('error')
    const serving = runService(served, { version: packageVersion(), logger, onListening: listening.resolve }, stop.signal)
    const url = await Promise.race([listening.promise, serving.then(() => '')])
    try {
      await start('load', ['--url', url, '--messages', String(Math.ceil(messages / 20))])
      return rateFigures(
        await measure(async () => {
          await start('load', ['--url', url, '--messages', String(messages)])
          return messages
        }),
      )
    } finally {
      stop.abort()
      await serving
    }
  }
}
