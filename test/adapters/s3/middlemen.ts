import { createServer, type IncomingMessage, request as requestHttp, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'

/** Something between a client and a server, on a port of its own. */
export interface Middleman extends AsyncDisposable {
  readonly port: number
  readonly url: string
}

async function listen(server: Server): Promise<Middleman> {
  await new Promise<void>((listening) => {
    server.listen(0, '127.0.0.1', listening)
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => {
        server.close(closed)
      })
    },
  }
}

/** A forward proxy that asks for a password; `asked` gathers what it was asked for. */
export async function startProxy(user: string, password: string): Promise<Middleman & { readonly asked: string[] }> {
  const asked: string[] = []
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const isKnown = ({ headers }: IncomingMessage) => headers['proxy-authorization'] === expected
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    if (!isKnown(request)) {
      response.writeHead(407).end()
      return
    }
    const onward = requestHttp(request.url ?? '', { method: request.method ?? 'GET', headers: request.rawHeaders, agent: false })
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  const tunnels = new Set<{ destroy(): void }>()
  server.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`)
    if (!isKnown(request)) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      return
    }
    const { hostname, port } = new URL(`http://${request.url}`)
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    for (const end of [socket, onward]) {
      tunnels.add(end)
      end.on('error', () => undefined)
      end.on('close', () => tunnels.delete(end))
    }
  })
  const middleman = await listen(server)
  return {
    ...middleman,
    asked,
    async [Symbol.asyncDispose]() {
      for (const tunnel of tunnels) tunnel.destroy()
      await middleman[Symbol.asyncDispose]()
    },
  }
}

/** What flips a bit of some bodies on their way. */
export interface Damager extends Middleman {
  /** So many bodies are damaged from now on, on their way in this direction. */
  damage(direction: 'up' | 'down', times: number): void
  readonly left: () => number
}

/** Passes requests on to a server, and damages bodies where it is told to. */
export async function startDamager(upstream: string): Promise<Damager> {
  let plan = { direction: 'up', times: 0 }
  const damaged = (direction: string, body: Buffer): Buffer => {
    if (plan.direction !== direction || plan.times === 0 || body.length === 0) return body
    plan.times--
    const at = Math.floor(body.length / 2)
    body[at] = body[at]! ^ 1
    return body
  }
  const bodyOf = async (message: IncomingMessage): Promise<Buffer> => Buffer.concat((await Array.fromAsync(message)) as Buffer[])
  const forward = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = damaged('up', await bodyOf(request))
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method: request.method ?? 'GET', headers: request.rawHeaders, agent: false }
      requestHttp(upstream + (request.url ?? ''), options, resolve)
        .on('error', reject)
        .end(body)
    })
    const content = damaged('down', await bodyOf(answer))
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders).end(content)
  }
  const server = createServer((request, response) => void forward(request, response).catch(() => response.destroy()))
  return {
    ...(await listen(server)),
    damage: (direction, times) => void (plan = { direction, times }),
    left: () => plan.times,
  }
}

/** A request that a recorder got. */
export interface Recorded {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** An answer to a recorded request; a text alone is its body. */
export type Answer = string | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }

/** Takes down requests, which `answer` answers, with nothing unless it says something. */
export async function startRecorder(
  answer: (request: Recorded) => Answer = () => '',
): Promise<Middleman & { readonly recorded: Recorded[] }> {
  const recorded: Recorded[] = []
  const record = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks = (await Array.fromAsync(request)) as Buffer[]
    const one: Recorded = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('latin1'),
    }
    recorded.push(one)
    const given = answer(one)
    const { status, headers = {}, body = '' } = typeof given === 'string' ? { status: 200, body: given } : given
    response.writeHead(status, { 'content-type': 'text/xml', ...headers }).end(body)
  }
  const server = createServer((request, response) => void record(request, response).catch(() => response.destroy()))
  return { ...(await listen(server)), recorded }
}
