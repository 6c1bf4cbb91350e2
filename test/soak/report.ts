import type { GroupProtocol } from './field.ts'

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
  /** What a replay into another cluster, killed so often and resumed, brought there. */
  readonly replay: {
    readonly kills: number
    readonly failures: number
    readonly archived: number
    readonly copied: number
    readonly equal: boolean
  }
  /** The first things that are wrong. */
  readonly problems: readonly string[]
}

/** Whether it is as promised. */
export function isFlawless({ lost, doubled, changed, misplaced, foreign, verified, stuck, replay }: SoakReport): boolean {
  return lost + doubled + changed + misplaced + foreign + stuck === 0 && verified && replay.equal
}
