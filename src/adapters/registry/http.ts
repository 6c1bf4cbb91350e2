import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, type AgentOptions, request as httpsRequest } from 'node:https'
import { MillpondError } from '../../errors.ts'
import type { RegistryLogin, RegistryOptions, RegistryTls } from './options.ts'

/** A request of the registry's API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST'
  /** Below the registry's address, without a slash in front, each part percent-encoded. */
  readonly path: string
  readonly body?: string
}

/** What came back, whatever the status. */
export interface ApiAnswer {
  readonly status: number
  readonly text: string
}

/** Asks one address after another. */
export interface ApiClient extends Disposable {
  /**
   * The answer of the address that answered last, or of the next one.
   * @throws MillpondError `REGISTRY_UNAVAILABLE` where none came, or one of an error that passes.
   */
  ask(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer>
}

/** More than any schema has, with its references named. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
const MAX_SOCKETS = 8
const ACCEPTED = 'application/vnd.schemaregistry.v1+json, application/json'
const CONTENT = 'application/vnd.schemaregistry.v1+json'
/** Too many requests, and what middlemen say of a server that is not there. */
const PASSING = new Set([408, 425, 429])

/** A client for the addresses of one registry; a failed call moves on to the next address for the next call. */
export function createApiClient(options: Pick<RegistryOptions, 'urls' | 'login' | 'tls' | 'timeoutMs'>): ApiClient {
  const { urls, login, timeoutMs } = options
  const plain = new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS })
  const secure = new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS, ...tlsOptions(options.tls) })
  let current = 0
  const one = async (base: string, request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> => {
    const authorization = await authorizationOf(login)
    const url = new URL(request.path, base.endsWith('/') ? base : `${base}/`)
    const isTls = url.protocol === 'https:'
    const headers = {
      accept: ACCEPTED,
      ...(authorization === undefined ? {} : { authorization }),
      ...(request.body === undefined ? {} : { 'content-type': CONTENT, 'content-length': Buffer.byteLength(request.body) }),
    }
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const sent = (isTls ? httpsRequest : httpRequest)(url, {
      method: request.method,
      agent: isTls ? secure : plain,
      headers,
      signal: within,
    })
    return answerOf(sent, request.body)
  }
  return {
    async ask(request, signal) {
      const index = current
      const base = urls[index % urls.length]!
      try {
        const answer = await one(base, request, signal)
        if (answer.status < 500 && !PASSING.has(answer.status)) return answer
        throw new Error(`it answers ${answer.status}`)
      } catch (cause) {
        signal.throwIfAborted()
        if (current === index) current++
        throw unavailable(base, cause, timeoutMs)
      }
    },
    [Symbol.dispose]() {
      plain.destroy()
      secure.destroy()
    },
  }
}

function unavailable(base: string, cause: unknown, timeoutMs: number): MillpondError {
  const isLate = cause instanceof Error && cause.name === 'AbortError'
  const reason = isLate ? `no answer within ${timeoutMs} ms` : cause instanceof Error ? cause.message : String(cause)
  return new MillpondError('REGISTRY_UNAVAILABLE', `the schema registry at ${base} cannot be used: ${reason}`, {
    cause,
    details: { url: base },
  })
}

async function authorizationOf(login: RegistryLogin | undefined): Promise<string | undefined> {
  if (login === undefined) return undefined
  if (login.kind === 'bearer') return `Bearer ${(await login.token()).reveal()}`
  return `Basic ${Buffer.from(`${login.username}:${login.password.reveal()}`).toString('base64')}`
}

function tlsOptions(tls: RegistryTls | undefined): AgentOptions {
  if (tls === undefined) return {}
  const { ca, certificate, key, passphrase, serverName, verify } = tls
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key: key.reveal() }),
    ...(passphrase === undefined ? {} : { passphrase: passphrase.reveal() }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    rejectUnauthorized: verify,
  }
}

function answerOf(sent: ReturnType<typeof httpRequest>, body: string | undefined): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response: IncomingMessage) => {
      const chunks: Uint8Array[] = []
      let bytes = 0
      response.on('data', (chunk: Uint8Array) => {
        bytes += chunk.byteLength
        if (bytes > MAX_ANSWER_BYTES) response.destroy(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    sent.end(body)
  })
}
