import { setTimeout as after } from 'node:timers/promises'
import type { ArchiveView, LaneState } from './archive-view.ts'
import type { Archiver } from './archivers.ts'
import { createFaults, type Fault, type FaultKind } from './faults.ts'
import type { Field } from './field.ts'
import type { Ledger } from './ledger.ts'
import type { Producers } from './producer.ts'
import { createRounds } from './rounds.ts'

/** Faults of different kinds meet. */
const AT_ONCE = 2
const CATCH_UP_LIMIT_MS = 180_000
const RECOVERY_LIMIT_MS = 60_000
const TELL_EVERY_MS = 5_000
const LOOK_EVERY_MS = 250

/** A time for people. */
export const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(1)} s`

/** Kills an archiver at steady load, and starts it again when the others have taken over. */
export async function measureRecovery(view: ArchiveView, archiver: Archiver): Promise<number> {
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
  readonly minutes: number
  readonly tell: (line: string) => void
  readonly field: Field
  readonly archivers: readonly Archiver[]
  readonly random: () => number
  readonly ledger: Ledger
  /** The small file system of the store's data, where there is one. */
  readonly storePath: string | undefined
}

/** Lets things go wrong until the time is over and each has happened; says how often each did. */
export async function underFire(battle: Battle): Promise<Record<FaultKind, number>> {
  const { minutes, tell, random, ledger } = battle
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

interface Ending {
  readonly tell: (line: string) => void
  readonly field: Field
  readonly archivers: readonly Archiver[]
  readonly producers: Producers
  readonly view: ArchiveView
}

export interface Rest {
  /** From the end of the faults until nothing was left to archive. */
  readonly catchUpMs: number
  /** What gave up for good, or did not end well. */
  readonly stuck: readonly string[]
}

/** Ends what is sent, and lets the archivers come to its end by themselves; then they are stopped. */
export async function comeToRest({ tell, field, archivers, producers, view }: Ending): Promise<Rest> {
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
