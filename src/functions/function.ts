import type { Header } from '../batch/view.ts'

/** A message as a function gets it. Bytes are shared with others: to change them, return new ones. */
export interface FunctionMessage {
  readonly topic: string
  readonly lane: string
  readonly position: number
  /** ms since 1970. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly id: string | null
  readonly headers: readonly Header[]
  /** The value as UTF-8 text; null where it is null. */
  text(): string | null
  /** The value as JSON. @throws SyntaxError where it is none. */
  json(): unknown
}

/** What bytes may be given as: bytes, text (as UTF-8), or what `JSON.stringify` takes. */
export type Content = Uint8Array | string | null | { readonly [name: string]: unknown } | readonly unknown[] | number | boolean

/** What a function makes of a message: what it leaves out stays as it was. */
export interface ChangedMessage {
  readonly timestamp?: number
  readonly key?: Uint8Array | string | null
  readonly value?: Content
  readonly id?: string | null
  /** In place of all headers. */
  readonly headers?:
    | readonly { readonly name: string; readonly value: Uint8Array | string | null }[]
    | Readonly<Record<string, string | null>>
}

/** A message instead of the one it is given; the same for no change; null or undefined to leave it out. What it throws is the message's failure. */
export type MessageFunction = (
  message: FunctionMessage,
) => ChangedMessage | null | undefined | Promise<ChangedMessage | null | undefined>
