import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild, tailOf } from '../../test/servers/process.ts'
import { type ArchivePlace, type Bench, makeFolder } from './bench.ts'

const SAMPLE_EVERY_MS = 5_000

/** What an archiver did with a lane, as its log says. */
export interface LaneEvent {
  readonly kind: 'opened' | 'closed' | 'committed'
  readonly partition: number
  readonly atMs: number
  /** The next position that is not in the archive. */
  readonly nextPosition: number
}

/** `millpond archive` as a service, until it is stopped; disposing kills it. */
export interface Archiver extends AsyncDisposable {
  readonly folder: string
  readonly child: Child
  /** What it has done with lanes so far. */
  readonly events: () => LaneEvent[]
  /** Its resident memory, MB: now every few seconds, and at the most. */
  readonly memory: () => { readonly memoryMB: readonly number[]; readonly peakMemoryMB: number }
  /** Ends it gracefully. @throws Error with the end of its log where it does not end well. */
  readonly stop: () => Promise<void>
}

const KINDS: Readonly<Record<string, LaneEvent['kind']>> = {
  'archiving lane': 'opened',
  'lane closed': 'closed',
  committed: 'committed',
}

export async function startArchiver(bench: Bench, place: ArchivePlace): Promise<Archiver> {
  const settings = { ...place.settings, log: { level: 'debug' } }
  const folder = await makeFolder(bench, { ...place, settings })
  const logPath = join(folder, 'archiver.log')
  const [command = '', ...words] = bench.program
  const child = await startChild({ command, words: [...words, 'archive', '--dir', folder], cwd: folder, logPath })
  const samples: number[] = []
  let peakMemoryMB = 0
  const look = (): void => {
    if (!child.isRunning()) return
    samples.push(memoryMB(child.pid, 'VmRSS'))
    peakMemoryMB = memoryMB(child.pid, 'VmHWM')
  }
  const timer = setInterval(look, SAMPLE_EVERY_MS)
  void child.exited.then(() => clearInterval(timer))
  return {
    folder,
    child,
    events: () => eventsOf(logPath),
    memory() {
      look()
      return { memoryMB: samples, peakMemoryMB }
    },
    async stop() {
      look()
      const { code } = await child.end()
      if (code !== 0) throw new Error(`the archiver ended with ${code}; its log ends:\n${tailOf(logPath)}`)
    },
    [Symbol.asyncDispose]: async () => void (await child.end(0)),
  }
}

/** A figure of a process's memory as Linux counts it. */
function memoryMB(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const kB = new RegExp(`^${what}:\\s+(\\d+) kB$`, 'mu').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kB ?? 0) / 1000)
}

function eventsOf(logPath: string): LaneEvent[] {
  // The last line may not be whole yet.
  const lines = readFileSync(logPath, 'utf8').split('\n').slice(0, -1)
  return lines.flatMap((line) => {
    if (!line.startsWith('{')) return []
    const { msg, lane, time, position, nextPosition } = JSON.parse(line) as Record<string, string>
    const kind = KINDS[msg ?? '']
    if (kind === undefined || lane === undefined) return []
    const partition = Number(lane.slice(lane.lastIndexOf('/') + 1))
    return [{ kind, partition, atMs: Date.parse(time!), nextPosition: Number(nextPosition ?? position) }]
  })
}

/** The next position of each partition that has a commit, over all archivers that are given. */
export function committedOf(archivers: readonly Archiver[]): Map<number, number> {
  const commits = archivers.flatMap(({ events }) => events()).filter(({ kind }) => kind === 'committed')
  const next = new Map<number, number>()
  for (const { partition, nextPosition } of commits) next.set(partition, Math.max(next.get(partition) ?? 0, nextPosition))
  return next
}

/** The partitions that an archiver has, as its log says. */
export function heldBy(archiver: Archiver): number[] {
  const held = new Set<number>()
  for (const { kind, partition } of archiver.events()) {
    if (kind === 'opened') held.add(partition)
    if (kind === 'closed') held.delete(partition)
  }
  return [...held]
}
