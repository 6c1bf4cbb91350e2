import type { MessageBatch } from '../batch/batch.ts'
import { BatchBuilder, type MessageInput } from '../batch/builder.ts'
import { type Header, type Message, messageAt } from '../batch/view.ts'
import { MillpondError } from '../errors.ts'
import type { ChangedMessage, Content, FunctionMessage, MessageFunction } from './function.ts'

/** Where the messages of a batch come from. */
export interface FunctionOrigin {
  readonly topic: string
  readonly lane: string
}

/** What became of the messages of a batch. Positions stay those of the messages that were given. */
export interface AppliedBatch {
  readonly batch: MessageBatch
  /** Positions of messages that the function leaves out, rising. */
  readonly leftOut: readonly number[]
  /** Messages for which the function threw, or gave what is no message; they are not in the batch. */
  readonly failed: readonly { readonly position: number; readonly reason: string }[]
}

/** Looking at a signal of several costs as much as a small message. */
const SIGNAL_EVERY = 64
const MAX_REASON_CHARACTERS = 500
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const NAMES: ReadonlySet<string> = new Set(['topic', 'lane', 'position', 'timestamp', 'key', 'value', 'id', 'headers'])

/** A message as a function gets it. A class: methods are not its own, so that a copy by `{ ...message }` has the fields alone. */
class GivenMessage implements FunctionMessage {
  readonly topic: string
  readonly lane: string
  readonly position: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly id: string | null
  readonly headers: readonly Header[]

  constructor({ topic, lane }: FunctionOrigin, { position, timestamp, key, value, id, headers }: Message) {
    this.topic = topic
    this.lane = lane
    this.position = position
    this.timestamp = timestamp
    this.key = key
    this.value = value
    this.id = id
    this.headers = headers
  }

  text(): string | null {
    return this.value === null ? null : decoder.decode(this.value)
  }

  json(): unknown {
    try {
      return JSON.parse(this.text() ?? 'null')
    } catch {
      // JSON.parse quotes the text, which belongs into no error.
      throw new SyntaxError('the value is no JSON')
    }
  }
}

/**
 * Puts every message through the function, one after the other, in order. Where it changes nothing the batch is given on as it is.
 * @throws the signal's reason; MillpondError `MESSAGE_TOO_LARGE` where what comes out is more than a batch holds.
 */
export async function applyFunction(
  call: MessageFunction,
  batch: MessageBatch,
  origin: FunctionOrigin,
  signal: AbortSignal,
): Promise<AppliedBatch> {
  const builder = new BatchBuilder(batch.bytes.byteLength + 64)
  const failed: { position: number; reason: string }[] = []
  const leftOut: number[] = []
  let unchanged = 0
  let isSlow = false
  for (let row = 0; row < batch.count; row++) {
    if (isSlow || row % SIGNAL_EVERY === 0) signal.throwIfAborted()
    const stored = messageAt(batch, row)
    const given = new GivenMessage(origin, stored)
    let changed: MessageInput | undefined
    try {
      const answer = call(given)
      // Awaiting what is no promise costs a turn for each message.
      const isLater = isPromise(answer)
      isSlow ||= isLater
      const result = isLater ? await answer : answer
      if (result === given) unchanged++
      if (result !== null && result !== undefined) changed = result === given ? stored : inputOf(stored, result)
      if (changed === undefined) leftOut.push(stored.position)
    } catch (error) {
      failed.push({ position: stored.position, reason: reasonOf(error) })
      continue
    }
    if (changed !== undefined) builder.add(changed)
  }
  if (unchanged === batch.count) return { batch, leftOut, failed }
  return { batch: builder.build(), leftOut, failed }
}

const isPromise = <T>(answer: T | Promise<T>): answer is Promise<T> =>
  typeof (answer as Promise<T> | null | undefined)?.then === 'function'

/** The message with what the function gave in the place of what was stored. */
function inputOf(stored: MessageInput, changed: ChangedMessage): MessageInput {
  if (typeof changed !== 'object' || Array.isArray(changed))
    throw new TypeError(`the function gave ${kindOf(changed)}, not a message or null`)
  for (const name of Object.keys(changed)) {
    if (!NAMES.has(name))
      throw new TypeError(
        `the function gave a message with a field ${JSON.stringify(name.slice(0, 40))}, which messages do not have`,
      )
  }
  const {
    timestamp = stored.timestamp,
    key = stored.key,
    value = stored.value,
    id = stored.id,
    headers = stored.headers,
  } = changed
  if (!Number.isSafeInteger(timestamp)) throw new TypeError('the timestamp that the function gave is no whole number of ms')
  return {
    position: stored.position,
    timestamp,
    key: bytesOrText('key', key),
    value: contentOf(value),
    id: id === null || typeof id === 'string' ? id : wrongField('id', id),
    headers: headersOf(headers ?? []),
  }
}

function contentOf(value: Content | undefined): Uint8Array | string | null {
  if (value === undefined || value === null || typeof value === 'string' || value instanceof Uint8Array) return value ?? null
  // What JSON has no text for, a function say, gives undefined.
  const text = JSON.stringify(value) as string | undefined
  return text ?? wrongField('value', value)
}

function headersOf(headers: NonNullable<ChangedMessage['headers']>): NonNullable<MessageInput['headers']> {
  if (!isList(headers)) return Object.entries(headers).map(([name, value]) => ({ name, value: bytesOrText('header', value) }))
  return headers.map(({ name, value }) => {
    if (typeof name !== 'string') return wrongField('name of a header', name)
    return { name, value: bytesOrText('header', value) }
  })
}

const isList = (
  headers: NonNullable<ChangedMessage['headers']>,
): headers is readonly { name: string; value: Uint8Array | string | null }[] => Array.isArray(headers)

function bytesOrText(name: string, content: unknown): Uint8Array | string | null {
  if (content === null || content === undefined) return null
  return typeof content === 'string' || content instanceof Uint8Array ? content : wrongField(name, content)
}

function wrongField(name: string, content: unknown): never {
  throw new TypeError(`the ${name} that the function gave is ${kindOf(content)}, neither text nor bytes`)
}

const kindOf = (content: unknown): string => (Array.isArray(content) ? 'a list' : `of type ${typeof content}`)

/** Why it failed, in one line: what the function says itself, for it knows what may be shown. */
function reasonOf(error: unknown): string {
  const text = error instanceof MillpondError || error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return `function: ${text.replaceAll(/\s+/gu, ' ').slice(0, MAX_REASON_CHARACTERS)}`
}
