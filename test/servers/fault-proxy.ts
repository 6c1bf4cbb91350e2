import { createServer, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRandom } from '../live/random.ts'

const FAULTS = ['status-500', 'status-503', 'slow', 'hang', 'reset', 'lost-answer', 'cut-answer'] as const

/**
 * What befalls a request. `status-…`: that answer, `hang`: none ever, `reset`: the connection is reset; the store sees none of these three.
 * `slow`: the store sees it late. `lost-answer`: the store does all of it, then the connection is reset. `cut-answer`: so in the middle
 * of the answer's body.
 */
export type Fault = (typeof FAULTS)[number]

export interface FaultPlan {
  /** Of the requests, between 0 and 1. */
  readonly share: number
  /** One of these by chance; with its weight where one is there twice. */
  readonly faults: readonly Fault[]
  /** How late `slow` is; 200 unless given. */
  readonly delayMs?: number
  /** Which requests it can befall; all unless given. */
  readonly applies?: (method: string, path: string) => boolean
}

/** Stands between a client and a store that speaks HTTP; lets everything through until it has a plan. */
export interface FaultProxy extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`; the store sees this as the request's `Host`, so that signatures hold. */
  readonly url: string
  /** What happens from now on; nothing without a plan. */
  readonly setPlan: (plan: FaultPlan | undefined) => void
  /** How many requests there were, and what befell them. */
  readonly counts: () => Readonly<Record<Fault | 'requests', number>>
  readonly stop: () => Promise<void>
}

/** Starts a proxy before `upstream`, `http://host:port`, whose chances follow from the seed. */
export async function startFaultProxy(upstream: string, seed = 1): Promise<FaultProxy> {
  const random = createRandom(seed)
  const counts = { requests: 0, ...Object.fromEntries(FAULTS.map((fault) => [fault, 0])) } as Record<Fault | 'requests', number>
  let plan: FaultPlan | undefined

  const chosen = ({ method = '', url = '' }: IncomingMessage): Fault | undefined => {
    if (plan === undefined || plan.applies?.(method, url) === false || random() >= plan.share) return undefined
    return plan.faults[Math.floor(random() * plan.faults.length)]
  }
  const server = createServer((request, response) => {
    const fault = chosen(request)
    counts.requests += 1
    if (fault !== undefined) counts[fault] += 1
    // Who asked may be gone at any time.
    request.on('error', () => undefined)
    if (fault === 'reset') request.socket.resetAndDestroy()
    else if (fault === 'hang') request.resume()
    else if (fault === 'status-500' || fault === 'status-503') {
      request.resume().once('end', () => response.writeHead(Number(fault.slice(-3)), { 'content-length': 0 }).end())
    } else if (fault === 'slow') {
      const timer = setTimeout(() => forward(upstream, request, response, undefined), plan?.delayMs ?? 200)
      response.once('close', () => clearTimeout(timer))
    } else forward(upstream, request, response, fault)
  })
  server.keepAliveTimeout = 0
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))

  const stop = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise((closed) => server.close(closed))
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setPlan: (next) => void (plan = next),
    counts: () => ({ ...counts }),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function forward(upstream: string, request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
  const options = { method: request.method ?? 'GET', headers: endToEnd(request.rawHeaders), agent: false }
  const onward = requestHttp(upstream + (request.url ?? ''), options)
  onward.on('error', () => request.socket.resetAndDestroy())
  response.once('close', () => onward.destroy())
  onward.on('response', (answer) => {
    answer.on('error', () => request.socket.resetAndDestroy())
    if (fault === 'lost-answer') {
      answer.resume().once('end', () => request.socket.resetAndDestroy())
      return
    }
    const bytes = Number(answer.headers['content-length'] ?? 0)
    if (fault === 'cut-answer' && (bytes === 0 || request.method === 'HEAD')) {
      request.socket.resetAndDestroy()
      return
    }
    response.writeHead(answer.statusCode ?? 502, endToEnd(answer.rawHeaders))
    if (fault === 'cut-answer') cut(answer, response, Math.floor(bytes / 2))
    else answer.pipe(response)
  })
  request.pipe(onward)
}

/** Names and values in turn, without what one hop agrees with the next. */
function endToEnd(headers: readonly string[]): string[] {
  return headers.filter((_, at) => !/^(?:connection|keep-alive|expect)$/iu.test(headers[at - (at % 2)]!))
}

/** Passes on so many bytes and resets the connection. */
function cut(answer: IncomingMessage, response: ServerResponse, leftBytes: number): void {
  let left = leftBytes
  answer.on('data', (chunk: Buffer) => {
    const bytes = chunk.subarray(0, left)
    left -= bytes.length
    response.write(bytes)
    if (left > 0) return
    answer.destroy()
    // What was written before goes out first.
    setImmediate(() => response.socket?.resetAndDestroy())
  })
}
