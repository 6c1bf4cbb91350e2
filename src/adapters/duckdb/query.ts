import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { MillpondError } from '../../errors.ts'
import type { Conditions } from '../../query/conditions.ts'
import type { QueryPart } from '../../query/parts.ts'
import type { QueryTopic } from '../../query/topics.ts'
import { STOPPED } from './feed.ts'
import type { AnswerColumn, AnswerForm, FromThread, PlannedScan, ToThread } from './messages.ts'
import { createFeeder } from './feeder.ts'

export interface QueryOptions {
  readonly sql: string
  readonly answer: AnswerForm
  /** Memory that DuckDB may take. */
  readonly memoryBytes: number
  /** Where DuckDB may put what does not fit into memory; it has to be there. */
  readonly tempFolder: string
  /** Whether the query may read and write files of the machine, and load extensions. */
  readonly allowFiles: boolean
  readonly signal: AbortSignal
}

/** What the archive gives to a query. */
export interface QueryInput {
  readonly topics: readonly QueryTopic[]
  /** The messages of a topic that may fulfil the conditions; only the `columns` of them are wanted. */
  read(topic: QueryTopic, conditions: Conditions, columns: readonly string[], signal: AbortSignal): AsyncIterable<QueryPart>
}

/** Takes the answer of a query as it comes. */
export interface QueryOutput {
  columns(columns: readonly AnswerColumn[]): Promise<void>
  /** Cells as text, or one cell of JSON a row. */
  rows(rows: readonly (readonly (string | null)[])[]): Promise<void>
}

/** A statement that was read, but not run. */
export interface OpenQuery extends AsyncDisposable {
  /** The tables that it names: topics, and what is none. */
  readonly tables: readonly string[]
  /** What would be read, and DuckDB's plan as JSON. @throws MillpondError `QUERY_FAILED`. */
  explain(topics: readonly QueryTopic[]): Promise<{ readonly scans: readonly PlannedScan[]; readonly plan: string }>
  /**
   * Gives how many rows the answer has.
   * @throws MillpondError `QUERY_FAILED` with DuckDB's own words; what `input` and `output` throw.
   */
  run(input: QueryInput, output: QueryOutput): Promise<number>
}

/**
 * Starts DuckDB in a thread of its own, with an empty database, and has it read the statement.
 * @throws MillpondError `DEPENDENCY_MISSING` without `@duckdb/node-api`; `QUERY_FAILED` for what is no SQL.
 */
export async function openQuery(options: QueryOptions): Promise<OpenQuery> {
  const { signal, ...settings } = options
  signal.throwIfAborted()
  const { port1: port, port2: feed } = new MessageChannel()
  const wake = new Int32Array(new SharedArrayBuffer(8))
  const here = fileURLToPath(import.meta.url)
  const worker = new Worker(new URL(`./query-thread${extname(here)}`, import.meta.url), {
    workerData: { ...settings, feed, wake },
    transferList: [feed],
  })
  port.unref()
  const exited = Promise.withResolvers<void>()
  const conversation = converse(worker, exited.resolve)
  const ended = new AbortController()
  const stop = (): void => {
    Atomics.store(wake, STOPPED, 1)
    Atomics.add(wake, 0, 1)
    Atomics.notify(wake, 0)
    conversation.send({ kind: 'stop' })
  }
  signal.addEventListener('abort', stop, { once: true })
  const close = async (): Promise<void> => {
    signal.removeEventListener('abort', stop)
    ended.abort()
    stop()
    await exited.promise
    port.close()
  }
  const feeder = createFeeder(port, wake, AbortSignal.any([signal, ended.signal]))
  try {
    const tables = await conversation.next()
    if (tables.kind !== 'tables') throw unexpected(tables)
    return {
      tables: tables.names,
      async explain(topics) {
        conversation.send({ kind: 'run', topics, onlyExplain: true })
        const planned = await conversation.next()
        if (planned.kind !== 'planned') throw unexpected(planned)
        return planned
      },
      async run(input, output) {
        conversation.send({ kind: 'run', topics: input.topics, onlyExplain: false })
        try {
          return await follow(conversation, feeder, input, output)
        } catch (error) {
          signal.throwIfAborted()
          // What could not be read is the reason, whatever the query made of it.
          throw feeder.failure ?? error
        }
      },
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

type Feeder = ReturnType<typeof createFeeder>

/** Serves the thread until the answer is complete. */
async function follow(conversation: Conversation, feeder: Feeder, input: QueryInput, output: QueryOutput): Promise<number> {
  let planned: readonly PlannedScan[] = []
  for (;;) {
    const message = await conversation.next()
    switch (message.kind) {
      case 'planned':
        planned = message.scans
        break
      case 'scan': {
        const { scan, topic, columns } = message
        const conditions = planned.find((known) => known.topic === topic)?.conditions ?? {}
        const named = input.topics.find(({ name }) => name === topic)
        if (named === undefined)
          throw new MillpondError('INTERNAL', `the thread of the query wants the topic ${topic}, which it was not given`)
        feeder.begin(scan, (signal) => input.read(named, conditions, columns, signal))
        break
      }
      case 'taken':
        feeder.taken(message.scan)
        break
      case 'columns':
        await output.columns(message.columns)
        break
      case 'rows':
        await output.rows(message.rows)
        conversation.send({ kind: 'more' })
        break
      case 'done':
        return message.rows
      case 'tables':
      case 'failed':
        throw unexpected(message)
      default:
        throw new TypeError(`no message ${String(message satisfies never)}`)
    }
  }
}

interface Conversation {
  send(message: ToThread): void
  /** @throws MillpondError where the thread says that it failed, or ends. */
  next(): Promise<FromThread>
}

function converse(worker: Worker, exited: () => void): Conversation {
  const received: FromThread[] = []
  let failure: Error | undefined
  let wanted = Promise.withResolvers<void>()
  const came = (): void => {
    wanted.resolve()
    wanted = Promise.withResolvers()
  }
  worker.on('message', (message: FromThread) => {
    received.push(message)
    came()
  })
  worker.on('error', (error: Error) => {
    failure = error
    came()
  })
  worker.on('exit', () => {
    failure ??= new MillpondError('INTERNAL', 'the thread of the query ended before its answer')
    exited()
    came()
  })
  return {
    send(message) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
      worker.postMessage(message)
    },
    async next() {
      for (;;) {
        const message = received.shift()
        if (message?.kind === 'failed') throw failed(message)
        if (message !== undefined) return message
        if (failure !== undefined) throw failure
        await wanted.promise
      }
    },
  }
}

function failed({ reason, message }: Extract<FromThread, { kind: 'failed' }>): MillpondError {
  if (reason === 'query') return new MillpondError('QUERY_FAILED', message)
  const text = `queries need the package @duckdb/node-api: npm install @duckdb/node-api (${message})`
  return new MillpondError('DEPENDENCY_MISSING', text)
}

const unexpected = ({ kind }: FromThread): MillpondError =>
  new MillpondError('INTERNAL', `the thread of the query said ${kind} out of turn`)
