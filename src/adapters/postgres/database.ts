import { checkServerIdentity, type ConnectionOptions } from 'node:tls'
import type * as Driver from 'pg'
import type { Pool, PoolClient, PoolConfig } from 'pg'
import { type ErrorCode, isMillpondError, MillpondError } from '../../errors.ts'
import type { Row } from '../../index/index-rows.ts'
import type { PostgresEndpoint, PostgresOptions } from './options.ts'

const MAX_CONNECTIONS = 10
const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 30_000
/** What a server that is alive has to say that a statement took too long, before its connection is given up. */
const GRACE_MS = 5000

/** A statement; one with a name is planned once a connection. */
export interface Statement {
  readonly name?: string
  readonly text: string
}

/** Asks a statement for its rows. */
export type Ask = (statement: Statement | string, values?: readonly unknown[]) => Promise<readonly Row[]>

/** One server of PostgreSQL behind a pool of connections, which mends itself: what is broken is left and made anew. */
export interface Database extends AsyncDisposable {
  /** `postgres://host:port/database`, without a login. */
  readonly name: string
  /** One statement, which is one transaction. */
  readonly ask: Ask
  /** Does the work in one transaction, which it takes back where that fails. */
  readonly transaction: <T>(work: (ask: Ask) => Promise<T>) => Promise<T>
}

/** How a part of the program calls what can be wrong with a database. */
export interface Codes {
  readonly unavailable: ErrorCode
  readonly corrupt: ErrorCode
  /** What a person does about what is corrupt. */
  readonly remedy: string
}

/**
 * Opens a pool to one server; nothing is asked of it yet.
 * @throws MillpondError `DEPENDENCY_MISSING` without the package pg.
 */
export async function openDatabase(endpoint: PostgresEndpoint, options: PostgresOptions, codes: Codes): Promise<Database> {
  const driver = await loadDriver()
  const pool = new driver.Pool(poolConfig(endpoint, options))
  const isLent = options.pooler === 'transaction'
  const plain = (statement: Statement | string) => (isLent && typeof statement !== 'string' ? statement.text : statement)
  const begin = isLent ? `BEGIN; ${localTimeouts(options)}` : 'BEGIN'
  // A connection that breaks while nobody uses it is left out of the pool by itself.
  pool.on('error', () => undefined)
  const name = `postgres://${endpoint.host}:${endpoint.port}/${endpoint.database}`
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw databaseError(error, name, codes)
    }
  }
  let closed: Promise<void> | undefined
  return {
    name,
    ask: (statement, values) => guard(() => askAgain(pool, plain(statement), values)),
    transaction: (work) =>
      guard(() => transact(pool, begin, (ask) => work((statement, values) => ask(plain(statement), values)))),
    [Symbol.asyncDispose]: () => (closed ??= pool.end()),
  }
}

async function loadDriver(): Promise<typeof Driver> {
  try {
    return await import('pg')
  } catch (cause) {
    throw new MillpondError('DEPENDENCY_MISSING', 'PostgreSQL needs the package pg: npm install pg', { cause })
  }
}

const statementTimeoutOf = ({ statementTimeoutMs = STATEMENT_TIMEOUT_MS }: PostgresOptions): number => statementTimeoutMs

/** What sessions have otherwise, for one transaction. */
function localTimeouts(options: PostgresOptions): string {
  const ms = statementTimeoutOf(options)
  return `SET LOCAL statement_timeout = ${ms}; SET LOCAL idle_in_transaction_session_timeout = ${ms}`
}

function poolConfig(endpoint: PostgresEndpoint, options: PostgresOptions): PoolConfig {
  const { host, port, database, user, password } = endpoint
  const statementTimeoutMs = statementTimeoutOf(options)
  // Poolers refuse settings of sessions that they do not know.
  const timeouts =
    options.pooler === 'transaction'
      ? {}
      : { statement_timeout: statementTimeoutMs, idle_in_transaction_session_timeout: statementTimeoutMs }
  return {
    host,
    port,
    database,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password: password.reveal() }),
    ssl: tlsOptions(endpoint, options.ca),
    max: options.maxConnections ?? MAX_CONNECTIONS,
    connectionTimeoutMillis: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    ...timeouts,
    query_timeout: statementTimeoutMs + GRACE_MS,
    keepAlive: true,
    application_name: 'millpond',
  }
}

