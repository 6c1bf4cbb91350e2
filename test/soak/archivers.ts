import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { type Child, startChild, tailOf } from '../servers/process.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const RESTART_AFTER_MS = 500

/** A process that archives, started again when it ends, as a service manager does. */
export interface Archiver {
  readonly name: string
  /** How often it ended though nobody killed it: it may, where it starts while what it needs is away. */
  readonly ends: () => number
  /** What it said, over all its starts. */
  readonly log: () => string
  /** As kill -9 does; it stays down until `start`. */
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
  readonly pause: () => void
  readonly resume: () => void
  /** Ends it gracefully, for good; gives its exit code. */
  readonly stop: () => Promise<number | null>
}

/** Starts `millpond archive` in a folder of its own, as on a machine of its own. */
export async function startArchiver(name: string, folder: string, config: object): Promise<Archiver> {
  const dir = join(folder, name)
  await mkdir(dir)
  // YAML takes JSON.
  await writeFile(join(dir, 'millpond.yaml'), JSON.stringify(config))
  const logPath = join(folder, `${name}.log`)
  let child: Child
  let isWanted = true
  let ends = 0

  const launch = async (): Promise<void> => {
    const started = await startChild({ command: process.execPath, words: [MAIN, 'archive', '--dir', dir], cwd: dir, logPath })
    child = started
    void started.exited.then(async () => {
      if (!isWanted || child !== started) return
      ends++
      await after(RESTART_AFTER_MS)
      if (isWanted && child === started) await launch()
    })
  }
  await launch()
  return {
    name,
    ends: () => ends,
    log: () => tailOf(logPath, Infinity),
    async kill() {
      isWanted = false
      await child.end(0)
    },
    async start() {
      isWanted = true
      await launch()
    },
    pause: () => child.pause(),
    resume: () => child.signal('SIGCONT'),
    async stop() {
      isWanted = false
      return (await child.end()).code
    },
  }
}
