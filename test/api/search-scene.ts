import type { AddressInfo } from 'node:net'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import type { Caller } from '../../src/api/access.ts'
import { gateFor } from '../../src/api/auth/safety.ts'
import { createMetrics } from '../../src/api/metrics.ts'
import { createReadiness } from '../../src/api/readiness.ts'
import { createSearchArchive } from '../../src/api/search/archive.ts'
import type { SearchLimits } from '../../src/api/search/limits.ts'
import { createServer } from '../../src/api/server.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import type { LookupField } from '../../src/encode/block.ts'
import type { MillpondError } from '../../src/errors.ts'
import { followChains } from '../../src/index/follow.ts'
import type { SegmentIndex } from '../../src/index/segment-index.ts'
import type { Archive } from '../../src/search/read.ts'
import type { LaneId } from '../../src/source/lane.ts'
import type { Store } from '../../src/store/store.ts'
import { cut, writeLane } from '../search/archives.ts'

export const MiB = 1024 * 1024

const LIMITS: SearchLimits = {
  maxBytes: 1024 * MiB,
  maxMessages: 1_000_000,
  maxPageMessages: 10_000,
  maxTimeMs: 120_000,
  maxSearches: 64,
  maxSearchesPerCaller: 64,
}

/** A service over an archive in memory. */
export interface SearchScene extends AsyncDisposable {
  readonly store: Store
  readonly index: SegmentIndex
  readonly archive: Archive
  readonly url: string
  readonly errors: readonly MillpondError[]
}

export interface SceneOptions {
  readonly store?: Store
  readonly index?: SegmentIndex
  readonly limits?: Partial<SearchLimits>
  /** Who calls, by the header `x-test-caller`. */
  readonly callers?: Readonly<Record<string, Caller>>
}

type Gate = ReturnType<typeof gateFor>

/** Lets in who says its name. */
const gateOf = (callers: Readonly<Record<string, Caller>>): Gate => ({
  ...gateFor(undefined),
  authenticate: ({ headers }) => {
    const caller = callers[String(headers['x-test-caller'])]
    return caller === undefined ? 'nothing' : { ...caller, via: 'key' }
  },
})

/** Starts a service on a free port. */
export async function startSearch({ callers, limits, ...options }: SceneOptions = {}): Promise<SearchScene> {
  await using opened = new AsyncDisposableStack()
  const store = options.store ?? createMemoryStore()
  const index = options.index ?? (await openSqliteIndex({ path: ':memory:' }))
  const archive = createSearchArchive({ store, index, registry: undefined }, { cacheBytes: 16 * MiB })
  const errors: MillpondError[] = []
  const nowhere = () => Promise.reject(new Error('nothing is put here'))
  const parts = {
    append: nowhere,
    directory: { brokers: nowhere, topics: nowhere, topic: nowhere, range: nowhere },
    search: { archive, limits: { ...LIMITS, ...limits } },
    readiness: createReadiness(),
    metrics: createMetrics(),
    observe: () => Promise.resolve(),
    nowMs: Date.now,
    onError: (error: MillpondError) => errors.push(error),
  }
  const server = createServer(parts, {
    safety: { gate: callers === undefined ? gateFor(undefined) : gateOf(callers), tls: undefined },
    maxBodyBytes: 16 * MiB,
    maxMessageBytes: 16 * MiB,
    maxConnections: 1000,
    requestTimeoutMs: 60_000,
  })
  opened.defer(() => server.close())
  await server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.server.address() as AddressInfo
  const kept = opened.move()
  return {
    store,
    index,
    archive,
    errors,
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.server.closeAllConnections()
      await kept.disposeAsync()
    },
  }
}

export const laneOf = (topic: string, lane: string | number): LaneId => ({ topic, topicId: '1', lane: String(lane) })

/** Messages with rising positions and timestamps; ids, keys and one header, values in JSON. */
export function messagesFrom(first: number, count: number, prefix = ''): MessageInput[] {
  return Array.from({ length: count }, (_, at) => ({
    position: first + at,
    timestamp: 1_000_000 + (first + at) * 10,
    key: `k${(first + at) % 50}`,
    value: JSON.stringify({ n: first + at, name: `${prefix}${first + at}`, big: 0 }).replace(
      '"big":0',
      '"big":12345678901234567890',
    ),
    id: `${prefix}i${first + at}`,
    headers: [{ name: 'region', value: (first + at) % 3 === 0 ? 'eu' : 'us' }],
  }))
}

export interface Written {
  readonly blockCount?: number
  readonly segmentBlocks?: number
  readonly lookups?: readonly LookupField[]
}

/** Writes messages of a lane as further commits, and tells the index. */
export async function addMessages(
  { store, index }: Pick<SearchScene, 'store' | 'index'>,
  lane: LaneId,
  messages: readonly MessageInput[],
  { blockCount = 100, segmentBlocks = 5, lookups = ['key', 'id', 'header:region'] }: Written = {},
): Promise<void> {
  const commits = cut(messages, blockCount, segmentBlocks, 1).map((segments) => ({ segments, lookups }))
  await writeLane(store, lane, messages[0]!.position, commits)
  await followChains(store, index, {}, new AbortController().signal)
}

/** A line of an answer. */
export interface Line {
  readonly topic: string
  readonly lane: string
  readonly position: number
  readonly timestamp: number
  readonly id: string
  readonly value: unknown
  readonly end?: true
  readonly next?: string | null
  readonly stopped?: string | null
  readonly error?: { readonly code: string }
}

/** All lines of an answer; its last one says how it ended. */
export async function linesFrom(response: Response): Promise<readonly Line[]> {
  const text = await response.text()
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

/** Where messages are, as texts. */
export const placesOf = (lines: readonly Line[]): string[] =>
  lines.filter(({ position }) => position !== undefined).map(({ topic, lane, position }) => `${topic}/${lane}@${position}`)
