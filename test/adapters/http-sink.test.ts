import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { retryAfterMs } from '../../src/adapters/http/post.ts'
import type { HttpSinkOptions } from '../../src/adapters/http/sink.ts'
import { openHttpSink } from '../../src/adapters/http/sink.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import { batchOf } from '../../src/batch/builder.ts'
import type { Message } from '../../src/batch/view.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { parseJsonLines } from '../../src/encode/json-lines.ts'
import { partialOf } from '../../src/sink/partial.ts'
import type { SinkTarget } from '../../src/sink/sink.ts'

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
}

const target: SinkTarget = { topic: 'in', origin: { topic: 'orders été', lane: '3' }, job: 'job-1' }
const signal = new AbortController().signal

const messages = (count: number, from = 0): MessageInput[] =>
  Array.from({ length: count }, (_, i) => ({ position: from + i, timestamp: 1000 + i, key: `k${i}`, value: `{"n":${from + i}}` }))

/** Undoes `percentText`. */
function unescape(text: string): Uint8Array {
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '%') {
      bytes.push(Number.parseInt(text.slice(i + 1, i + 3), 16))
      i += 2
    } else bytes.push(text.charCodeAt(i))
  }
  return Uint8Array.from(bytes)
}

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** The message that a raw request carried, by its documented headers. */
function messageOf({ headers, body }: Received): Message {
  const key = headers['millpond-key']
  const listed: Message['headers'][number][] = []
  for (let n = 0; headers[`millpond-header-${n}`] !== undefined; n++) {
    const [name, value] = String(headers[`millpond-header-${n}`]).split(/=(.*)/su)
    listed.push({ name: textOf(unescape(name!)), value: value === undefined ? null : unescape(value) })
  }
  const encoding = headers['millpond-key-encoding'] === 'base64url' ? 'base64url' : 'latin1'
  return {
    position: Number(headers['millpond-origin-position']),
    timestamp: Number(headers['millpond-timestamp']),
    key: key === undefined ? null : new Uint8Array(Buffer.from(String(key), encoding)),
    value: headers['millpond-value'] === 'null' ? null : new Uint8Array(body),
    id: headers['millpond-id'] === undefined ? null : textOf(unescape(String(headers['millpond-id']))),
    headers: listed,
  }
}