function tlsOptions({ host, tls }: PostgresEndpoint, ca: string | undefined): false | ConnectionOptions {
  if (tls === 'disable') return false
  const trust = ca === undefined ? {} : { ca }
  // As libpq does it: an authority that is given is asked for.
  if (tls === 'require' && ca === undefined) return { rejectUnauthorized: false }
  if (tls !== 'verify-full') return { ...trust, checkServerIdentity: () => undefined }
  return { ...trust, checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate) }
}

/**
 * Asks once more what changed nothing: where the connection was gone, which may have been so for long, and where two statements waited
 * for each other. What writes and gets no answer is left to the caller, for whom it is not the same.
 */
async function askAgain(pool: Pool, statement: Statement | string, values: readonly unknown[] = []): Promise<readonly Row[]> {
  try {
    return await askClient(pool, statement, values)
  } catch (error) {
    const text = typeof statement === 'string' ? statement : statement.text
    if (!TAKEN_BACK.test(codeOf(error)) && !(isLost(error) && /^\s*SELECT/u.test(text))) throw error
    return askClient(pool, statement, values)
  }
}

async function askClient(
  client: Pool | PoolClient,
  statement: Statement | string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const query = typeof statement === 'string' ? { text: statement } : statement
  const { rows } = await client.query<Record<string, unknown>>({ ...query, values: [...values] })
  return rows
}

async function transact<T>(pool: Pool, begin: string, work: (ask: Ask) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  // A connection may break between two statements: the next one says so.
  const ignore = () => undefined
  client.on('error', ignore)
  const release = (isClean: boolean) => {
    if (isClean) client.off('error', ignore)
    client.release(!isClean)
  }
  try {
    await client.query(begin)
    const done = await work((statement, values) => askClient(client, statement, values))
    await client.query('COMMIT')
    release(true)
    return done
  } catch (error) {
    const isClean = await client.query('ROLLBACK').then(
      () => true,
      () => false,
    )
    release(isClean)
    throw error
  }
}

/** Of errors of PostgreSQL: a class or a code (PostgreSQL 15, appendix A, read 2026-11). */
const CORRUPT = /^(?:22|23|42P01|42703|42804|3F000|XX00[12])/u
/** The statement was taken back, for another was in its way. */
const TAKEN_BACK = /^(?:40001|40P01)$/u
/** Who is asked is going away, or has gone. */
const LOST = /^(?:08|57P0[12]|ECONNRESET|EPIPE)/u

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

const isLost = (error: unknown): boolean =>
  LOST.test(codeOf(error)) || (error instanceof Error && error.message.startsWith('Connection terminated'))

/** Node's own codes but those of TLS; and a server that starts, stops or has no room. */
const AWAY = /^(?:E(?!RR_)[A-Z]+$|08|53|57P0)/u

/** What poolers refuse of sessions, and what gets lost between them. */
const OF_POOLER = /unsupported startup parameter|prepared statement .* (?:does not exist|already exists)/u

/** Whether an error says that a server is not there, or takes nobody, for now. */
export const isAway = (error: unknown): boolean =>
  AWAY.test(codeOf(error)) || isLost(error) || (error instanceof Error && error.message.startsWith('timeout exceeded'))

/** Any error of the database as ours. */
function databaseError(error: unknown, name: string, { unavailable, corrupt, remedy }: Codes): MillpondError {
  if (isMillpondError(error)) return error
  if (CORRUPT.test(codeOf(error)) || error instanceof RangeError)
    return new MillpondError(corrupt, `${name} holds what does not belong there (${remedy}): ${textOf(error)}`, { cause: error })
  const text = textOf(error)
  const pooled = OF_POOLER.test(text) ? '; behind a pooler in transaction mode set postgres.pooler: transaction' : ''
  return new MillpondError(unavailable, `${name} cannot be used: ${text}${pooled}`, { cause: error })
}

/** An error's message; where a name has several addresses there is one for each. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(textOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
