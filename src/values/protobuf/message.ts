/** Types of fields that are encoded as they are. */
export type ProtobufScalar =
  | 'double'
  | 'float'
  | 'int32'
  | 'int64'
  | 'uint32'
  | 'uint64'
  | 'sint32'
  | 'sint64'
  | 'fixed32'
  | 'fixed64'
  | 'sfixed32'
  | 'sfixed64'
  | 'bool'
  | 'string'
  | 'bytes'

/** What a field, or a value of a map, is. */
export type ProtobufType =
  | { readonly kind: 'scalar'; readonly scalar: ProtobufScalar }
  /** Names by their numbers; of several the first one. */
  | { readonly kind: 'enum'; readonly name: string; readonly values: ReadonlyMap<number, string> }
  | { readonly kind: 'message'; readonly message: ProtobufMessage }

/** A field of a message. */
export interface ProtobufField {
  readonly id: number
  readonly name: string
  /** The name that JSON has: `metricDate` for `metric_date`. */
  readonly jsonName: string
  readonly type: ProtobufType
  /** `map` has keys of the type `key`, and values of `type`. */
  readonly rule: 'single' | 'repeated' | 'map'
  readonly key: ProtobufScalar | undefined
  /** What it is where a message does not say it; undefined where that is known to be missing. */
  readonly standard: string | number | boolean | undefined
  /** Numbers of the other fields of its `oneof`: any of them takes this one back. */
  readonly others: readonly number[]
  /** Always there: what is not written is its zero. */
  readonly isImplicit: boolean
  /** Written as a group: between two tags, not behind a length. */
  readonly isGroup: boolean
}

/** A message type; its fields come while the schema is read, for they may hold the message itself. */
export interface ProtobufMessage {
  /** With its package. */
  readonly name: string
  readonly fields: Map<number, ProtobufField>
}
