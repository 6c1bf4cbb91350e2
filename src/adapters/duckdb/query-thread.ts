import { parentPort, workerData } from 'node:worker_threads'
import type * as DuckDb from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { QueryTopic } from '../../query/topics.ts'
import { createFeed } from './feed.ts'
import type { FromThread, ThreadSettings, ToThread } from './messages.ts'
import { registerScans } from './scans.ts'
import { answerStatement, makeViews, openDatabase, planScans } from './statements.ts'

// DuckDB asks for the rows of a scan and waits for them. Here it may wait, while the main thread reads.

type Api = typeof DuckDb

const settings = workerData as ThreadSettings
const port = parentPort!

const send = (message: FromThread): void => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  port.postMessage(message)
}

let connection: DuckDBConnection | undefined
let more = Promise.withResolvers<void>()
const run = Promise.withResolvers<Extract<ToThread, { kind: 'run' }> | undefined>()

port.on('message', (message: ToThread) => {
  if (message.kind === 'run') run.resolve(message)
  else if (message.kind === 'more') more.resolve()
  else {
    run.resolve(undefined)
    more.resolve()
    connection?.interrupt()
  }
})

async function loadApi(): Promise<Api | undefined> {
  try {
    return await import('@duckdb/node-api')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    send({ kind: 'failed', reason: 'missing', message: reason })
    return undefined
  }
}

async function query(api: Api): Promise<void> {
  const instance = await openDatabase(api, settings)
  connection = await instance.connect()
  send({ kind: 'tables', names: connection.getTableNames(settings.sql, false) })
  const order = await run.promise
  if (order !== undefined) {
    let scans = 0
    const begin = (topic: string, columns: readonly string[]): number => {
      send({ kind: 'scan', scan: scans, topic, columns })
      return scans++
    }
    const feed = createFeed(settings.feed, settings.wake, (scan) => send({ kind: 'taken', scan }))
    const functions = registerScans(api, connection, order.topics, feed, begin)
    await makeViews(connection, order.topics)
    await answer(api, connection, order.topics, order.onlyExplain)
    for (const scan of functions) scan.destroySync()
  }
  connection.closeSync()
  instance.closeSync()
}

async function answer(api: Api, open: DuckDBConnection, topics: readonly QueryTopic[], onlyExplain: boolean): Promise<void> {
  const { sql } = settings
  const statements = await open.extractStatements(sql)
  if (statements.count !== 1) throw new Error(`Parser Error: one statement can be asked at a time, not ${statements.count}`)
  // One transaction: what the plan takes for now is now when it is run.
  await open.run('BEGIN TRANSACTION')
  const prepared = await open.prepare(sql)
  const isSelect = prepared.statementType === api.StatementType.SELECT
  const columns = Array.from({ length: prepared.columnCount }, (_, column) => ({
    name: prepared.columnName(column),
    type: prepared.columnType(column).toString(),
  }))
  prepared.destroySync()
  if (isSelect || onlyExplain) send({ kind: 'planned', ...(await planScans(open, sql, topics)) })
  if (onlyExplain) return send({ kind: 'done', rows: 0 })
  if (settings.answer.form === 'parquet') {
    if (!isSelect) throw new Error('Parser Error: only a SELECT can be written as Parquet')
    const written = await open.run(answerStatement(sql, settings.answer))
    return send({ kind: 'done', rows: Number((await written.getRows())[0]?.[0] ?? 0) })
  }
  send({ kind: 'columns', columns })
  send({ kind: 'done', rows: isSelect ? await sendAnswer(open) : await sendOther(open) })
}

async function sendRows(rows: readonly (readonly (string | null)[])[]): Promise<void> {
  more = Promise.withResolvers()
  send({ kind: 'rows', rows })
  await more.promise
}

async function sendAnswer(open: DuckDBConnection): Promise<number> {
  let count = 0
  const result = await open.stream(answerStatement(settings.sql, settings.answer))
  for await (const rows of result.yieldRows()) {
    await sendRows(rows as (string | null)[][])
    count += rows.length
  }
  return count
}

/** Statements that are no `SELECT`, like `EXPLAIN` and `SHOW`, cannot stand within another; their answers are short. */
async function sendOther(open: DuckDBConnection): Promise<number> {
  let count = 0
  const result = await open.stream(settings.sql)
  if (settings.answer.form === 'json') {
    for await (const rows of result.yieldRowObjectJson()) {
      await sendRows(rows.map((row) => [JSON.stringify(row)]))
      count += rows.length
    }
  } else {
    for await (const rows of result.yieldRows()) {
      await sendRows(rows.map((row) => row.map((cell) => (cell === null ? null : String(cell)))))
      count += rows.length
    }
  }
  return count
}

const api = await loadApi()
if (api !== undefined) {
  try {
    await query(api)
  } catch (error) {
    send({ kind: 'failed', reason: 'query', message: error instanceof Error ? error.message : String(error) })
  }
}
// Functions of a connection keep a thread alive for as long as they are registered.
port.close()
process.exit()
