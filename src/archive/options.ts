import type { MessageBatch } from '../batch/batch.ts'
import type { Gap, StoredCommit } from '../commit/commit.ts'
import type { EncodeOptions } from '../encode/avro-block.ts'
import type { FormatOptions } from '../encode/format-options.ts'
import type { Format } from '../encode/block.ts'
import type { SiblingFormat } from '../encode/siblings.ts'
import type { RotationCause, RotationRules } from '../encode/rotation.ts'
import type { MillpondError } from '../errors.ts'
import type { Sink } from '../sink/sink.ts'
import type { Layout } from '../layout/layout.ts'
import type { LaneId } from '../source/lane.ts'
import type { Source } from '../source/source.ts'
import type { Spill } from '../store/spill.ts'
import type { Store } from '../store/store.ts'
import type { Compatibility } from '../values/projection.ts'
import type { Values } from '../values/values.ts'

export interface ArchiveOptions extends EncodeOptions {
  readonly format: Format
  readonly formatOptions?: FormatOptions | undefined
  /** Where objects lie; without it: one segment a lane, under the names of the layout `millpond`. */
  readonly layout?: Layout
  /** Which schemas share an object, for formats by schema; without it none do. Values then have to say their versions. */
  readonly schemaCompatibility?: Compatibility
  /** How many objects one lane may keep open; of more, those that got nothing for longest close. */
  readonly maxOpenObjects?: number
  /** Objects beside each segment that hold the keys or headers of its messages, and their format. */
  readonly siblings?: { readonly keys?: SiblingFormat; readonly headers?: SiblingFormat }
  /** How long an object stays open after its path got the last message, by the time of messages, ms; without it until the commit. */
  readonly graceMs?: number
  /** Uncompressed bytes of one data block. */
  readonly blockBytes: number
  readonly rotate: RotationRules
  /** What the process holds of messages on their way, at the most, bytes. */
  readonly memoryBytes: number
  /** Names this run of this process, never used before: data objects end in it. */
  readonly writer: string
  /** Ends when every lane has reached the end that its source had when the lane was opened. */
  readonly untilCaughtUp: boolean
}

/** What happened, for logs, metrics and readiness; the archive loop itself logs nothing. */
export type ArchiveEvent =
  | { readonly kind: 'lane-opened'; readonly lane: LaneId; readonly position: number }
  | { readonly kind: 'lane-closed'; readonly lane: LaneId; readonly position: number }
  | { readonly kind: 'lane-retrying'; readonly lane: LaneId; readonly error: MillpondError; readonly waitMs: number }
  /** Taken away before its last messages could be committed; whoever has it now archives them. */
  | { readonly kind: 'lane-given-up'; readonly lane: LaneId; readonly error: MillpondError }
  | { readonly kind: 'lane-stopped'; readonly lane: LaneId; readonly error: unknown }
  | { readonly kind: 'committed'; readonly lane: LaneId; readonly commit: StoredCommit; readonly cause: RotationCause }
  | { readonly kind: 'race-lost'; readonly lane: LaneId; readonly position: number }
  | { readonly kind: 'expired'; readonly lane: LaneId; readonly gap: Gap }
  | { readonly kind: 'dead-lettered'; readonly lane: LaneId; readonly count: number }
  | { readonly kind: 'acknowledge-failed'; readonly lane: LaneId; readonly error: unknown }

export interface ArchiveParts {
  readonly source: Source
  /** What is known about values, where the layout or the format asks for it. */
  readonly values?: Values
  /** Where messages and compressed blocks wait that memory has no room for. */
  readonly openSpill?: () => Promise<Spill>
  /** Makes the schemas durable that messages name, before a commit names the messages. */
  readonly keepSchemas?: (topic: string, batch: MessageBatch, signal: AbortSignal) => Promise<void>
  readonly store: Store
  readonly deadLetters: Sink
  readonly nowMs: () => number
  /** Milliseconds since any moment, never going back: segments age by it, whatever is done to the wall clock. */
  readonly monotonicMs: () => number
  /** Uniform in [0, 1); spreads what retries. */
  readonly random: () => number
  readonly randomBytes: (count: number) => Uint8Array
  readonly onEvent?: (event: ArchiveEvent) => void
}
