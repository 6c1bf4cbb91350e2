import { validateHeaderName, validateHeaderValue } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MessageBatch } from '../../batch/batch.ts'
import { sliceBatch } from '../../batch/batch.ts'
import { valueAt } from '../../batch/view.ts'
import { writeJsonLines } from '../../encode/json-lines.ts'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { publicUrl } from '../../replay/job.ts'
import { deliveryBroken } from '../../sink/partial.ts'
import type { FailedMessage, Sink, SinkTarget } from '../../sink/sink.ts'
import { laneHeaders, messageHeaders } from './message-headers.ts'
import type { Answer, Poster } from './post.ts'
import { createPoster } from './post.ts'

export interface HttpSinkOptions {
  /** `http:` or `https:`; a user and password in it are sent as basic authentication. */
  readonly url: string
  /** Sent with every request; they go before those of the sink. */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * `json`: requests of many messages, as JSON lines that lose nothing (docs/formats.md). `raw`: a request for each message, the body its
   * value, the rest in headers (`messageHeaders`).
   */
  readonly body: 'json' | 'raw'
  /** Messages in one request of JSON lines, at the most. */
  readonly maxBatchCount?: number
  /** How long an answer may take. */
  readonly timeoutMs?: number
  /** How often a request is repeated after one that failed for a reason that passes. */
  readonly retries?: number
  readonly firstDelayMs?: number
  /** From 0 to below 1: lanes that were sent away together do not come back together. */
  readonly random?: () => number
}

const DEFAULT_BATCH_COUNT = 500
/** Bytes of values and keys in one request of JSON lines, about; one message may be more. */
const BATCH_BYTES = 1024 * 1024
const DEFAULT_TIMEOUT_MS = 30_000
const DEFAULT_RETRIES = 4
const FIRST_DELAY_MS = 200
const MAX_DELAY_MS = 60_000

/** Answers that speak of now: the request may succeed later. Beside all of 500 and above but the two below. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429])
/** Answers that speak of the address or of who asks, not of the message: the next message would fare no better. */
const OF_TARGET: ReadonlySet<number> = new Set([401, 403, 404, 405, 407, 410, 421, 501, 505])

type Verdict = 'delivered' | 'passing' | 'target' | 'refused'

function verdictOf(status: number): Verdict {
  if (status >= 200 && status < 300) return 'delivered'
  if (status < 400 || OF_TARGET.has(status)) return 'target'
  return status >= 500 || PASSING.has(status) ? 'passing' : 'refused'
}

const describe = ({ status, excerpt }: Answer): string => (excerpt === '' ? `status ${status}` : `status ${status}: ${excerpt}`)

/** Node gives no message where several addresses of one host failed. */
const reasonOf = (error: Error): string => error.message || ('code' in error ? String(error.code) : error.name)

/** What one batch's delivery has come to; changes as it goes on. */
interface Course {
  readonly target: SinkTarget
  readonly batch: MessageBatch
  readonly signal: AbortSignal
  delivered: number
  readonly failed: FailedMessage[]
  /** Rows before it are dealt with. */
  row: number
}

/** What does not differ from one batch to the next. */
interface Sending {
  readonly poster: Poster
  readonly options: HttpSinkOptions
  readonly name: string
}

/**
 * A sink that posts. A lane's messages are posted one request after the other, in order. 2xx: delivered. 408, 425, 429, 5xx and no answer at all
 * are repeated with growing pauses, or as `Retry-After` says, and then end the delivery, as do at once redirections, 401, 403, 404, 405, 407,
 * 410, 421, 501 and 505, which concern every message. Any other 4xx is a message refused: of several in one request the refused ones are found by
 * halving it, so a server should take all lines or none.
 * @throws MillpondError `INPUT_INVALID` for a URL or headers that cannot be used.
 */
export async function openHttpSink(options: HttpSinkOptions): Promise<Sink> {
  const url = checkedUrl(options)
  const name = `http POST ${publicUrl(options.url)}`
  const poster = createPoster(url, options.timeoutMs ?? DEFAULT_TIMEOUT_MS)
  const sending: Sending = { poster, options, name }
  return {
    name,
    async write(target, batch, signal) {
      const course: Course = { target, batch, signal, delivered: 0, failed: [], row: 0 }
      await (options.body === 'raw' ? postEach(sending, course) : postLines(sending, course))
      return { delivered: course.delivered, failed: course.failed }
    },
    async [Symbol.asyncDispose]() {
      poster[Symbol.dispose]()
    },
  }
}

