import { connect as connectTcp, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import type * as Kafka from '@platformatic/kafka'
import { protocol } from './protocol.ts'

/** Oldest and newest version of each API that a broker speaks, by the API's key. */
export type ApiRanges = ReadonlyMap<number, { readonly oldest: number; readonly newest: number }>

/** A connection over which requests of the protocol layer go; its answers come in the order of the requests. */
export interface Connection {
  /** What the protocol layer's APIs call. */
  readonly send: Kafka.Connection['send']
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>
  close(): void
}

export interface ConnectionOptions {
  readonly clientId: string
  readonly host: string
  readonly port: number
  readonly tls: TlsOptions | undefined
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  /** Bytes that are read from the socket at a time. */
  readonly readBytes: number
  /** Large answers come in memory that the next one comes in too: parsers must copy what they keep. */
  readonly reusesAnswers: boolean
}

/** An answer begins with its length and the number of its request. */
const LENGTH_BYTES = 4
const CORRELATION_BYTES = 4
/** Answers up to here are small enough for each to have its own memory. */
const SMALL_ANSWER_BYTES = 64 * 1024
/** Larger memory is not kept for the next answer. */
const MAX_KEPT_ANSWER_BYTES = 16 * 1024 * 1024
/** Larger pieces of a request are not copied. */
const SMALL_PIECE_BYTES = 16 * 1024

/** What is done with the answer of a request. */
interface Pending {
  readonly take: (answer: Buffer) => void
  readonly fail: (error: Error) => void
}

/**
 * Connects, by TLS where that is set; authentication is the caller's.
 * @throws NetworkError, TimeoutError of the protocol layer.
 */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const pending = new Map<number, Pending>()
  const answers = createAnswers(options.reusesAnswers, (answer) => {
    const number = answer.readInt32BE()
    const request = pending.get(number)
    if (request === undefined) throw new protocol.NetworkError(`an answer to request ${number}, which was not made`)
    pending.delete(number)
    request.take(answer)
  })
  let isBegun = false
  let failure: Error | undefined
  const fail = (error: Error) => {
    failure ??= error
    socket.destroy()
  }
  const onRead = (bytes: Buffer) => {
    try {
      if (!isBegun && options.tls === undefined && isTlsRecord(bytes)) throw new protocol.UserError('Broker requires TLS.')
      isBegun = true
      answers.read(bytes)
    } catch (error) {
      fail(error as Error)
    }
  }
  const socket = await openSocket(options, onRead)
  const closed = Promise.withResolvers<void>()
  socket.on('error', (cause) => fail(new protocol.NetworkError('Connection error', { cause })))
  socket.once('close', () => {
    closed.resolve()
    const error = failure ?? new protocol.NetworkError('Connection closed')
    for (const request of pending.values()) request.fail(error)
    pending.clear()
  })
  let number = 0
  const send: Connection['send'] = (apiKey, apiVersion, createPayload, parse, hasRequestTags, hasResponseTags, callback) => {
    if (socket.destroyed) return callback(failure ?? new protocol.NetworkError('Connection closed'), undefined)
    number = (number + 1) & 0x7fff_ffff
    const own = number
    // What cannot be written is no request: nothing waits for its answer.
    const writer = protocol.Writer.create().appendInt16(apiKey).appendInt16(apiVersion).appendInt32(own)
    writer.appendString(options.clientId, false)
    if (hasRequestTags) writer.appendTaggedFields()
    writer.appendFrom(createPayload() as Kafka.Writer).prependLength()
    const timer = setTimeout(() => {
      pending.delete(own)
      callback(new protocol.TimeoutError('Request timed out', { canRetry: true }), undefined)
      // What comes next belongs to a request that nobody waits for.
      fail(new protocol.NetworkError('Connection closed'))
    }, options.requestTimeoutMs)
    pending.set(own, {
      take(answer) {
        clearTimeout(timer)
        parseAnswer(
          answer,
          CORRELATION_BYTES + (hasResponseTags ? 1 : 0),
          (reader) => parse(own, apiKey, apiVersion, reader),
          callback,
        )
      },
      fail(error) {
        clearTimeout(timer)
        callback(error, undefined)
      },
    })
    writePieces(socket, writer.buffers)
  }
  return { send, closed: closed.promise, close: () => fail(new protocol.NetworkError('Connection closed')) }
}

