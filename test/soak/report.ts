import type { GroupProtocol } from './field.ts'

/** What a process that was killed so often, and resumed, brought into another cluster. */
export interface CopyReport {
  readonly kills: number
  /** How often it gave up by itself, because the cluster was away. */
  readonly failures: number
  readonly archived: number
  readonly copied: number
  /** Message by message, in order, partition by partition. */
  readonly equal: boolean
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
  readonly replay: CopyReport
  readonly restore: CopyReport
  /** The first things that are wrong. */
  readonly problems: readonly string[]
}

/** Whether it is as promised. */
export function isFlawless({
  lost,
  doubled,
  changed,
  misplaced,
  foreign,
  verified,
  stuck,
  replay,
  restore,
}: SoakReport): boolean {
  return lost + doubled + changed + misplaced + foreign + stuck === 0 && verified && replay.equal && restore.equal
}
