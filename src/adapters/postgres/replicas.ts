import { type Ask, type Codes, type Database, openDatabase } from './database.ts'
import type { PostgresOptions } from './options.ts'

/** How long a replica that failed, or has not caught up, is not asked again. */
const PAUSE_MS = 5000

/** Where reading goes. */
export interface Readers extends AsyncDisposable {
  /** What this process wrote has to be there from now on, wherever it reads. */
  wrote(): void
  /** Gives what asks a replica that has all that this process wrote, and the primary where there is none, or it fails in between. */
  reader(): Promise<Ask>
}

interface Replica {
  readonly database: Database
  /** Whether it is known to be a copy of the primary. */
  isCopy: boolean
  /** How many writes of this process it is known to have. */
  writes: number
  pausedUntilMs: number
}

/** Reads from replicas of the primary where that is right. */
export async function openReaders(primary: Database, options: PostgresOptions, codes: Codes): Promise<Readers> {
  await using opened = new AsyncDisposableStack()
  const { schema } = options
  const replicas: Replica[] = []
  for (const endpoint of options.replicas ?? []) {
    const database = opened.use(await openDatabase(endpoint, options, codes))
    replicas.push({ database, isCopy: false, writes: 0, pausedUntilMs: -Infinity })
  }
  let writes = 0
  /** The place in the log of the primary behind the first so many writes. */
  let mark: { readonly writes: number; readonly lsn: unknown } | undefined
  const idOf = async (ask: Ask) => (await ask(`SELECT id FROM ${schema}.parts WHERE part = 'index'`))[0]?.['id']

  const isCaughtUp = async (replica: Replica): Promise<boolean> => {
    const { ask } = replica.database
    if (!replica.isCopy) {
      const [id, own] = await Promise.all([idOf(ask), idOf(primary.ask)])
      if (id === undefined || id !== own) return false
      replica.isCopy = true
    }
    if (replica.writes === writes) return true
    if (mark?.writes !== writes) {
      const at = writes
      const [row] = await primary.ask('SELECT pg_current_wal_insert_lsn() AS lsn')
      mark = { writes: at, lsn: row?.['lsn'] }
    }
    const known = mark
    const [row] = await ask('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there', [known.lsn])
    if (row?.['there'] === true) replica.writes = known.writes
    return replica.writes === writes
  }
  const usable = async (replica: Replica): Promise<boolean> => {
    if (performance.now() < replica.pausedUntilMs) return false
    // A copy that cannot be asked is no reason to fail: the primary answers.
    const isUsable = await isCaughtUp(replica).catch(() => false)
    if (!isUsable) replica.pausedUntilMs = performance.now() + PAUSE_MS
    return isUsable
  }
  const kept = opened.move()
  return {
    wrote: () => void writes++,
    async reader() {
      for (const replica of replicas) {
        if (!(await usable(replica))) continue
        return async (statement, values) => {
          if (performance.now() < replica.pausedUntilMs) return primary.ask(statement, values)
          try {
            return await replica.database.ask(statement, values)
          } catch {
            replica.pausedUntilMs = performance.now() + PAUSE_MS
            return primary.ask(statement, values)
          }
        }
      }
      return primary.ask
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
