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

/** What this process wrote, and the place in the log of the primary that is behind it. */
interface Written {
  writes: number
  mark: { readonly writes: number; readonly lsn: unknown } | undefined
}

/** Reads from replicas of the primary where that is right. */
export async function openReaders(primary: Database, options: PostgresOptions, codes: Codes): Promise<Readers> {
  await using opened = new AsyncDisposableStack()
  const replicas: Replica[] = []
  for (const endpoint of options.replicas ?? []) {
    const database = opened.use(await openDatabase(endpoint, options, codes))
    replicas.push({ database, isCopy: false, writes: 0, pausedUntilMs: -Infinity })
  }
  const written: Written = { writes: 0, mark: undefined }
  const isUsable = async (replica: Replica): Promise<boolean> => {
    if (isPaused(replica)) return false
    // A replica that cannot be asked is no reason to fail: the primary answers.
    const isRight = await (async () =>
      (await isCopy(replica, primary, options.schema)) && (await isCaughtUp(replica, primary, written)))().catch(() => false)
    if (!isRight) pause(replica)
    return isRight
  }
  const kept = opened.move()
  return {
    wrote: () => void written.writes++,
    async reader() {
      for (const replica of replicas) if (await isUsable(replica)) return askEither(replica, primary)
      return primary.ask
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

const isPaused = ({ pausedUntilMs }: Replica): boolean => performance.now() < pausedUntilMs

function pause(replica: Replica): void {
  replica.pausedUntilMs = performance.now() + PAUSE_MS
}

/** Asks the replica as long as it answers, then the primary, which has all that it had. */
const askEither =
  (replica: Replica, primary: Database): Ask =>
  async (statement, values) => {
    if (isPaused(replica)) return primary.ask(statement, values)
    try {
      return await replica.database.ask(statement, values)
    } catch {
      pause(replica)
      return primary.ask(statement, values)
    }
  }

/** Whether it is a copy of the primary: the tables of both were made by the same hand. */
async function isCopy(replica: Replica, primary: Database, schema: string): Promise<boolean> {
  if (replica.isCopy) return true
  const idOf = async (ask: Ask) => (await ask(`SELECT id FROM ${schema}.parts WHERE part = 'index'`))[0]?.['id']
  const [id, own] = await Promise.all([idOf(replica.database.ask), idOf(primary.ask)])
  replica.isCopy = id !== undefined && id === own
  return replica.isCopy
}

/** Whether it has all that this process wrote. */
async function isCaughtUp(replica: Replica, primary: Database, written: Written): Promise<boolean> {
  if (replica.writes === written.writes) return true
  if (written.mark?.writes !== written.writes) {
    const { writes } = written
    const [row] = await primary.ask('SELECT pg_current_wal_insert_lsn() AS lsn')
    written.mark = { writes, lsn: row?.['lsn'] }
  }
  const { writes, lsn } = written.mark
  const [row] = await replica.database.ask('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there', [lsn])
  if (row?.['there'] === true) replica.writes = writes
  return replica.writes === written.writes
}
