import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from '../live/program.ts'
import { createRandom } from '../live/random.ts'
import { tmpfsMissing, withTmpfs } from '../live/tmpfs.ts'
import { type ArchiveView, openArchiveView } from './archive-view.ts'
import { type Archiver, startArchiver } from './archivers.ts'
import { type CheckReport, createChecker } from './check.ts'
import { type Field, type GroupProtocol, openField, SESSION_TIMEOUT_MS, TOPIC } from './field.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { comeToRest, measureRecovery, seconds, underFire } from './phases.ts'
import { startProducers } from './producer.ts'
import { replayUnderFire } from './replay.ts'
import type { SoakReport } from './report.ts'

const PARTITIONS = 8
const ARCHIVERS = 3
const MiB = 1024 * 1024
const STORE_BYTES = 256 * MiB
const STORE_BYTES_A_MINUTE = 64 * MiB
const REPLAY_KILLS = 5
const RACE_LOST = 'another writer committed first'
const MAX_PROBLEMS = 40

export interface SoakOptions {
  readonly minutes: number
  /** Decides what goes wrong when; not how the machine takes it. */
  readonly seed: number
  readonly messagesPerSecond: number
  readonly groupProtocol: GroupProtocol
  /** Where the logs of the archivers and the broker are left; nowhere unless given. */
  readonly logsPath?: string | undefined
  /** Progress, a line at a time. */
  readonly tell: (line: string) => void
}

/** Runs all of it, and cleans up behind it. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { minutes, tell } = options
  if (tmpfsMissing !== undefined) {
    tell(`the store's disk is not filled: ${tmpfsMissing}`)
    return soak(options, undefined)
  }
  return withTmpfs(STORE_BYTES + Math.ceil(minutes) * STORE_BYTES_A_MINUTE, ({ path }) => soak(options, path))
}

async function soak(options: SoakOptions, storePath: string | undefined): Promise<SoakReport> {
  const { minutes, seed, groupProtocol, messagesPerSecond, tell } = options
  tell(`seed ${seed}, group protocol ${groupProtocol}`)
  const random = createRandom(seed)
  await using field = await openField({ seed, partitions: PARTITIONS, groupProtocol, storePath })
  await using opened = new AsyncDisposableStack()
  const view = opened.use(await openArchiveView(field))
  const archivers: Archiver[] = []
  opened.defer(async () => {
    await Promise.all(archivers.map((archiver) => archiver.kill()))
    await keepLogs(options.logsPath, field, archivers)
  })
  for (let at = 1; at <= ARCHIVERS; at++) {
    // Two write Avro, one the broker's own batches: lanes that move change their format.
    const format = at === ARCHIVERS ? 'kafka' : 'avro'
    archivers.push(await startArchiver(`archiver-${at}`, field.folder, field.config('through faults', format)))
  }
  const ledger = createLedger(PARTITIONS)
  const startMs = Date.now()
  const ways = [[field.kafka.bootstrap], [field.kafka.proxied()]]
  const producers = startProducers({ ways, topic: TOPIC, ledger, messagesPerSecond, startMs })
  opened.defer(() => producers.stop())

  const recoveryMs = await measureRecovery(view, archivers[Math.floor(random() * ARCHIVERS)]!)
  const timeout = seconds(SESSION_TIMEOUT_MS)
  tell(`one archiver was killed: others were at work on its lanes after ${seconds(recoveryMs)} (session timeout ${timeout})`)
  const faults = await underFire({ minutes, tell, field, archivers, random, ledger, storePath })
  const { catchUpMs, stuck } = await comeToRest({ tell, field, archivers, producers, view })
  const proof = await prove({ field, view, ledger, startMs, random, tell })
  return {
    seed,
    groupProtocol,
    acknowledged: ledger.acknowledged,
    unacknowledged: ledger.unacknowledged,
    ...proof,
    faults,
    recoveryMs,
    catchUpMs,
    stuck: stuck.length,
    racesLost: archivers.reduce((sum, archiver) => sum + archiver.log().split(RACE_LOST).length - 1, 0),
    restarts: archivers.reduce((sum, archiver) => sum + archiver.ends(), 0),
    problems: [...stuck, ...proof.problems].slice(0, MAX_PROBLEMS),
  }
}

interface Proving {
  readonly field: Field
  readonly view: ArchiveView
  readonly ledger: Ledger
  readonly startMs: number
  readonly random: () => number
  readonly tell: (line: string) => void
}

/** Compares the archive with what was sent, verifies it, and replays it into another cluster. */
async function prove({ field, view, ledger, startMs, random, tell }: Proving) {
  await archiveOnce(view)
  const archiveCheck = createChecker(ledger, { startMs, atOffsets: true })
  await view.readInto(archiveCheck)
  const archived = archiveCheck.report()
  tell(`archived ${archived.found} of ${ledger.acknowledged} acknowledged and ${ledger.unacknowledged} others`)
  const faults = await view.problems()
  tell(faults.length === 0 ? 'verified' : `not verified: ${faults.slice(0, 3).join('; ')}`)
  const copies = []
  for (const way of ['replay', 'restore'] as const) {
    const checker = createChecker(ledger, { startMs, atOffsets: false })
    const counts = await replayUnderFire(field, { way, killCount: REPLAY_KILLS, messages: archived.found, random, checker })
    const copied = checker.report()
    const copy = { ...counts, archived: archived.found, copied: copied.found, equal: isSame(copied, archived) }
    const what = `${way}: ${copy.copied} into another cluster, killed ${copy.kills} and failed ${copy.failures} times`
    tell(`${what}: ${copy.equal ? 'equal' : 'not equal'}`)
    copies.push({ copy, examples: copied.examples })
  }
  const { found, lost, doubled, changed, misplaced, foreign } = archived
  return {
    archived: found,
    lost,
    doubled,
    changed,
    misplaced,
    foreign,
    verified: faults.length === 0,
    replay: copies[0]!.copy,
    restore: copies[1]!.copy,
    problems: [...archived.examples, ...faults, ...copies.flatMap(({ examples }) => examples)],
  }
}

const isSame = ({ digests }: CheckReport, other: CheckReport): boolean =>
  digests.every((digest, partition) => digest === other.digests[partition])

async function keepLogs(path: string | undefined, { kafka }: Field, archivers: readonly Archiver[]): Promise<void> {
  if (path === undefined) return
  await mkdir(path, { recursive: true })
  for (const { name, log } of [...archivers, ...kafka.nodes]) await writeFile(join(path, `${name}.log`), log())
}

/** What is left, if anything is; it must end by itself. */
async function archiveOnce({ dir }: ArchiveView): Promise<void> {
  const { exitCode, stderr } = await runProgram(['archive', '--once', '--json', '--dir', dir])
  if (exitCode !== 0) throw new Error(`archive --once ended with ${exitCode}: ${stderr}`)
}