function parseAnswer<T>(
  answer: Buffer,
  headBytes: number,
  parse: (reader: Kafka.Reader) => T | Promise<T>,
  callback: (error: Error | null, answer: T | undefined) => void,
): void {
  let parsed: T
  try {
    const read = parse(protocol.Reader.from(answer.subarray(headBytes)))
    if (read instanceof Promise) throw new protocol.UserError('parsers have to answer at once')
    parsed = read
  } catch (error) {
    callback(error as Error, undefined)
    return
  }
  callback(null, parsed)
}

/** Connects a socket whose bytes go to `onRead`; they are there for the call alone. */
async function openSocket(options: ConnectionOptions, onRead: (bytes: Buffer) => void): Promise<Socket> {
  const { host, port, tls, connectTimeoutMs, readBytes } = options
  const buffer = Buffer.allocUnsafeSlow(readBytes)
  const onread: OnReadOpts = {
    buffer,
    callback(count) {
      onRead(buffer.subarray(0, count))
      return true
    },
  }
  const connected = Promise.withResolvers<void>()
  const socket = tls === undefined ? connectTcp({ host, port, onread }) : connectTls({ ...tls, host, port, onread } as TlsOptions)
  const timer = setTimeout(() => {
    connected.reject(new protocol.TimeoutError(`Connection to ${host}:${port} timed out.`, { canRetry: true }))
  }, connectTimeoutMs)
  socket.once('error', connected.reject)
  socket.once('close', () => connected.reject(new protocol.NetworkError('Connection closed')))
  socket.once(tls === undefined ? 'connect' : 'secureConnect', () => connected.resolve())
  socket.setNoDelay(true)
  try {
    await connected.promise
  } catch (cause) {
    socket.destroy()
    if (cause instanceof protocol.TimeoutError) throw cause
    throw new protocol.NetworkError(`Connection to ${host}:${port} failed.`, { cause: cause as Error })
  } finally {
    clearTimeout(timer)
    socket.off('error', connected.reject)
  }
  return socket
}

/** Puts answers together as they come in pieces, each without its length. */
function createAnswers(reusesAnswers: boolean, take: (answer: Buffer) => void) {
  const head = Buffer.alloc(LENGTH_BYTES)
  let headBytes = 0
  let answer: Buffer | undefined
  let filled = 0
  let spare = Buffer.alloc(0)

  const open = (bytes: number): Buffer => {
    const isKept = reusesAnswers && bytes > SMALL_ANSWER_BYTES && bytes <= MAX_KEPT_ANSWER_BYTES
    if (!isKept) return Buffer.allocUnsafe(bytes)
    if (spare.byteLength < bytes) spare = Buffer.allocUnsafeSlow(bytes)
    return spare.subarray(0, bytes)
  }
  return {
    read(bytes: Buffer): void {
      for (let at = 0; at < bytes.byteLength;) {
        if (answer === undefined) {
          const copied = bytes.copy(head, headBytes, at)
          at += copied
          headBytes += copied
          if (headBytes < LENGTH_BYTES) return
          headBytes = 0
          const length = head.readInt32BE()
          if (length < CORRELATION_BYTES) throw new protocol.NetworkError(`an answer of ${length} bytes`)
          answer = open(length)
          filled = 0
        }
        const copied = bytes.copy(answer, filled, at)
        at += copied
        filled += copied
        if (filled < answer.byteLength) return
        const whole = answer
        answer = undefined
        take(whole)
      }
    },
  }
}

/** Writes them in one go: small ones joined, so that they are few. */
function writePieces(socket: Socket, pieces: readonly Buffer[]): void {
  socket.cork()
  for (let from = 0, to = 0; from < pieces.length; from = to) {
    const isLarge = pieces[to]!.byteLength > SMALL_PIECE_BYTES
    do to++
    while (!isLarge && to < pieces.length && pieces[to]!.byteLength <= SMALL_PIECE_BYTES)
    socket.write(to === from + 1 ? pieces[from]! : Buffer.concat(pieces.slice(from, to)))
  }
  socket.uncork()
}

/** Source: RFC 8446, 5.1: type and version of a record. */
const isTlsRecord = (bytes: Buffer): boolean =>
  bytes.byteLength >= 3 && bytes[0]! >= 0x14 && bytes[0]! <= 0x17 && bytes[1] === 3 && bytes[2]! <= 4
