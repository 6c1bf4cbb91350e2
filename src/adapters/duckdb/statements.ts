import type * as DuckDb from '@duckdb/node-api'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { bytesColumns, textColumns } from '../../query/columns.ts'
import { both, type Conditions, conditionsOf, eitherOf } from '../../query/conditions.ts'
import { ownNames } from '../../query/own-names.ts'
import { scansOf } from '../../query/plan.ts'
import { knownTopic, type QueryTopic } from '../../query/topics.ts'
import { valueSelection } from '../../query/value-columns.ts'
import { quotedName as named } from '../../query/value-types.ts'
import type { AnswerForm, PlannedScan, ThreadSettings } from './messages.ts'
import { scanName } from './scans.ts'

type Api = typeof DuckDb

/** Text in quotes, as a constant. */
const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

/**
 * Opens an empty database in memory. Unless files are allowed no statement can reach beyond it: no file, no address, no extension; the one
 * file that the answer goes to is excepted. Sessions are in UTC, as timestamps of messages are.
 */
export async function openDatabase(api: Api, settings: ThreadSettings): Promise<DuckDBInstance> {
  const { memoryBytes, tempFolder, allowFiles, answer } = settings
  const instance = await api.DuckDBInstance.create(':memory:', {
    memory_limit: `${Math.max(1, Math.floor(memoryBytes / 1_000_000))}MB`,
    temp_directory: tempFolder,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  await connection.run("SET GLOBAL TimeZone = 'UTC'")
  if (!allowFiles) {
    const paths = answer.form === 'parquet' ? [quoted(answer.path)] : []
    await connection.run(`SET GLOBAL allowed_paths = [${paths.join(', ')}]`)
    await connection.run('SET GLOBAL enable_external_access = false')
  }
  connection.closeSync()
  return instance
}

/** Makes the views of all topics, and what helps to ask them; then no setting can be changed any more. */
export async function makeViews(connection: DuckDBConnection, topics: readonly QueryTopic[]): Promise<void> {
  await connection.run('CREATE SCHEMA bytes')
  for (const [index, { name, values }] of topics.entries()) {
    const text = values === undefined ? textColumns : valueSelection(values, false)
    const bytes = values === undefined ? bytesColumns : valueSelection(values, true)
    await connection.run(`CREATE VIEW main.${named(name)} AS SELECT ${text} FROM main.${scanName(index)}()`)
    await connection.run(`CREATE VIEW bytes.${named(name)} AS SELECT ${bytes} FROM main.${scanName(index)}()`)
  }
  await connection.run(
    'CREATE MACRO main.header(headers, wanted) AS list_filter(headers, lambda entry: entry.name = wanted)[1].value',
  )
  await connection.run('SET GLOBAL lock_configuration = true')
}

/** What the scans of a query need to give, by topic, and the plan for people. */
export async function planScans(
  connection: DuckDBConnection,
  sql: string,
  topics: readonly QueryTopic[],
): Promise<{ readonly scans: readonly PlannedScan[]; readonly plan: string }> {
  const explained = await connection.runAndReadAll(`EXPLAIN (FORMAT json) ${sql}`)
  const plan = String(explained.getRows()[0]?.[1] ?? '[]')
  const found = scansOf(plan, scanName(0).replace(/0$/u, '').toUpperCase())
  const isOwn = ownNames(await serialized(connection, sql))
  const scans: PlannedScan[] = []
  for (const [index, topic] of topics.entries()) {
    const name = scanName(index).toUpperCase()
    const own = found.filter(({ scan }) => scan === name)
    if (own.length === 0) continue
    const known = knownTopic(topic, isOwn)
    const all: Conditions[] = []
    for (const { filters } of own) {
      const parts: Conditions[] = []
      for (const filter of filters) parts.push(conditionsOf(await parsed(connection, filter), known))
      all.push(parts.reduce(both, {}))
    }
    scans.push({ topic: topic.name, conditions: eitherOf(all) })
  }
  return { scans, plan }
}

/** An expression as DuckDB's own parser reads it; undefined for what is none. */
async function parsed(connection: DuckDBConnection, expression: string): Promise<unknown> {
  const { error, statements } = (await serialized(connection, `SELECT ${expression}`)) as Serialized
  const list = statements?.length === 1 ? statements[0]?.node?.select_list : undefined
  return error || list?.length !== 1 ? undefined : list[0]
}

/** A statement as DuckDB's own parser reads it. */
async function serialized(connection: DuckDBConnection, sql: string): Promise<unknown> {
  const answer = await connection.runAndReadAll(`SELECT json_serialize_sql(${quoted(sql)})`)
  return JSON.parse(String(answer.getRows()[0]?.[0])) as unknown
}

interface Serialized {
  readonly error: boolean
  readonly statements?: readonly { readonly node?: { readonly select_list?: readonly unknown[] } }[]
}

/** The statement that gives the answer of a `SELECT` in the form that is wanted; a row more than may be shown tells that there are more. */
export function answerStatement(sql: string, answer: AnswerForm): string {
  const inner = sql.replace(/[\s;]+$/u, '')
  if (answer.form === 'parquet') {
    return `COPY (\n${inner}\n) TO ${quoted(answer.path)} (FORMAT parquet, COMPRESSION zstd)`
  }
  const limit = answer.maxRows === undefined ? '' : ` LIMIT ${answer.maxRows + 1}`
  if (answer.form === 'json') return `SELECT to_json("millpond row")::VARCHAR FROM (\n${inner}\n) AS "millpond row"${limit}`
  return `SELECT COLUMNS(*)::VARCHAR FROM (\n${inner}\n)${limit}`
}
