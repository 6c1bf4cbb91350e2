import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { createRandom } from '../live/random.ts'
import { runProgram } from '../live/program.ts'
import { tmpfsMissing, withTmpfs } from '../live/tmpfs.ts'
import { type ArchiveView, type LaneState, openArchiveView } from './archive-view.ts'
import { type Archiver, startArchiver } from './archivers.ts'
import { createChecker } from './check.ts'
import { createFaults, type Fault, type FaultKind } from './faults.ts'
import { type Field, type GroupProtocol, openField, SESSION_TIMEOUT_MS, TOPIC } from './field.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { type Producers, startProducers } from './producer.ts'
import { replayUnderFire } from './replay.ts'
import { createRounds } from './rounds.ts'

const PARTITIONS = 8
const ARCHIVERS = 3
/** Faults of different kinds meet. */
const AT_ONCE = 2
const MiB = 1024 * 1024
const STORE_BYTES = 256 * MiB
const STORE_BYTES_A_MINUTE = 64 * MiB
const CATCH_UP_LIMIT_MS = 180_000
const RECOVERY_LIMIT_MS = 60_000
const TELL_EVERY_MS = 5_000
const LOOK_EVERY_MS = 250
const REPLAY_KILLS = 5
const RACE_LOST = 'another writer committed first'

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

/** What came of it. */
export interface SoakReport {
  readonly seed: number
  readonly groupProtocol: GroupProtocol
  readonly acknowledged: number
  /** Sent, and never answered or by an error. */
  readonly unacknowledged: number
  readonly archived: number
  readonly lost: number
  readonly doubled: number
  readonly changed: number
  readonly misplaced: number
  readonly foreign: number
  readonly faults: Readonly<Record<string, number>>
  /** Whether the archive is sound by itself, and every offset of the topic accounted for. */
  readonly verified: boolean
  /** From the kill of an archiver until others had archived beyond where each lane was then; the slowest lane. */
  readonly recoveryMs: number
  /** From the end of the faults until nothing was left to archive, by the archivers alone. */
  readonly catchUpMs: number
  /** Lanes and loops that gave up for good, and archivers that could not be ended gracefully. */
  readonly stuck: number
  /** Commits for which another archiver was first. */
  readonly racesLost: number
  /** Archivers that ended by themselves, and were started again. */
  readonly restarts: number
  /** What a replay into another cluster, killed so often, brought there. */
  readonly replay: { readonly kills: number; readonly archived: number; readonly copied: number; readonly equal: boolean }
  /** The first things that are wrong. */
  readonly problems: readonly string[]
}

/** Whether it is as promised. */
export function isFlawless({ lost, doubled, changed, misplaced, foreign, verified, stuck, replay }: SoakReport): boolean {
  return lost + doubled + changed + misplaced + foreign + stuck === 0 && verified && replay.equal
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
  const { seed, groupProtocol, messagesPerSecond, tell } = options
  tell(`seed ${seed}, group protocol ${groupProtocol}`)
  const random = createRandom(seed)
  await using field = await openField({ seed, partitions: PARTITIONS, groupProtocol, storePath })
  await using opened = new AsyncDisposableStack()
  const view = opened.use(await openArchiveView(field))
  const archivers: Archiver[] = []
  opened.defer(async () => void (await Promise.all(archivers.map((archiver) => archiver.kill()))))
  for (let at = 1; at <= ARCHIVERS; at++) {
    // Two write Avro, one the broker's own batches: lanes that move change their format.
    const format = at === ARCHIVERS ? 'kafka' : 'avro'
    archivers.push(await startArchiver(`archiver-${at}`, field.folder, field.config('through faults', format)))
  }
  opened.defer(() => keepLogs(options.logsPath, field, archivers))
  const ledger = createLedger(PARTITIONS)
  const startMs = Date.now()
  const producers = startProducers({
    ways: [[field.kafka.bootstrap], [field.kafka.proxied()]],
    topic: TOPIC,
    ledger,
    messagesPerSecond,
    startMs,
  })
  opened.defer(() => producers.stop())

  const recoveryMs = await measureRecovery(view, archivers[Math.floor(random() * ARCHIVERS)]!)
  tell(
    `one archiver was killed: others were at work on all its lanes after ${seconds(recoveryMs)} (session timeout ${seconds(SESSION_TIMEOUT_MS)})`,
  )
  const faults = await underFire(options, { field, archivers, random, ledger, view, storePath })
  const { catchUpMs, stuck } = await comeToRest({ field, archivers, producers, view, tell })

  await archiveOnce(view)
  const check = createChecker(ledger, { startMs, atOffsets: true })
  await view.readInto(check)
  const archived = check.report()
  tell(`archived ${archived.found} of ${ledger.acknowledged} acknowledged and ${ledger.unacknowledged} others`)
  const problems = await view.problems()
  tell(problems.length === 0 ? 'verified' : `not verified: ${problems.slice(0, 3).join('; ')}`)
  const copyCheck = createChecker(ledger, { startMs, atOffsets: false })
  const { kills } = await replayUnderFire(field, {
    killCount: REPLAY_KILLS,
    messages: archived.found,
    random,
    checker: copyCheck,
  })
  const copied = copyCheck.report()
  const equal = copied.digests.every((digest, partition) => digest === archived.digests[partition])
  tell(`replayed ${copied.found} into another cluster, killed ${kills} times: ${equal ? 'equal' : 'not equal'}`)
  const { found, lost, doubled, changed, misplaced, foreign } = archived
  return {
    seed,
    groupProtocol,
    acknowledged: ledger.acknowledged,
    unacknowledged: ledger.unacknowledged,
    archived: found,
    lost,
    doubled,
    changed,
    misplaced,
    foreign,
    faults,
    verified: problems.length === 0,
    recoveryMs,
    catchUpMs,
    stuck: stuck.length,
    racesLost: archivers.reduce((sum, archiver) => sum + archiver.log().split(RACE_LOST).length - 1, 0),
    restarts: archivers.reduce((sum, archiver) => sum + archiver.ends(), 0),
    replay: { kills, archived: found, copied: copied.found, equal },
    problems: [...stuck, ...problems, ...archived.examples, ...copied.examples].slice(0, 40),
  }
}