function checkedUrl({ url, headers = {} }: HttpSinkOptions): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    throw new MillpondError('INPUT_INVALID', `a target is an http or https URL, which ${publicUrl(url)} is not`)
  }
  for (const [header, value] of Object.entries(headers)) {
    try {
      validateHeaderName(header)
      validateHeaderValue(header, value)
    } catch (cause) {
      throw new MillpondError('INPUT_INVALID', `the header ${JSON.stringify(header)} cannot be sent`, { cause })
    }
  }
  return parsed
}

async function postEach(sending: Sending, course: Course): Promise<void> {
  const { batch, target } = course
  const shared = { 'content-type': 'application/octet-stream', ...laneHeaders(target) }
  while (course.row < batch.count) {
    const body = valueAt(batch, course.row) ?? new Uint8Array(0)
    const refusal = await exchange(sending, course, body, { ...shared, ...messageHeaders(batch, course.row) })
    settle(course, course.row + 1, refusal)
  }
}

async function postLines(sending: Sending, course: Course): Promise<void> {
  const { maxBatchCount = DEFAULT_BATCH_COUNT } = sending.options
  while (course.row < course.batch.count) await postRows(sending, course, endOfRequest(course, maxBatchCount))
}

/** The rows from where the course is to before `to`, in one request, or in more where some of them are refused. */
async function postRows(sending: Sending, course: Course, to: number): Promise<void> {
  const refusal = await postSome(sending, course, to)
  if (refusal === undefined || to - course.row === 1) return settle(course, to, refusal)
  await postRows(sending, course, (course.row + to) >> 1)
  await postRows(sending, course, to)
}

async function postSome(sending: Sending, course: Course, to: number): Promise<string | undefined> {
  let body: Uint8Array
  try {
    body = writeJsonLines(sliceBatch(course.batch, course.row, to), course.target.origin)
  } catch (error) {
    if (!isMillpondError(error, 'MESSAGE_TOO_LARGE')) throw error
    return error.message
  }
  return exchange(sending, course, body, { 'content-type': 'application/x-ndjson' })
}

/** Where the request ends that begins with the course's row. */
function endOfRequest({ batch, row }: Course, maxBatchCount: number): number {
  let bytes = 0
  let to = row
  const last = Math.min(batch.count, row + maxBatchCount)
  do {
    bytes += batch.valueEnd[to]! - batch.valueStart[to]! + batch.keyEnd[to]! - batch.keyStart[to]!
    to++
  } while (to < last && bytes < BATCH_BYTES)
  return to
}

function settle(course: Course, to: number, refusal: string | undefined): void {
  if (refusal === undefined) course.delivered += to - course.row
  else course.failed.push({ position: course.batch.positions[course.row]!, reason: refusal })
  course.row = to
}

/** One request, repeated while its failure may pass; gives why it was refused, where it was. */
async function exchange(
  { poster, options, name }: Sending,
  course: Course,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const { retries = DEFAULT_RETRIES, firstDelayMs = FIRST_DELAY_MS, random = Math.random } = options
  const all = { ...headers, ...options.headers }
  for (let attempt = 0; ; attempt++) {
    const answer = await poster.post(body, all, course.signal).catch((error: unknown) => error as Error)
    const verdict = answer instanceof Error ? 'passing' : verdictOf(answer.status)
    if (verdict === 'delivered') return undefined
    const reason = answer instanceof Error ? reasonOf(answer) : describe(answer)
    if (verdict === 'refused') return reason
    if (course.signal.aborted || verdict === 'target' || attempt >= retries) throw broken(name, course, reason, answer)
    const growingMs = firstDelayMs * 2 ** attempt * (0.5 + random() / 2)
    const askedMs = answer instanceof Error ? undefined : answer.retryAfterMs
    await sleep(Math.min(MAX_DELAY_MS, Math.max(askedMs ?? 0, growingMs)), undefined, { signal: course.signal }).catch(
      (error: unknown) => {
        throw broken(name, course, reason, error)
      },
    )
  }
}

function broken(name: string, { batch, row, delivered, failed }: Course, reason: string, cause: unknown): MillpondError {
  const partial = { nextPosition: batch.positions[row]!, delivered, failed }
  return deliveryBroken(`${name}: ${reason}`, partial, cause instanceof Error ? cause : undefined)
}
