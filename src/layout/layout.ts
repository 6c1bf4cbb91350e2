import type { MessageBatch } from '../batch/batch.ts'
import type { FieldColumn, ValueKind } from '../values/values.ts'
import type { LateTimes } from './late-times.ts'

/** Where objects of some messages lie. */
export interface ObjectPath {
  /** Equal for messages that may share an object, and for no others. */
  readonly id: string
  /** What the path says, by name: the index finds segments by it (`year` = `2018`). */
  readonly values: Readonly<Record<string, string>>
}

/** What may be asked of a batch beside its columns. */
export interface BatchContext {
  /** The wall clock, ms. */
  readonly nowMs: number
  /** A field of the values; undefined where the layout named none. */
  readonly field?: (name: string) => FieldColumn
  /** The schema of a row's value. */
  readonly kind?: (row: number) => ValueKind | undefined
  /** The time that a message counts to, where those that come late count to another one. */
  readonly late?: LateTimes
}

/** A message that the layout has no path for, and why. */
export interface PathlessMessage {
  readonly row: number
  readonly reason: string
}

/** The path of each message of a batch. */
export interface Assignment {
  readonly paths: readonly ObjectPath[]
  /** For each row the index of its path; -1 where it has none, which `pathless` tells the reason of, or where it is to be left out. */
  readonly pathOf: Int32Array
  /** Rising by row; these are dead letters. */
  readonly pathless: readonly PathlessMessage[]
}

/** The first message of an object, and who writes it: what its name may be made of. */
export interface ObjectStart {
  readonly position: number
  readonly timestampMs: number
  /** UTF-8 of the key and the id; undefined where they are null. */
  readonly key: Uint8Array | undefined
  readonly id: string | undefined
  /** The wall clock, ms. */
  readonly nowMs: number
  /** New with every run of a writer. */
  readonly writer: string
}

/** The layout of one lane. */
export interface LaneLayout {
  /** A commit begins: what was late before counts no more. */
  begin?(): void
  /** The paths of all messages; the same messages give the same paths, save where the layout asks for the wall clock. */
  assign(batch: MessageBatch, context: BatchContext): Assignment
  /**
   * The key of an object whose first message is `start`; `extension` is the format's with its compression, like `avro` or `json.gz`. Siblings of
   * the object (`keys`, `headers`) have names of their own.
   */
  objectKey(path: ObjectPath, start: ObjectStart, extension: string, sibling?: 'keys' | 'headers'): string
}

/** How keys of segments are made. */
export interface Layout {
  readonly name: string
  /** Whether keys end in the writer's id, so that no two writers want the same one. */
  readonly isUnique: boolean
  /** Whether names tell also what files are compressed with within: `snappy.parquet`. */
  readonly tellsCodec?: boolean
  /** Whether all messages of a lane have one path. */
  readonly isWhole: boolean
  /** Fields of the value that paths are made of. */
  readonly fields: readonly string[]
  /** Whether paths are made of the schemas of values: then `assign` wants `kind`. */
  readonly usesSchemas: boolean
  /** What paths say of a moment of the wall clock, ms; there where they are made of more than each message alone: of it, or of messages before. */
  readonly clockText?: (nowMs: number) => string
  /** `folder` is that of the lane's chain, without which it is the usual one of the topic's name. */
  openLane(lane: { readonly topic: string; readonly lane: string; readonly folder?: string }): LaneLayout
}
