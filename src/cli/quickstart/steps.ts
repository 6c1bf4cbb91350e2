import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { ownArchiveParts } from '../../api/archiving.ts'
import { runService } from '../../api/service.ts'
import { runArchive } from '../../archive.ts'
import { type MessageBatch, sliceBatch } from '../../batch/batch.ts'
import { verifyArchive } from '../../commit/verify.ts'
import type { VerifyReport } from '../../commit/verify-report.ts'
import type { Config } from '../../config/config.ts'
import { parseJsonLines, writeJsonLines } from '../../encode/json-lines.ts'
import { MillpondError } from '../../errors.ts'
import { followChains } from '../../index/follow.ts'
import type { ReplayTarget } from '../../replay/job.ts'
import { planReplay } from '../../replay/plan.ts'
import { runReplay } from '../../replay/replay.ts'
import type { MessageQuery } from '../../search/query.ts'
import { createReadStats, type ReadStats, search } from '../../search/read.ts'
import { isPassed, positionBehind } from '../../source/source.ts'
import { createDeadLetters, openIndex, openJobs, openReplaySink } from '../../wiring.ts'
import { archiveOptions } from '../../wiring/archive.ts'
import { openLog, localBroker } from '../../wiring/local.ts'
import { openStore } from '../../wiring/store.ts'
import { ingestFile } from '../ingest.ts'
import { createLogger } from '../logger.ts'
import { packageVersion } from '../version.ts'
import { openArchive } from '../open.ts'
import type { Comparison } from './compare.ts'

/** The topic that the flights are sent to. */
export const TOPIC = 'flights'
const REQUEST_COUNT = 2000
const LINES_AT_ONCE = 10_000

/** Posts the messages to a service of its own, request after request, each answered when it is durable; the service archives meanwhile. */
export async function sendByHttp(config: Config, messages: MessageBatch): Promise<void> {
  const stop = new AbortController()
  const listening = Promise.withResolvers<string>()
  const served = { ...config, http: { ...config.http, port: 0 } }
  const serving = runService(
    served,
    { version: packageVersion(), logger: createLogger('error'), onListening: listening.resolve },
    stop.signal,
  )
  serving.catch(listening.reject)
  try {
    const url = `${await listening.promise}/topics/${TOPIC}/messages`
    for (let from = 0; from < messages.count; from += REQUEST_COUNT) {
      const lines = writeJsonLines(sliceBatch(messages, from, Math.min(messages.count, from + REQUEST_COUNT)), {
        topic: TOPIC,
        lane: '0',
      })
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: lines.slice(),
      })
      if (!answer.ok) throw new MillpondError('INTERNAL', `POST ${url} was answered ${answer.status}: ${await answer.text()}`)
      await answer.arrayBuffer()
    }
  } finally {
    stop.abort()
    await serving
  }
}

/** Writes the messages to a file of JSON lines and ingests it. */
export async function sendByFile(config: Config, messages: MessageBatch, path: string, signal: AbortSignal): Promise<void> {
  const lines = function* () {
    for (let from = 0; from < messages.count; from += LINES_AT_ONCE) {
      yield writeJsonLines(sliceBatch(messages, from, Math.min(messages.count, from + LINES_AT_ONCE)), {
        topic: TOPIC,
        lane: '0',
      })
    }
  }
  await pipeline(lines, createWriteStream(path))
  await using log = await openLog(config)
  await ingestFile(log, TOPIC, { path, format: 'json' }, signal)
}

/** Archives what the log holds, and brings the index up to date. Gives the messages that the archive holds. */
export async function archiveAll(config: Config, signal: AbortSignal): Promise<number> {
  await using log = await openLog(config)
  await using store = await openStore(config, 'write')
  await using index = await openIndex(config)
  await using deadLetters = createDeadLetters(config)
  await using source = await localBroker(config, log, false).openSource()
  await runArchive({ ...ownArchiveParts(), source, store, deadLetters }, archiveOptions(config, true), signal)
  await followChains(store, index)
  return (await index.lanes(TOPIC)).reduce((sum, { messages }) => sum + messages, 0)
}

/** Verifies the archive, also against the log. */
export async function verifyAll(config: Config, signal: AbortSignal): Promise<VerifyReport> {
  await using log = await openLog(config)
  await using store = await openStore(config, 'read')
  await using source = await localBroker(config, log, false).openSource()
  return await verifyArchive(store, { against: source }, { signal })
}

/** Gives everything that is found to the comparison. */
export async function searchAll(
  config: Config,
  query: MessageQuery,
  comparison: Comparison,
  signal: AbortSignal,
): Promise<ReadStats> {
  await using archive = await openArchive(config, { follow: true, signal })
  const stats = createReadStats()
  for await (const { lane, batch } of search(archive, { topic: TOPIC, ...query }, { stats, signal }))
    comparison.take(lane.lane, batch)
  return stats
}

/** Replays a selection as a recorded job; gives the number of messages delivered. */
export async function replayAll(config: Config, query: MessageQuery, target: ReplayTarget, signal: AbortSignal): Promise<number> {
  await using archive = await openArchive(config, { follow: true, signal })
  await using jobs = await openJobs(config)
  const order = { query: { topic: TOPIC, ...query }, target }
  const planned = await planReplay(order, { index: archive.index, id: randomBytes(6).toString('hex'), nowMs: Date.now() })
  await jobs.create(planned)
  const { job } = planned
  await using sink = await openReplaySink(config, job)
  const report = await runReplay(job.id, { archive, sink, jobs, nowMs: Date.now }, signal)
  if (report.job.state !== 'done')
    throw new MillpondError('DELIVERY_FAILED', `job ${job.id} is ${report.job.state}: ${report.job.error?.message}`)
  return report.job.counts.delivered
}

/** Gives everything that a topic of the log holds to the comparison. */
export async function readTopic(config: Config, topic: string, comparison: Comparison, signal: AbortSignal): Promise<void> {
  await using log = await openLog(config)
  await using source = await localBroker(config, log, false).openSource()
  const found = (await log.topics()).find(({ name }) => name === topic)
  for (let lane = 0; lane < (found?.partitions ?? 0); lane++) {
    const id = { topic, topicId: found!.topicId, lane: String(lane) }
    const { oldest, next } = await log.range(topic, id.lane)
    if (oldest === next) continue
    const from = { ...id, startPosition: oldest, revoked: new AbortController().signal }
    for await (const given of source.read(from, oldest, signal)) {
      if (!isPassed(given)) comparison.take(id.lane, given)
      if (positionBehind(given) >= next) break
    }
  }
}

/** Gives the messages of a file of JSON lines to the comparison; the order of each lane is that of its lines. */
export async function readLines(path: string, comparison: Comparison): Promise<void> {
  const bytes = await readFile(path)
  const lanes = new TextDecoder().decode(bytes).trimEnd().split('\n')
  const batch = parseJsonLines(bytes, { mode: 'envelope', nowMs: 0, maxMessageBytes: bytes.byteLength + 1 })
  for (const [row, line] of lanes.entries())
    comparison.take(/"lane":"(\d+)"/u.exec(line)?.[1] ?? '', sliceBatch(batch, row, row + 1))
}
