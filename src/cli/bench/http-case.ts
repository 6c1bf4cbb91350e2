import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { writeJsonLines } from '../../encode/json-lines.ts'
import { createMessageGenerator } from './messages.ts'
import { TOPIC } from './prepare.ts'

/** How the load of a case looks. */
export interface LoadShape {
  readonly connections: number
  /** Messages of one request. */
  readonly lines: number
}

export const loadShapes: Readonly<Record<'http-batch' | 'http-single', LoadShape>> = {
  'http-batch': { connections: 16, lines: 500 },
  'http-single': { connections: 64, lines: 1 },
}

/** Requests that are made beforehand and sent in turn. */
const REQUEST_COUNT = 64

/**
 * Sends messages over keep-alive connections, on each the next request when the one before was answered, until `messages` were
 * acknowledged. Plain sockets: the client must cost less than the server that it measures. Gives the time it took, ms.
 */
export async function sendLoad(url: string, shape: LoadShape, messages: number): Promise<number> {
  const { hostname, port } = new URL(url)
  const generator = createMessageGenerator({ ids: false, messagesPerMs: 1 })
  const requests = Array.from({ length: REQUEST_COUNT }, (_, i) =>
    requestOf(generator.batch(i * shape.lines, shape.lines), hostname),
  )
  let left = Math.ceil(messages / shape.lines)
  let turn = 0
  const start = performance.now()
  const sendAll = async () => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    const answered = answersOf(socket)
    while (left > 0) {
      left -= 1
      socket.write(requests[turn++ % REQUEST_COUNT]!)
      await answered()
    }
    socket.destroy()
  }
  await Promise.all(Array.from({ length: shape.connections }, sendAll))
  return performance.now() - start
}

function requestOf(batch: Parameters<typeof writeJsonLines>[0], host: string): Uint8Array {
  const body = writeJsonLines(batch, { topic: TOPIC, lane: '0' })
  const head =
    `POST /topics/${TOPIC}/messages HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/x-ndjson\r\n` +
    `content-length: ${body.byteLength}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** A function that resolves with each next answer; one other than 200 is an error. */
function answersOf(socket: Socket): () => Promise<void> {
  let received = ''
  let waiting = Promise.withResolvers<void>()
  // Nobody waits for an answer once all were taken.
  waiting.promise.catch(() => undefined)
  const fail = (error: Error) => waiting.reject(error)
  socket.setEncoding('latin1')
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))
  socket.on('data', (text: string) => {
    received += text
    const headEnd = received.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const length = /\r\ncontent-length: (\d+)/iu.exec(received.slice(0, headEnd))
    if (received.length < headEnd + 4 + Number(length?.[1] ?? 0)) return
    const answer = received
    received = ''
    if (answer.startsWith('HTTP/1.1 200')) waiting.resolve()
    else fail(new Error(`the server answered ${answer.slice(0, 200)}`))
  })
  return async () => {
    await waiting.promise
    waiting = Promise.withResolvers<void>()
    waiting.promise.catch(() => undefined)
  }
}