async function keepLogs(path: string | undefined, { kafka }: Field, archivers: readonly Archiver[]): Promise<void> {
  if (path === undefined) return
  await mkdir(path, { recursive: true })
  for (const { name, log } of [...archivers, ...kafka.nodes]) await writeFile(join(path, `${name}.log`), log())
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(1)} s`

/** Kills an archiver at steady load, and starts it again when the others have taken over. */
async function measureRecovery(view: ArchiveView, archiver: Archiver): Promise<number> {
  await reach(view, (lanes) => lanes.every(({ archived }) => archived > 0), CATCH_UP_LIMIT_MS, 'all lanes to be archived')
  const ends = (await view.lanes()).map(({ end }) => end)
  const startedMs = performance.now()
  await archiver.kill()
  await reach(view, (lanes) => lanes.every(({ archived }, at) => archived > ends[at]!), RECOVERY_LIMIT_MS, 'others to take over')
  const recoveryMs = Math.round(performance.now() - startedMs)
  await archiver.start()
  return recoveryMs
}

/** Looks at the archive until it is as wanted. @throws Error where that takes longer than the limit. */
async function reach(
  view: ArchiveView,
  isReached: (lanes: LaneState[]) => boolean,
  limitMs: number,
  what: string,
): Promise<void> {
  const deadline = performance.now() + limitMs
  for (;;) {
    const lanes = await view.lanes()
    if (isReached(lanes)) return
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}: ${JSON.stringify(lanes)}`)
    await after(LOOK_EVERY_MS)
  }
}

interface Battle {
  readonly field: Field
  readonly archivers: readonly Archiver[]
  readonly random: () => number
  readonly ledger: Ledger
  readonly view: ArchiveView
  readonly storePath: string | undefined
}

/** Lets things go wrong until the time is over and each has happened; says how often each did. */
async function underFire({ minutes, tell }: SoakOptions, battle: Battle): Promise<Record<FaultKind, number>> {
  const { random, ledger } = battle
  const faults = createFaults(battle)
  const rounds = createRounds(faults, random)
  const counts = Object.fromEntries(faults.map(({ kind }) => [kind, 0])) as Record<FaultKind, number>
  const busy = new Set<string>()
  const startedMs = performance.now()
  const isOver = () => performance.now() - startedMs > minutes * 60_000 && faults.every(({ kind }) => counts[kind] > 0)
  const at = () => seconds(performance.now() - startedMs)
  const suffer = async () => {
    while (!isOver()) {
      const fault: Fault | undefined = rounds.take(({ needs }) => !busy.has(needs))
      if (fault !== undefined) {
        busy.add(fault.needs)
        tell(`${at()} ${fault.kind}`)
        await fault.happen()
        counts[fault.kind]++
        busy.delete(fault.needs)
      }
      await after(random() * 1_500)
    }
  }
  const timer = setInterval(
    () => tell(`${at()} ${ledger.acknowledged} acknowledged, ${ledger.unacknowledged} others`),
    TELL_EVERY_MS,
  )
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, suffer))
  } finally {
    clearInterval(timer)
  }
  return counts
}

/** Ends what is sent, and lets the archivers come to its end by themselves; then they are stopped. */
async function comeToRest({
  field,
  archivers,
  producers,
  view,
  tell,
}: {
  readonly field: Field
  readonly archivers: readonly Archiver[]
  readonly producers: Producers
  readonly view: ArchiveView
  readonly tell: (line: string) => void
}): Promise<{ readonly catchUpMs: number; readonly stuck: readonly string[] }> {
  await field.calm()
  await producers.stop()
  const startedMs = performance.now()
  const stuck: string[] = []
  await reach(
    view,
    (lanes) => lanes.every(({ end, archived }) => archived >= end),
    CATCH_UP_LIMIT_MS,
    'the archivers to catch up',
  ).catch((error: unknown) => {
    if (error instanceof Error) stuck.push(error.message)
  })
  const catchUpMs = Math.round(performance.now() - startedMs)
  tell(`the archivers caught up in ${seconds(catchUpMs)}`)
  for (const archiver of archivers) {
    const exitCode = await archiver.stop()
    if (exitCode !== 0) stuck.push(`${archiver.name} ended with ${exitCode} when it was stopped`)
    const gaveUp = archiver
      .log()
      .split('\n')
      .filter((line) => /(?:stopped|failed) for good/u.test(line))
    stuck.push(...gaveUp.map((line) => `${archiver.name}: ${line}`))
  }
  return { catchUpMs, stuck }
}

/** What is left, if anything is; it must end by itself. */
async function archiveOnce({ dir }: ArchiveView): Promise<void> {
  const { exitCode, stderr } = await runProgram(['archive', '--once', '--json', '--dir', dir])
  if (exitCode !== 0) throw new Error(`archive --once ended with ${exitCode}: ${stderr}`)
}
