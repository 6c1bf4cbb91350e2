import { pino } from 'pino'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../../src/adapters/sqlite/jobs.ts'
import { openSafety } from '../../../src/api/auth/safety.ts'
import { createMetrics } from '../../../src/api/metrics.ts'
import { createReadiness } from '../../../src/api/readiness.ts'
import { startDataphos } from '../../../src/api/dataphos/server.ts'
import type { MessageInput } from '../../../src/batch/builder.ts'
import { checkConfig } from '../../../src/config/load.ts'
import { followChains } from '../../../src/index/follow.ts'
import type { SegmentIndex } from '../../../src/index/segment-index.ts'
import type { JobStore } from '../../../src/replay/jobs.ts'
import type { Store } from '../../../src/store/store.ts'
import { createMemorySink, type MemorySink } from '../../replay/archives.ts'
import { type CommitContent, cut, writeLane } from '../../search/archives.ts'

/** An answer, read whole. */
export interface Answer {
  readonly status: number
  readonly type: string | null
  readonly text: string
  readonly headers: Headers
}

/** An archive in memory behind both interfaces of Dataphos; what is resubmitted comes into `sink`. */
export interface DataphosScene extends AsyncDisposable {
  readonly store: Store
  readonly index: SegmentIndex
  readonly jobs: JobStore
  readonly sink: MemorySink
  readonly indexerUrl: string
  readonly resubmitterUrl: string
  archive(topic: string, lane: string, commits: readonly CommitContent[], startPosition?: number): Promise<void>
  get(path: string): Promise<Answer>
  /** To the Indexer API. */
  post(path: string, body: unknown): Promise<Answer>
  /** To the Resubmitter. */
  resubmit(path: string, body: unknown): Promise<Answer>
}

const asBody = (body: unknown): string | undefined =>
  body === undefined || typeof body === 'string' ? body : JSON.stringify(body)

async function read(response: Response): Promise<Answer> {
  const { status, headers } = response
  return { status, headers, type: headers.get('content-type'), text: await response.text() }
}

/** Messages of an Indexer API answer. */
export const messagesOf = ({ text }: Answer): readonly Record<string, unknown>[] => {
  const parsed = JSON.parse(text) as { messages?: Record<string, unknown>[] | null } | Record<string, unknown>[] | null
  return (Array.isArray(parsed) ? parsed : parsed?.messages) ?? []
}

/** Messages in blocks of `blockCount`, in segments of three blocks, two segments a commit. */
export const commitsOf = (messages: readonly MessageInput[], blockCount = 10): CommitContent[] =>
  cut(messages, blockCount, 3, 2).map((segments) => ({ segments, lookups: ['key', 'id', 'header:a'] as const }))

/** Starts both interfaces at free ports over an empty archive; `yaml` is the section `dataphos` and others. */
export async function openDataphos(yaml: Readonly<Record<string, unknown>> = {}): Promise<DataphosScene> {
  await using opened = new AsyncDisposableStack()
  const store = createMemoryStore()
  const index = opened.use(await openSqliteIndex({ path: ':memory:' }))
  const jobs = opened.use(await openSqliteJobs({ path: ':memory:' }))
  const { dataphos, ...others } = yaml as { readonly dataphos?: object }
  const written = {
    store: { type: 'gcs' },
    gcs: { bucket: 'b' },
    ...others,
    dataphos: { indexer: { port: 0 }, resubmitter: { port: 0 }, ...dataphos },
  }
  const place = { file: undefined, folder: '/nowhere' }
  const surroundings = { env: {}, readFile: () => Promise.reject(new Error('no files here')) }
  const { config } = await checkConfig(JSON.stringify(written), place, surroundings)
  const sink = createMemorySink()
  // The sink outlives the job that closes it.
  const openSink = () => Promise.resolve({ ...sink, [Symbol.asyncDispose]: () => Promise.resolve() })
  const logger = pino({ level: 'silent' })
  const news = { readiness: createReadiness(), metrics: createMetrics(), onNews: () => undefined }
  const safety = opened.use(await openSafety(config.http, news))
  const servers = opened.use(await startDataphos(config, { archive: { store, index }, jobs, logger, safety, openSink }))
  const [indexerUrl, resubmitterUrl] = [servers.indexerUrl!, servers.resubmitterUrl!]
  const post = async (url: string, body: unknown) => read(await fetch(url, { method: 'POST', body: asBody(body) ?? null }))
  const kept = opened.move()
  return {
    store,
    index,
    jobs,
    sink,
    indexerUrl,
    resubmitterUrl,
    async archive(topic, lane, commits, startPosition = 0) {
      await writeLane(store, { topic, topicId: topic, lane }, startPosition, commits)
      await followChains(store, index)
    },
    get: async (path) => read(await fetch(indexerUrl + path)),
    post: (path, body) => post(indexerUrl + path, body),
    resubmit: (path, body) => post(resubmitterUrl + path, body),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
