import type { OutgoingHttpHeaders, IncomingMessage } from 'node:http'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

/** What a server answered. */
export interface Answer {
  readonly status: number
  /** How long it asked to wait, ms. */
  readonly retryAfterMs: number | undefined
  /** The first bytes of the body, what cannot be printed replaced. */
  readonly excerpt: string
}

/** Posts to one URL over connections that stay open. */
export interface Poster extends Disposable {
  /**
   * @throws Error where no answer came: the network's, one of the time that passed, the signal's reason.
   */
  post(body: Uint8Array, headers: OutgoingHttpHeaders, signal: AbortSignal): Promise<Answer>
}

const EXCERPT_BYTES = 200
/** What is read of an answer so that its connection can be used again; of a longer one the connection is dropped. */
const MAX_ANSWER_BYTES = 64 * 1024

/** Milliseconds that a `Retry-After` (seconds or a date; RFC 9110, 10.2.3, read 2026-11) asks for; undefined for none or nonsense. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/u.test(value.trim())) return Number(value) * 1000
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}

/** What a server said, as one line that a terminal can show. */
function printable(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, EXCERPT_BYTES))
  return text.replaceAll(/[\p{C}\s]+/gu, ' ').trim()
}

/** A poster that gives up on an answer after `timeoutMs`. */
export function createPoster(url: URL, timeoutMs: number): Poster {
  const isTls = url.protocol === 'https:'
  const agent = isTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
  const request = isTls ? httpsRequest : httpRequest
  const post: Poster['post'] = (body, headers, signal) =>
    new Promise((resolve, reject) => {
      let response: IncomingMessage | undefined
      const chunks: Uint8Array[] = []
      let bytes = 0
      const sent = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': body.byteLength } })
      // Once the status is there, the outcome is known, however the rest of the answer fares.
      const settle = (error?: unknown) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', stop)
        if (response === undefined) return reject(error)
        const after = retryAfterMs(response.headers['retry-after'], Date.now())
        resolve({ status: response.statusCode ?? 0, retryAfterMs: after, excerpt: printable(Buffer.concat(chunks)) })
      }
      const stop = () => sent.destroy(signal.reason as Error)
      const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
      signal.addEventListener('abort', stop, { once: true })
      sent.on('error', settle)
      sent.on('response', (answer) => {
        response = answer
        answer.on('data', (chunk: Uint8Array) => {
          if (bytes < EXCERPT_BYTES) chunks.push(chunk)
          bytes += chunk.byteLength
          if (bytes > MAX_ANSWER_BYTES) answer.destroy()
        })
        answer.on('error', settle)
        answer.on('close', () => settle())
      })
      if (signal.aborted) stop()
      else sent.end(body)
    })
  return { post, [Symbol.dispose]: () => agent.destroy() }
}
