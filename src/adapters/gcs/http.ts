import * as http from 'node:http'
import * as https from 'node:https'

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** Sent one after another, without a copy. */
  readonly body?: readonly Uint8Array[]
  readonly signal: AbortSignal
  /** Called whenever bytes have moved. */
  readonly alive: () => void
}

export interface HttpResponse {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

/** Sends requests over connections that are kept for the next one. */
export interface HttpClient {
  /** Gives the answer, whatever its status. Rejects where none came: with the system's error, or the signal's reason. */
  send(request: HttpRequest): Promise<HttpResponse>
  close(): void
}

/** Connections that wait for their next request are closed after this time: before the service closes them. */
const IDLE_MS = 30_000
/** Large bodies are handed over in pieces, so that a slow network is told from a dead one. */
const PIECE_BYTES = 512 * 1024

export interface HttpOptions {
  /** The variables that name proxies: the environment's own, others, or none. */
  readonly proxyEnv: Readonly<Record<string, string | undefined>> | undefined
  readonly ca: string | undefined
  readonly maxSockets: number
}

export function createHttpClient({ proxyEnv, ca, maxSockets }: HttpOptions): HttpClient {
  // Free sockets that were used last are taken first, so that those that are not needed are closed.
  const shared = { keepAlive: true, timeout: IDLE_MS, maxSockets, scheduling: 'lifo' as const }
  const settings = { ...shared, ...(proxyEnv === undefined ? {} : { proxyEnv: { ...proxyEnv } }) }
  const agents = { plain: new http.Agent(settings), tls: new https.Agent({ ...settings, ...(ca === undefined ? {} : { ca }) }) }

  const open = ({ method, url, headers, body = [] }: HttpRequest): http.ClientRequest => {
    const bytes = body.reduce((sum, chunk) => sum + chunk.length, 0)
    const length = method === 'POST' || method === 'PUT' ? { 'content-length': String(bytes) } : {}
    const options = { method, headers: { ...headers, ...length } }
    return url.protocol === 'http:'
      ? http.request(url, { ...options, agent: agents.plain })
      : https.request(url, { ...options, agent: agents.tls })
  }

  return {
    async send(request) {
      const { signal, alive } = request
      signal.throwIfAborted()
      const opened = open(request)
      const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>()
      const giveUp = (error: unknown): void => {
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the reason is whatever the caller aborted with
        reject(error)
        opened.destroy()
      }
      const onAbort = (): void => giveUp(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      let isAnswered = false
      // An answer that comes before all was sent is worth more than the end of the sending.
      opened.on('error', (error) => {
        if (!isAnswered) giveUp(error)
      })
      opened.on('response', (response) => {
        isAnswered = true
        alive()
        collect(response, alive).then(
          (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
          giveUp,
        )
      })
      for (const piece of piecesOf(request.body ?? [])) opened.write(piece, alive)
      opened.end()
      return promise.finally(() => signal.removeEventListener('abort', onAbort))
    },
    close() {
      agents.plain.destroy()
      agents.tls.destroy()
    },
  }
}

function* piecesOf(chunks: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) yield chunk.subarray(at, at + PIECE_BYTES)
  }
}

/** The body of an answer. One that is shorter than its header says is an error. */
async function collect(response: http.IncomingMessage, alive: () => void): Promise<Buffer> {
  const header = response.headers['content-length']
  if (header === undefined) return Buffer.concat(await Array.fromAsync(response as AsyncIterable<Buffer>))
  const expected = Number(header)
  const body = Buffer.allocUnsafe(expected)
  let filled = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    filled += chunk.copy(body, filled)
    alive()
  }
  if (filled === expected) return body
  throw Object.assign(new Error(`${filled} of ${expected} bytes came`), { code: 'ECONNRESET' })
}
