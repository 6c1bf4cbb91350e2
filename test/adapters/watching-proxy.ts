import { createServer, type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface WatchedRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingHttpHeaders
}

/** Passes requests on and notes them: as the proxy that a client was told of, or before a server. */
export interface WatchingProxy extends AsyncDisposable {
  readonly url: string
  readonly requests: () => readonly WatchedRequest[]
  /** Changes one bit in the middle of the next body for which this holds. */
  readonly damageNext: (applies: (request: WatchedRequest) => boolean) => void
  readonly stop: () => Promise<void>
}

/** Starts a proxy; what is asked of itself it asks of `upstream`. */
export async function startWatchingProxy(upstream: string): Promise<WatchingProxy> {
  const requests: WatchedRequest[] = []
  let damages: ((request: WatchedRequest) => boolean) | undefined

  const pass = async (incoming: IncomingMessage): Promise<IncomingMessage> => {
    const { method = 'GET', headers } = incoming
    const watched = { method, url: new URL(incoming.url ?? '/', upstream), headers }
    requests.push(watched)
    const body = await buffer(incoming)
    if (body.length > 0 && damages?.(watched) === true) {
      damages = undefined
      body[body.length >> 1]! ^= 1
    }
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const sent = { ...headers, 'content-length': String(body.length) }
    delete (sent as IncomingHttpHeaders)['transfer-encoding']
    requestHttp(watched.url, { method, headers: sent, agent: false }).on('response', resolve).on('error', reject).end(body)
    return promise
  }
  const server = createServer((incoming, response) => {
    pass(incoming).then(
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
      () => incoming.socket.resetAndDestroy(),
    )
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const stop = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise((closed) => server.close(closed))
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    damageNext: (applies) => void (damages = applies),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
