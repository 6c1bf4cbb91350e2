import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { JobStore } from '../../src/replay/jobs.ts'
import { postLines } from '../live/messages.ts'
import { type Ended, runProgram, serve } from '../live/program.ts'
import { until } from '../live/until.ts'

/** What one sequence of messages, all with its key, was told: the first `acknowledged` are durable; `sent` were on their way. */
export interface Sequence {
  acknowledged: number
  sent: number
}

/** What the rounds of the loop share. */
export interface Load {
  readonly dir: string
  readonly random: () => number
  readonly sequences: Map<string, Sequence>
  /** What must not happen, in words. */
  readonly faults: string[]
  readonly kills: Map<string, number>
  readonly jobs: JobStore
  /** Ids of the replays that were started; each one's target is `copy-` and its place in this list. */
  readonly replays: string[]
}

export const LOAD_TOPIC = 'load'
const MAX_BATCH_COUNT = 40
const FILE_COUNT = 20_000

/** A whole number between the two, both possible. */
export const between = ({ random }: Load, low: number, high: number): number => low + Math.floor(random() * (high - low + 1))

const messageOf = (key: string, n: number) => ({
  key,
  id: `${key}-${n}`,
  value: { n },
  headers: [{ name: 'n', value: String(n) }],
})

function countKill({ kills, faults }: Load, kind: string, { exitCode, stderr }: Ended): void {
  kills.set(kind, (kills.get(kind) ?? 0) + 1)
  if (exitCode !== null) faults.push(`${kind} ended with ${exitCode} before it was killed: ${stderr}`)
  const told = stderr.split('\n').filter((line) => line.includes('"level":"error"') || line.startsWith('error:'))
  faults.push(...told.map((line) => `${kind} says: ${line}`))
}

/** Starts `serve`, posts to it from some loops, and kills it: most times when it has begun to take messages, at times before. */
export async function killServe(load: Load, round: string): Promise<void> {
  const served = await serve(load.dir)
  const killed = new AbortController()
  const keys = Array.from({ length: between(load, 2, 4) }, (_, i) => `${round}-${i}`)
  const loops = keys.map((key) => postUntilKilled(load, served, key, killed.signal))
  const isTaking = () => keys.some((key) => load.sequences.get(key)!.acknowledged > 0) || load.faults.length > 0
  if (load.random() < 0.8) await until(isTaking, 'the first messages to be taken')
  await wait(between(load, 30, 500))
  killed.abort()
  const ended = await served.kill()
  await Promise.all(loops)
  countKill(load, 'serve', ended)
}

async function postUntilKilled(load: Load, served: { readonly url: string }, key: string, killed: AbortSignal): Promise<void> {
  const sequence: Sequence = { acknowledged: 0, sent: 0 }
  load.sequences.set(key, sequence)
  while (!killed.aborted) {
    const count = between(load, 1, MAX_BATCH_COUNT)
    const batch = Array.from({ length: count }, (_, i) => messageOf(key, sequence.acknowledged + i))
    sequence.sent = sequence.acknowledged + count
    let status: number
    let text: string
    try {
      const response = await postLines(served, LOAD_TOPIC, batch)
      status = response.status
      text = await response.text()
    } catch {
      if (!killed.aborted) load.faults.push(`a request of ${key} failed while serve was alive`)
      return
    }
    if (status !== 200) return void load.faults.push(`a request of ${key} was answered ${status}: ${text}`)
    sequence.acknowledged = sequence.sent
  }
}

/** Starts the words as a process and kills it after some time, unless it was quicker. */
async function killSoon(load: Load, kind: string, words: readonly string[], afterMs: number): Promise<Ended> {
  const killing = new AbortController()
  const running = runProgram([...words, '--dir', load.dir], { kill: killing.signal })
  const timer = setTimeout(() => killing.abort(), afterMs)
  const ended = await running.finally(() => clearTimeout(timer))
  if (ended.exitCode !== 0) countKill(load, kind, ended)
  return ended
}

/** Starts `archive` and kills it. */
export async function killArchive(load: Load): Promise<void> {
  await killSoon(load, 'archive', ['archive'], between(load, 300, 1500))
}

/** Starts `ingest` of a file and kills it; in one round of many it is quicker, and all of the file is acknowledged. */
export async function killIngest(load: Load, round: string): Promise<void> {
  const key = `${round}-file`
  const file = join(load.dir, `${round}.jsonl`)
  const lines = Array.from({ length: FILE_COUNT }, (_, n) => JSON.stringify(messageOf(key, n)))
  await writeFile(file, lines.join('\n'))
  const { exitCode } = await killSoon(load, 'ingest', ['ingest', LOAD_TOPIC, file], between(load, 250, 900))
  load.sequences.set(key, { acknowledged: exitCode === 0 ? FILE_COUNT : 0, sent: FILE_COUNT })
}

/**
 * Runs a replay from a position on, or goes on with the one that was killed, and kills it while it delivers. Gives the job that is to be
 * gone on with, or undefined when it is done.
 */
export async function killReplay(load: Load, fromPosition: number, resumed: string | undefined): Promise<string | undefined> {
  const { jobs, replays, dir } = load
  const selection = ['--topic', LOAD_TOPIC, '--position', `${fromPosition}..`, '--rate', '2000']
  const words = resumed === undefined ? [...selection, '--to', `topic:copy-${replays.length}`] : ['--resume', resumed]
  const known = new Map((await jobs.list(Date.now())).map(({ id, leaseUntilMs }) => [id, leaseUntilMs]))
  const killing = new AbortController()
  const running = runProgram(['replay', ...words, '--dir', dir], { kill: killing.signal })
  const over = new AbortController()
  const noted = running.finally(() => over.abort())
  // A killed process leaves its lease behind, for which the next one waits: the time counts from when this one has the job.
  const claimed = async () =>
    (await jobs.list(Date.now())).find(({ id, leaseUntilMs }) =>
      resumed === undefined ? !known.has(id) && leaseUntilMs !== null : id === resumed && leaseUntilMs !== known.get(id),
    )
  let job = await claimed()
  while (!over.signal.aborted && job === undefined) {
    await wait(10)
    job = await claimed()
  }
  const timer = setTimeout(() => killing.abort(), between(load, 0, 500))
  const ended = await noted.finally(() => clearTimeout(timer))
  const id = resumed ?? (job ?? (await claimed()))?.id
  if (id !== undefined && resumed === undefined) replays.push(id)
  if (ended.exitCode === 0) return undefined
  countKill(load, 'replay', ended)
  return id !== undefined && (await jobs.get(id, Date.now()))?.state !== 'done' ? id : undefined
}
