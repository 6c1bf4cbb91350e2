import type { EncodedBlock } from '../encode/block.ts'
import type { ObjectPath } from '../layout/layout.ts'
import type { ValueKind } from '../values/values.ts'
import type { LaneRun } from './lane-run.ts'
import type { SiblingRules } from './open-sibling.ts'
import type { LeftObject } from './takeover.ts'
import type { WaitingRows } from './waiting-rows.ts'

/** What all objects of a lane share. */
export interface ObjectsOf {
  readonly run: LaneRun
  /** Messages of all of them that are too few yet to be encoded. */
  readonly waiting: WaitingRows
  /** Told what an object holds more (or less) of memory than before, bytes, but for what `onPending` is told. */
  readonly onHeld: (change: number) => void
  /** The same for what no block holds yet. */
  readonly onPending: (change: number) => void
  /** Told of bytes that it holds until its commit: filters. */
  readonly onLasting: (bytes: number) => void
}

/** What an object is, and where it goes. */
export interface ObjectPlace {
  readonly key: string
  /** The key of an object that begins with this block, where one that came before does not suit it. */
  readonly keyFrom: (block: EncodedBlock) => string
  readonly path: ObjectPath
  readonly kind: ValueKind | undefined
  /** What is written beside it. */
  readonly siblings: readonly { readonly key: string; readonly rules: SiblingRules }[]
  /** What lies under the key already: it is taken over instead of being written. */
  readonly left: LeftObject | undefined
  /** How many messages it has to hold, as what lies under its key or beside it tells; undefined where nothing does. */
  readonly count: number | undefined
  /** The object of the same path before it, which is being finished, where no commit names that yet: none of a path is seen before it. */
  readonly before: { readonly finished: Promise<unknown> | undefined } | undefined
}

/** What was left under a name, and where the messages are that are to be in it. */
export interface OwnOfLeft {
  readonly object: LeftObject
  readonly positions: number[]
  readonly timestamps: number[]
}
