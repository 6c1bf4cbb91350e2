import { isMillpondError, MillpondError } from '../../errors.ts'
import { type Ask, type Codes, type Database, isAway } from './database.ts'

/** The tables of a part of the program, and how they came to be: the step at `n` makes version `n + 1` out of version `n`. */
export interface Part {
  readonly name: 'index' | 'jobs'
  readonly steps: readonly ((schema: string) => string)[]
  /** Names of tables, with the columns that they have now. */
  readonly tables: Readonly<Record<string, readonly string[]>>
}

/**
 * Makes the schema and the tables of a part, once, however many open them at the same moment, and brings older ones up to date.
 * @throws MillpondError the code for `unavailable` where a newer program made them, that for `corrupt` where they are not ours.
 */
export async function prepareSchema(database: Database, schema: string, part: Part, codes: Codes): Promise<void> {
  // Most find it done, and need no right to make anything.
  if ((await versionOf(database.ask, schema, part)) === part.steps.length) {
    const looks = Object.entries(part.tables).map(
      ([table, columns]) => `SELECT 1 FROM (SELECT ${columns.join()} FROM ${schema}.${table} LIMIT 0) t`,
    )
    return void (await database.ask(looks.join(' UNION ALL ')))
  }
  await database.transaction(async (ask) => {
    await ask('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`millpond ${schema}`])
    const version = (await versionOf(ask, schema, part)) ?? 0
    if (version > part.steps.length) throw tooNew(database, schema, { part, version, codes })
    if (version === 0) await refuseForeign(ask, database, { schema, part, codes })
    await ask(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
    await ask(`CREATE TABLE IF NOT EXISTS ${schema}.parts (
      part text PRIMARY KEY, version integer NOT NULL, id uuid NOT NULL DEFAULT gen_random_uuid()
    )`)
    for (const step of part.steps.slice(version)) await ask(step(schema))
    await ask(
      `INSERT INTO ${schema}.parts (part, version) VALUES ($1, $2) ON CONFLICT (part) DO UPDATE SET version = excluded.version`,
      [part.name, part.steps.length],
    )
  })
}

/**
 * Prepares now, and again before each use until it has worked: gives what to wait for before that. A server that is not there now is no error yet.
 */
export async function whenPrepared(prepare: () => Promise<void>): Promise<() => Promise<void>> {
  let prepared: Promise<void> | undefined
  const ready = (): Promise<void> =>
    (prepared ??= prepare().catch((error: unknown) => {
      prepared = undefined
      throw error
    }))
  await ready().catch((error: unknown) => {
    if (!(isMillpondError(error) && isAway(error.cause))) throw error
  })
  return ready
}

/** Drops the tables of a part, so that they can be made anew. */
export async function dropPart(database: Database, schema: string, part: Part): Promise<void> {
  await database.transaction(async (ask) => {
    await ask('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`millpond ${schema}`])
    await ask(
      `DROP TABLE IF EXISTS ${Object.keys(part.tables)
        .map((table) => `${schema}.${table}`)
        .join(', ')}`,
    )
    await ask(`DELETE FROM ${schema}.parts WHERE part = $1`, [part.name])
  })
}

async function versionOf(ask: Ask, schema: string, part: Part): Promise<number | undefined> {
  // to_regclass would answer from what this connection knew before it waited for the lock.
  const found = await ask("SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'parts'", [schema])
  if (found.length === 0) return undefined
  const [row] = await ask(`SELECT version FROM ${schema}.parts WHERE part = $1`, [part.name])
  return row === undefined ? undefined : Number(row['version'])
}

interface Where {
  readonly schema: string
  readonly part: Part
  readonly codes: Codes
}

/** A schema that has tables of these names and no word of us is somebody else's. */
async function refuseForeign(ask: Ask, database: Database, { schema, part, codes }: Where): Promise<void> {
  const found = await ask('SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename = ANY($2)', [
    schema,
    Object.keys(part.tables),
  ])
  if (found.length === 0) return
  const table = String(found[0]?.['tablename'])
  throw new MillpondError(
    codes.corrupt,
    `the schema ${schema} of ${database.name} has a table ${table} of something else; name another in postgres.schema`,
    { details: { schema, table, foreign: true } },
  )
}

function tooNew(
  database: Database,
  schema: string,
  { part, version, codes }: { readonly part: Part; readonly version: number; readonly codes: Codes },
): MillpondError {
  const message = `the ${part.name} in the schema ${schema} of ${database.name} was made by a newer Millpond (form ${version}, this program knows ${part.steps.length}); update this program, or name another in postgres.schema`
  return new MillpondError(codes.unavailable, message, { details: { schema, version } })
}
