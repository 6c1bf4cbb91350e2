import type { ErrorCode } from '../../errors.ts'
import type { Schema } from './schema.ts'

/** What an answer is, by content type; none where it has no body. */
export interface AnswerText {
  readonly description: string
  readonly content?: Readonly<Record<string, Schema>>
  readonly headers?: Readonly<Record<string, Schema>>
  /** Operations that can go on with the `id` of the answer. */
  readonly links?: readonly string[]
}

/** What is said of a route that the route itself does not say: its method, its address and who may call it are taken from the server. */
export interface Operation {
  /** For generated clients: the name of the call. */
  readonly id: string
  readonly tag: string
  /** Beginning with a verb, without a full stop. */
  readonly summary: string
  readonly description?: string
  /** By the names in the address; `PATH_PARAMETERS` of the document has those that mean the same everywhere. */
  readonly path?: Readonly<Record<string, Schema>>
  /** A schema with `contentMediaType` is of JSON in one parameter. */
  readonly query?: Readonly<Record<string, Schema>>
  readonly headers?: Readonly<Record<string, Schema>>
  readonly body?: { readonly isRequired: boolean; readonly content: Readonly<Record<string, Schema>> }
  readonly answers: Readonly<Record<number, AnswerText>>
  /** What may go wrong beside what may go wrong everywhere. */
  readonly errors: readonly ErrorCode[]
  /** Of what form errors are; that of this program unless given. */
  readonly errorContent?: Readonly<Record<string, Schema>>
}

/** Operations by `GET /jobs/:id`, as routes are written. */
export type Operations = Readonly<Record<string, Operation>>

/** A part of the interface that is described: its operations and the schemas that they name. */
export interface DescribedPart {
  readonly operations: Operations
  readonly schemas: Readonly<Record<string, Schema>>
}

/** What can go wrong where messages of the archive are read. */
export const READ_ERRORS = [
  'FORMAT_UNSUPPORTED',
  'FORMAT_NOT_READABLE',
  'OBJECT_MISSING',
  'STORE_UNAVAILABLE',
  'STORE_REFUSED',
  'INDEX_UNAVAILABLE',
  'INDEX_CORRUPT',
  'SEGMENT_CORRUPT',
  'BLOCK_CORRUPT',
  'RECORD_SET_CORRUPT',
  'COMMIT_CORRUPT',
  'SCHEMA_DAMAGED',
] as const satisfies readonly ErrorCode[]

/** What can go wrong with the body of a request. */
export const BODY_ERRORS = [
  'INPUT_INVALID',
  'BODY_TOO_LARGE',
  'MEDIA_TYPE_UNSUPPORTED',
  'TOO_BUSY',
] as const satisfies readonly ErrorCode[]

export const JSON_CONTENT = 'application/json'

/** An answer of JSON. */
export const jsonAnswer = (description: string, schema: Schema): AnswerText => ({
  description,
  content: { [JSON_CONTENT]: schema },
})
