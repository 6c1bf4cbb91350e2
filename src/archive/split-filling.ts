import type { HeldShare } from '../batch/held-shares.ts'
import { openAccount, type PositionAccount } from '../commit/account.ts'
import type { Chain } from '../commit/chain.ts'
import { topicNameOf } from '../commit/commit-names.ts'
import { segmentFormat } from '../encode/formats.ts'
import { type RotationCause, scheduledFrom } from '../encode/rotation.ts'
import type { LaneLayout, Layout } from '../layout/layout.ts'
import type { Spill } from '../store/spill.ts'
import type { CommitClock } from './commit-clock.ts'
import { type LaneRun, nowOf } from './lane-run.ts'
import type { ObjectsOf } from './object-place.ts'
import type { OpenObject } from './open-object.ts'
import { type SiblingRules, siblingRules } from './open-sibling.ts'
import { createRouter, type Router } from './router.ts'
import { createSharing, type Sharing } from './sharing.ts'
import { createWaitingRows } from './waiting-rows.ts'

/** A lane whose messages go to several objects, between two commits. */
export interface Filling {
  readonly run: LaneRun
  readonly chain: Chain
  readonly names: LaneLayout
  readonly clock: CommitClock
  readonly router: Router
  /** What is written beside each object. */
  readonly siblings: readonly SiblingRules[]
  readonly account: PositionAccount
  readonly share: HeldShare
  readonly objects: ObjectsOf
  /** Those that take messages, by path and schema. */
  readonly open: Map<string, OpenObject>
  /** Undefined where each schema has objects of its own. */
  readonly sharing: Sharing | undefined
  /** Those that are full. */
  full: OpenObject[]
  /** The last of them of each path and schema. */
  readonly lastFull: Map<string, OpenObject>
  /** Objects that were opened for messages behind the grace: they wait for others until the commit. */
  readonly late: Set<OpenObject>
  /** Objects that were left under their names and still wait for messages that they hold. */
  readonly owing: Set<OpenObject>
  /** Objects that were ever opened. */
  opened: number
  heldBytes: number
  /** Of `heldBytes`, messages that no block holds yet. */
  pendingBytes: number
  /** Of `heldBytes`, what only a commit gives back. */
  lastingBytes: number
  count: number
  /** Timestamp of the first message that no commit covers; NaN where there is none. */
  firstTimestamp: number
  /** The largest timestamp that was read, but for those of a time that has not come: one of them would make all others late. */
  lastTimestamp: number
  firstReadMs: number
  /** When the schedule asks for a commit, ms. */
  scheduledMs: number
  /** Until the first commit, objects may be there that a crash left, or another writer of the lane. */
  mayBeLeft: boolean
  /** The lane's file for blocks that memory has no room for; made when the first one is. */
  spill: Promise<Spill> | undefined
  /** Why a commit is due; undefined while none is. */
  due: RotationCause | undefined
  isToClose: boolean
  isToFlush: boolean
  isToMove: boolean
}

/** Nothing was read yet. */
export function openFilling(run: LaneRun, layout: Layout, chain: Chain, clock: CommitClock): Filling {
  const { parts, options, lane } = run
  const siblings = siblingRules(options)
  const names = layout.openLane({ topic: topicNameOf(chain.folder, lane), lane: lane.lane, folder: chain.folder })
  const filling: Filling = {
    run,
    chain,
    names,
    clock,
    siblings,
    router: createRouter({
      layout,
      topic: lane.topic,
      lane: names,
      format: segmentFormat(options.format),
      formatOptions: options.formatOptions,
      values: parts.values,
      siblings,
    }),
    account: openAccount(chain.nextPosition),
    share: run.shares.open(),
    objects: {
      run,
      waiting: createWaitingRows((change) => holdPending(filling, change)),
      onHeld: (change) => hold(filling, change),
      onPending: (change) => holdPending(filling, change),
      onLasting(bytes) {
        filling.lastingBytes += bytes
        hold(filling, bytes)
      },
    },
    open: new Map(),
    sharing: createSharing(options.schemaCompatibility),
    full: [],
    lastFull: new Map(),
    late: new Set(),
    owing: new Set(),
    opened: 0,
    heldBytes: 0,
    pendingBytes: 0,
    lastingBytes: 0,
    count: 0,
    firstTimestamp: NaN,
    lastTimestamp: -Infinity,
    firstReadMs: 0,
    scheduledMs: Infinity,
    mayBeLeft: !layout.isUnique,
    spill: undefined,
    due: undefined,
    isToClose: false,
    isToFlush: false,
    isToMove: false,
  }
  return filling
}

/** Counts what is held more (or less) of memory, bytes. */
function hold(filling: Filling, change: number): void {
  filling.heldBytes += change
  filling.share.hold(Math.max(0, filling.heldBytes))
}

/** The same for messages that no block holds yet. */
function holdPending(filling: Filling, change: number): void {
  filling.pendingBytes += change
  hold(filling, change)
}

/** Whether no commit may end yet: an object that was left under its name still waits for messages that it holds, or a note says where it has to end. */
export const isOwing = ({ owing, clock }: Filling): boolean => owing.size > 0 || clock.endPosition < Infinity

/** Age and schedule count from now. */
export function beginTimes(filling: Filling): void {
  const now = nowOf(filling.run.parts)
  filling.firstReadMs = now.monotonicMs
  filling.scheduledMs = scheduledFrom(filling.run.options.rotate, now)
}
