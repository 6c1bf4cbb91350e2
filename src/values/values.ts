import type { MessageBatch } from '../batch/batch.ts'

/** How the value of a message is described; `none` for values that are plain JSON, or nothing that is known. */
export type SchemaType = 'avro' | 'json-schema' | 'protobuf' | 'none'

/** Under which name and number a schema is registered. */
export interface SubjectVersion {
  readonly subject: string
  readonly version: number
}

/** A text under the name by which another refers to it. */
export interface NamedText {
  readonly name: string
  readonly text: string
}

/** What the values of messages that share an object have in common: their schema. */
export interface ValueKind {
  /** Equal for values that may lie in one object, and for no others; stable from run to run: writers of one lane must agree. */
  readonly id: string
  readonly type: SchemaType
  /** The name of the record or message, or the title, where the schema has one: `com.acme.Order`. */
  readonly name: string | undefined
  /** The schema as the registry has it, an Avro schema with what it refers to filled in; empty for `none`. */
  readonly text: string
  /** What a schema of another type refers to, the most basic first: files of Protobuf, JSON Schemas by their names. */
  readonly references: readonly NamedText[]
  /** Where the schema is registered; undefined unless that was asked for. More may come to be known. */
  readonly versions?: readonly SubjectVersion[]
}

/**
 * What a field holds: text, a number, a truth, null, or undefined where the message has no such field, or one that is no scalar. Whole numbers that
 * a number does not hold are bigints. By what the schema says, an instant is its whole milliseconds since 1970, a day text like `2018-01-04`, a
 * decimal its digits as text, a symbol of an enum its name.
 */
export type FieldValue = string | number | bigint | boolean | null | undefined

/** The values of one field of a batch: one call a row. */
export type FieldColumn = (row: number) => FieldValue

/** A message whose value cannot be read, and why. */
export interface UnreadableValue {
  readonly row: number
  readonly reason: string
}

/** A batch whose schemas are all known. */
export interface PreparedValues {
  readonly kinds: readonly ValueKind[]
  /** For each row the index of its kind; -1 where the value is null or cannot be read. */
  readonly kindOf: Int32Array
  /** Where the datum begins within `batch.bytes`, behind the wire format's prefix; undefined where no value has a prefix. */
  readonly datumStart: Int32Array | undefined
  /** Rising by row: values that their schema does not describe, and ids that the registry does not know. */
  readonly unreadable: readonly UnreadableValue[]
  /** A field of the value by its dotted name; reading it decodes nothing else. */
  field(name: string): FieldColumn
}

/** What is known about the values of messages: their schemas, and their fields. */
export interface Values extends AsyncDisposable {
  /**
   * Reads the schemas of all values of the batch. Where kinds say their versions, those for this topic are known.
   * @throws MillpondError `REGISTRY_UNAVAILABLE`, which passes: nothing is skipped for it.
   */
  prepare(batch: MessageBatch, signal: AbortSignal, topic?: string): Promise<PreparedValues>
}
