import { checkConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/config.ts'
import type { AccountEntry, Migration, Outcome } from '../../src/migrate/draft.ts'
import { migrationYaml } from '../../src/migrate/write.ts'

/** The configuration that a migration gives, read by the loader with the variables set that it asks for. */
export async function loaded(migration: Migration): Promise<Config> {
  const env = Object.fromEntries(migration.variables.map(({ name }) => [name, 'value-of-it']))
  const surroundings = { env, readFile: () => Promise.reject(new Error('none')) }
  const { config } = await checkConfig(migrationYaml(migration), { file: undefined, folder: '/' }, surroundings)
  return config
}

/** What became of a property, and the part of the configuration that it set. */
export interface Row {
  readonly property: string
  readonly value: string
  readonly outcome: Outcome
  /** Set keys with their values. */
  readonly sets: string
}

/** What became of one property of a migration. */
export function rowOf(migration: Migration, property: string): Row & { readonly note: string } {
  const entries = migration.account.filter((entry) => entry.property === property)
  if (entries.length !== 1) throw new Error(`${property} is accounted for ${entries.length} times`)
  const [entry] = entries as [AccountEntry]
  const sets = entry.keys.map((key) => `${key}: ${flow(valueAt(migration, key))}`).join('; ')
  return { property, value: entry.value, outcome: entry.outcome, sets, note: entry.note }
}

const flow = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function valueAt({ config }: Migration, key: string): unknown {
  let value: unknown = config
  for (const step of key.split('.')) value = (value as Record<string, unknown> | undefined)?.[step]
  return value
}
