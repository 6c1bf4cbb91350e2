import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as after } from 'node:timers/promises'
import { runChild } from './process.ts'

const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millpond', 'servers')
const LOCK_EVERY_MS = 200
/** Builds leave the processor to what else runs. */
const NICENESS = 10

/** The time limit of a hook that starts servers: the first start on a machine downloads and builds them. */
export const GET_LIMIT_MS = 30 * 60_000

/** A server's files as they are kept between runs. */
export interface Cached {
  readonly name: string
  readonly version: string
  /** The commands that getting it takes. */
  readonly tools: readonly string[]
  /** Fills a new folder with it. */
  readonly get: (
    folder: string,
    run: (command: string, words: readonly string[], env?: Readonly<Record<string, string>>) => Promise<void>,
  ) => Promise<void>
}

const tell = (text: string) => void process.stderr.write(`servers: ${text}\n`)
const folderOf = ({ name, version }: Cached): string => join(CACHE, `${name}-${version}`)
const isTool = (command: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, command)))

/** Which of the commands are not on this machine, as a reason; undefined where all are. */
export function toolsMissing(name: string, commands: readonly string[]): string | undefined {
  const missing = commands.filter((command) => !isTool(command))
  return missing.length === 0 ? undefined : `${name} takes ${missing.join(' and ')}, which this machine does not have`
}

/** Why the server's files can neither be found nor got. */
export function cachedMissing(cached: Cached): string | undefined {
  return existsSync(folderOf(cached)) ? undefined : toolsMissing(cached.name, cached.tools)
}

/**
 * The folder with a server's files, got on first use: whole or not at all, and once where several processes ask for it at a time.
 * @throws Error that names the tool that is missing, or holds the end of what the failing one said.
 */
export async function cachedFolder(cached: Cached): Promise<string> {
  const folder = folderOf(cached)
  if (existsSync(folder)) return folder
  const reason = toolsMissing(cached.name, cached.tools)
  if (reason !== undefined) throw new Error(reason)
  await mkdir(CACHE, { recursive: true })
  await withLock(`${folder}.lock`, `${cached.name} ${cached.version}`, async () => {
    if (!existsSync(folder)) await fill(cached, folder)
  })
  return folder
}

async function fill(cached: Cached, folder: string): Promise<void> {
  const unfinished = `${folder}.unfinished`
  const logPath = `${folder}.log`
  const start = performance.now()
  tell(`getting ${cached.name} ${cached.version}, which can take minutes the first time`)
  // Who left something here is dead: the lock is ours.
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished)
  await cached.get(unfinished, (command, words, env = {}) =>
    runChild({ command, words, env, cwd: unfinished, logPath }, NICENESS),
  )
  await rename(unfinished, folder)
  await rm(logPath, { force: true })
  tell(`${cached.name} ${cached.version} is there after ${Math.round((performance.now() - start) / 1000)} s`)
}

/** Holds a lock over all processes of the machine, which the system lets go when its holder dies: a write transaction of SQLite. */
async function withLock(path: string, what: string, act: () => Promise<void>): Promise<void> {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    for (let waited = false; !tryBegin(database); waited = true) {
      if (!waited) tell(`waiting for another process that is getting ${what}`)
      await after(LOCK_EVERY_MS)
    }
    await act()
  } finally {
    database.close()
  }
}

function tryBegin(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (error instanceof Error && error.message.includes('locked')) return false
    throw error
  }
}