describe('the HTTP sink', () => {
  let server: Server
  let url: string
  let received: Received[]
  let answer: (request: Received, response: ServerResponse, incoming: IncomingMessage) => void

  beforeEach(async () => {
    received = []
    answer = (_, response) => response.end('ok')
    server = createServer((incoming, response) => {
      void buffer(incoming).then((body) => {
        const request = { headers: incoming.headers, body: new Uint8Array(body) }
        received.push(request)
        answer(request, response, incoming)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`
  })
  afterEach(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  const open = (options: Partial<HttpSinkOptions> = {}) =>
    openHttpSink({ url, body: 'json', firstDelayMs: 1, retries: 2, timeoutMs: 5000, ...options })
  const positionsOf = ({ body }: Received) =>
    [...textOf(body).matchAll(/"position":(\d+)/gu)].map(([, position]) => Number(position))

  it('posts JSON lines that lose nothing, in order, in requests of so many messages', async () => {
    await using sink = await open({ maxBatchCount: 40, headers: { authorization: 'Bearer secret' } })
    const batch = batchOf(messages(100))
    expect(await sink.write(target, batch, signal)).toEqual({ delivered: 100, failed: [] })
    expect(received.map((request) => positionsOf(request).length)).toEqual([40, 40, 20])
    expect(received[0]!.headers).toMatchObject({ 'content-type': 'application/x-ndjson', authorization: 'Bearer secret' })
    const sent = parseJsonLines(new Uint8Array(Buffer.concat(received.map(({ body }) => body))), {
      mode: 'envelope',
      nowMs: 0,
      maxMessageBytes: 1024 * 1024,
    })
    expect([...messagesOf(sent)]).toEqual([...messagesOf(batch)])
    expect(textOf(received[0]!.body)).toContain('{"topic":"orders été","lane":"3","position":0')
  })

  it('cuts requests of JSON lines at a megabyte', async () => {
    await using sink = await open()
    const value = `"${'x'.repeat(700_000)}"`
    await sink.write(target, batchOf([1, 2, 3].map((position) => ({ position, timestamp: 0, value }))), signal)
    expect(received.map(positionsOf)).toEqual([[1, 2], [3]])
  })

  it('carries any message raw, in order, so that nothing is lost', async () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 30 }))
    const header = fc.record({ name: fc.string({ unit: 'binary', maxLength: 10 }), value: bytes })
    const message = fc.record({
      timestamp: fc.integer(),
      key: fc.oneof(bytes, fc.constantFrom(new Uint8Array(0), new TextEncoder().encode('plain%key=1'))),
      value: bytes,
      id: fc.option(fc.string({ unit: 'binary' })),
      headers: fc.array(header, { maxLength: 4 }),
    })
    await using sink = await open({ body: 'raw' })
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 5 }), async (list) => {
        received.length = 0
        const batch = batchOf(list.map((one, position) => Object.assign({ position }, one)))
        expect(await sink.write(target, batch, signal)).toEqual({ delivered: batch.count, failed: [] })
        expect(received.map(messageOf)).toEqual([...messagesOf(batch)])
      }),
      { numRuns: 60 },
    )
    expect(received[0]!.headers).toMatchObject({
      'millpond-topic': 'in',
      'millpond-origin-topic': 'orders%20%C3%A9t%C3%A9',
      'millpond-origin-lane': '3',
      'millpond-replay-job': 'job-1',
      'content-type': 'application/octet-stream',
    })
  })

  it('keeps its connection', async () => {
    const sockets = new Set<unknown>()
    answer = (_, response, incoming) => {
      sockets.add(incoming.socket)
      response.end('x'.repeat(1000))
    }
    await using sink = await open({ body: 'raw' })
    await sink.write(target, batchOf(messages(20)), signal)
    expect(sockets.size).toBe(1)
  })

  it('reports a message that is refused, and goes on behind it', async () => {
    answer = (request, response) => {
      const isBad = messageOf(request).position === 2
      response.writeHead(isBad ? 422 : 200).end(isBad ? `no\u001B[31m such\n field ${'x'.repeat(1000)}` : '')
    }
    await using sink = await open({ body: 'raw' })
    const { delivered, failed } = await sink.write(target, batchOf(messages(5)), signal)
    expect(delivered).toBe(4)
    expect(failed).toEqual([{ position: 2, reason: expect.stringMatching(/^status 422: no \[31m such field x+$/u) as string }])
    expect(failed[0]!.reason.length).toBeLessThan(220)
  })

  it('finds the refused ones among many by halving, and delivers the others once', async () => {
    const bad = new Set([0, 17, 18, 63])
    const taken: number[] = []
    answer = (request, response) => {
      const positions = positionsOf(request)
      const isRefused = positions.some((position) => bad.has(position))
      if (!isRefused) taken.push(...positions)
      response.writeHead(isRefused ? 400 : 204).end()
    }
    await using sink = await open()
    const { delivered, failed } = await sink.write(target, batchOf(messages(64)), signal)
    expect(failed).toEqual([...bad].map((position) => ({ position, reason: 'status 400' })))
    expect(delivered).toBe(60)
    expect(taken).toEqual(messages(64).flatMap(({ position }) => (bad.has(position) ? [] : [position])))
  })

  it.each([408, 429, 500, 502, 503, 504])('repeats what answers %d', async (status) => {
    answer = (_, response) => response.writeHead(received.length < 3 ? status : 200).end()
    await using sink = await open()
    expect(await sink.write(target, batchOf(messages(3)), signal)).toEqual({ delivered: 3, failed: [] })
    expect(received.map((request) => positionsOf(request).length)).toEqual([3, 3, 3])
  })

  it('waits as long as the server asks', async () => {
    const times: number[] = []
    answer = (_, response) => {
      times.push(performance.now())
      response.writeHead(times.length === 1 ? 503 : 200, { 'retry-after': '1' }).end()
    }
    await using sink = await open()
    await sink.write(target, batchOf(messages(1)), signal)
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990)
  })

  it('repeats when the connection breaks before an answer', async () => {
    answer = (_, response) => (received.length < 2 ? response.destroy() : response.end())
    await using sink = await open()
    expect(await sink.write(target, batchOf(messages(1)), signal)).toEqual({ delivered: 1, failed: [] })
  })

  it('gives up after its repetitions and says how far it came', async () => {
    answer = (request, response) => {
      const { position } = messageOf(request)
      response.writeHead(position === 1 ? 400 : position >= 3 ? 503 : 200).end()
    }
    await using sink = await open({ body: 'raw' })
    const error = await sink.write(target, batchOf(messages(6)), signal).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'DELIVERY_FAILED', retryable: true })
    expect(partialOf(error)).toEqual({ nextPosition: 3, delivered: 2, failed: [{ position: 1, reason: 'status 400' }] })
    expect(received.filter((request) => messageOf(request).position === 3)).toHaveLength(3)
  })

  it.each([301, 401, 403, 404, 405, 501])('takes %d as the word of the target about every message', async (status) => {
    answer = (_, response) => response.writeHead(status).end()
    await using sink = await open()
    const error = await sink.write(target, batchOf(messages(2)), signal).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'DELIVERY_FAILED', message: `${sink.name}: status ${status}` })
    expect(received).toHaveLength(1)
  })

  it('gives up on a server that does not answer in time', async () => {
    answer = () => undefined
    await using sink = await open({ timeoutMs: 50, retries: 0 })
    await expect(sink.write(target, batchOf(messages(1)), signal)).rejects.toThrow('no answer within 50 ms')
  })

  it('takes the status as the outcome though the rest of the answer never comes', async () => {
    answer = (_, response) => response.writeHead(200, { 'content-length': 10 }).write('part')
    await using sink = await open({ timeoutMs: 50 })
    expect(await sink.write(target, batchOf(messages(1)), signal)).toEqual({ delivered: 1, failed: [] })
    expect(received).toHaveLength(1)
  })

  it('drops an answer that does not end', async () => {
    answer = (_, response) => {
      response.on('error', () => undefined)
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      }
      response.on('drain', more)
      more()
    }
    await using sink = await open()
    expect(await sink.write(target, batchOf(messages(1)), signal)).toEqual({ delivered: 1, failed: [] })
  })

  it('stops at once when it is told to, during a request and during a pause', async () => {
    for (const reply of [
      () => undefined,
      (_: Received, response: ServerResponse) => response.writeHead(503, { 'retry-after': '60' }).end(),
    ]) {
      const stop = new AbortController()
      answer = (request, response) => {
        reply(request, response)
        setImmediate(() => stop.abort())
      }
      await using sink = await open({ body: 'raw' })
      const error = await sink.write(target, batchOf(messages(1)), stop.signal).catch((caught: unknown) => caught)
      expect(partialOf(error)).toEqual({ nextPosition: 0, delivered: 0, failed: [] })
    }
  })

  it('names its target without what may be secret, in errors too', async () => {
    await using sink = await open({
      url: 'http://user:secret@127.0.0.1:1/in?token=secret#secret',
      retries: 0,
      headers: { 'x-key': 'secret' },
    })
    expect(sink.name).toBe('http POST http://127.0.0.1:1/in')
    const error = await sink.write(target, batchOf(messages(1)), signal).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'DELIVERY_FAILED' })
    expect(String(error)).not.toContain('secret')
  })

  it('sends the user of the URL as basic authentication', async () => {
    await using sink = await open({ url: url.replace('//', '//us%40er:pass@') })
    await sink.write(target, batchOf(messages(1)), signal)
    expect(received[0]!.headers.authorization).toBe(`Basic ${Buffer.from('us@er:pass').toString('base64')}`)
  })

  it.each([
    { url: 'ftp://example.test/' },
    { url: 'nothing' },
    { headers: { 'bad name': 'x' } },
    { headers: { good: 'secret\nvalue' } },
  ])('refuses $url $headers', async (options) => {
    const error = await open(options).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'INPUT_INVALID' })
    expect(String(error)).not.toContain('secret')
  })
})

describe('retryAfterMs', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    ['Thu, 01 Jan 1970 00:01:00 GMT', 59_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', undefined],
    [undefined, undefined],
  ])('of %s is %s ms', (value, expected) => {
    expect(retryAfterMs(value, 1000)).toBe(expected)
  })
})
