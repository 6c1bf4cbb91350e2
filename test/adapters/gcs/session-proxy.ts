import { createServer, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { crc32c } from '../../../src/kernel/checksum.ts'

/**
 * What happens to one request of an upload in parts. `refuse`: 503, and nothing is kept. `drop`: nothing is kept, and the connection is
 * reset. `keep-some`: the first 256 KiB are kept (none of less), and the connection is reset. `keep-some-told`: so, and the answer says it.
 * `lose`: all is kept, the answer is lost. `damage`: one byte is another one.
 */
export type SessionFault = 'refuse' | 'drop' | 'keep-some' | 'keep-some-told' | 'lose' | 'damage'

/**
 * Stands before fake-gcs-server and does what that leaves out of an upload in parts, as Google's documentation has it: says how far an upload
 * has come, keeps some of a part, and checks the checksum that comes with the last one.
 */
export interface SessionProxy extends AsyncDisposable {
  readonly url: string
  /** What happens to the next parts, one after the other; nothing to those behind the plan. */
  readonly setPlan: (faults: readonly (SessionFault | undefined)[]) => void
  /** Bytes of parts that came, those that were not kept included. */
  readonly receivedBytes: () => number
  readonly stop: () => Promise<void>
}

/** What the service knows of an upload. */
interface Session {
  bytes: number
  crc: number
  /** Its end, once it has one. */
  done?: Answer
}

interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Buffer
}

const UNIT_BYTES = 256 * 1024

export async function startSessionProxy(upstream: string): Promise<SessionProxy> {
  const sessions = new Map<string, Session>()
  let plan: (SessionFault | undefined)[] = []
  let receivedBytes = 0

  /** Takes a part as far as it is kept; the store behind sees only that. */
  const takePart = async (
    request: IncomingMessage,
    session: Session,
    part: Part,
    fault: SessionFault | undefined,
  ): Promise<Answer> => {
    const { start, total } = part
    if (start !== session.bytes) return plainAnswer(400, `${start} does not follow ${session.bytes}`)
    const keepsSome = fault === 'keep-some' || fault === 'keep-some-told'
    const bytes = Buffer.from(
      part.bytes.subarray(
        0,
        keepsSome ? Math.floor(Math.min(part.bytes.length - 1, UNIT_BYTES) / UNIT_BYTES) * UNIT_BYTES : undefined,
      ),
    )
    if (fault === 'damage') bytes[0]! ^= 1
    session.crc = crc32c(bytes, session.crc)
    session.bytes += bytes.length
    const isLast = total !== undefined && session.bytes === total
    const told = /crc32c=([^,\s]+)/u.exec(String(request.headers['x-goog-hash'] ?? ''))?.[1]
    if (isLast && told !== undefined && Buffer.from(told, 'base64').readUInt32BE() !== session.crc) {
      session.done = plainAnswer(404, 'gone')
      return plainAnswer(400, 'the crc32c does not match')
    }
    const range = bytes.length === 0 ? `bytes */${total}` : `bytes ${start}-${start + bytes.length - 1}/${isLast ? total : '*'}`
    if (!isLast && bytes.length === 0) return progressOf(session)
    const answer = await forward(upstream, request, bytes, { 'content-range': range })
    if (isLast) session.done = answer
    return isLast ? answer : progressOf(session)
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const id = new URL(request.url ?? '/', upstream).searchParams.get('upload_id')
    const body = await buffer(request)
    if (request.method !== 'PUT' || id === null) {
      send(response, await forward(upstream, request, body, {}))
      return
    }
    const session: Session = sessions.get(id) ?? { bytes: 0, crc: 0 }
    sessions.set(id, session)
    const part = partOf(request, body)
    if (session.done !== undefined || part === undefined) {
      send(response, session.done ?? progressOf(session))
      return
    }
    receivedBytes += body.length
    const fault = plan.shift()
    if (fault === 'refuse') {
      send(response, plainAnswer(503, 'later'))
      return
    }
    if (fault === 'drop') {
      request.socket.resetAndDestroy()
      return
    }
    const answer = await takePart(request, session, part, fault)
    if (fault === 'keep-some' || fault === 'lose') request.socket.resetAndDestroy()
    else send(response, answer)
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => request.socket.resetAndDestroy())
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const stop = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise((closed) => server.close(closed))
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setPlan: (faults) => void (plan = [...faults]),
    receivedBytes: () => receivedBytes,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

interface Part {
  readonly start: number
  readonly total: number | undefined
  readonly bytes: Buffer
}

/** The part that a request carries; undefined where it asks how far the upload has come. */
function partOf({ headers }: IncomingMessage, bytes: Buffer): Part | undefined {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/u.exec(headers['content-range'] ?? '') ?? []
  if (start === undefined) return undefined
  return { start: Number(start), total: total === '*' ? undefined : Number(total), bytes }
}

const plainAnswer = (status: number, text: string): Answer => ({ status, headers: {}, body: Buffer.from(text) })

const progressOf = ({ bytes }: Session): Answer => ({
  status: 308,
  headers: bytes === 0 ? {} : { range: `bytes=0-${bytes - 1}` },
  body: Buffer.alloc(0),
})

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': body.length }).end(body)
}

/** The answer of the server behind to the request with this body. */
async function forward(
  upstream: string,
  { method, url, headers }: IncomingMessage,
  body: Buffer,
  changed: Record<string, string>,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const sent = { ...headers, ...changed, 'content-length': String(body.length) }
  const onward = requestHttp(upstream + (url ?? ''), { method: method ?? 'GET', headers: sent, agent: false })
  onward.on('response', resolve).on('error', reject)
  onward.end(body)
  const answer = await promise
  const kept = ['location', 'range', 'content-type', 'x-goog-hash'].flatMap((name) => {
    const value = answer.headers[name]
    return typeof value === 'string' ? [[name, value]] : []
  })
  return {
    status: answer.statusCode ?? 502,
    headers: Object.fromEntries(kept) as Record<string, string>,
    body: await buffer(answer),
  }
}
