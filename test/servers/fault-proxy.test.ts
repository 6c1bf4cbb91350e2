import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../live/until.ts'
import { type Fault, type FaultProxy, startFaultProxy } from './fault-proxy.ts'

const BODY = 'x'.repeat(10_000)
let store: Server
let seen: string[]
let proxy: FaultProxy
beforeEach(async () => {
  seen = []
  store = createServer((request, response) => {
    void text(request).then((body) => {
      seen.push(`${request.method} ${request.url} ${request.headers.host} ${body}`)
      response.writeHead(201, { 'content-length': BODY.length, 'x-of-store': 'yes' }).end(BODY)
    })
  }).listen(0, '127.0.0.1')
  await once(store, 'listening')
  proxy = await startFaultProxy(`http://127.0.0.1:${(store.address() as AddressInfo).port}`, 7)
})
afterEach(async () => {
  await proxy.stop()
  store.close()
})

const put = (path = '/a?b=%20c') => fetch(proxy.url + path, { method: 'PUT', body: 'hello' })
const host = () => proxy.url.replace('http://', '')

describe('the fault proxy', () => {
  it('passes requests and answers on as they are', async () => {
    const response = await put()
    expect([response.status, response.headers.get('x-of-store'), await response.text()]).toEqual([201, 'yes', BODY])
    expect(seen).toEqual([`PUT /a?b=%20c ${host()} hello`])
    expect(proxy.counts()).toMatchObject({ requests: 1, reset: 0 })
  })

  it.each([
    { fault: 'status-500', status: 500 },
    { fault: 'status-503', status: 503 },
  ] as const)('answers for the store with $status', async ({ fault, status }) => {
    proxy.setPlan({ share: 1, faults: [fault] })
    expect((await put()).status).toBe(status)
    expect(seen).toEqual([])
  })

  it.each([
    { fault: 'reset', times: 0 },
    { fault: 'lost-answer', times: 1 },
    { fault: 'cut-answer', times: 1 },
  ] as const)('breaks the connection of $fault, when the store has seen the request $times times', async ({ fault, times }) => {
    proxy.setPlan({ share: 1, faults: [fault] })
    await expect(put().then((response) => response.text())).rejects.toThrow(/fetch failed|terminated/u)
    expect(seen).toHaveLength(times)
    proxy.setPlan(undefined)
    expect((await put()).status).toBe(201)
  })

  it('gives the head and a part of an answer that it cuts', async () => {
    proxy.setPlan({ share: 1, faults: ['cut-answer'] })
    expect((await put()).status).toBe(201)
  })

  it.each([
    { fault: 'hang', delayMs: 1 },
    { fault: 'slow', delayMs: 600_000 },
  ] as const)('keeps a request from the store as long as $fault says', async ({ fault, delayMs }) => {
    proxy.setPlan({ share: 1, faults: [fault], delayMs })
    const leave = new AbortController()
    const waiting = fetch(proxy.url, { signal: leave.signal })
    await until(() => proxy.counts()[fault] === 1, 'the request to wait')
    leave.abort()
    await expect(waiting).rejects.toThrow('abort')
    expect(seen).toEqual([])
  })

  it('lets a slow request through in the end', async () => {
    proxy.setPlan({ share: 1, faults: ['slow'], delayMs: 20 })
    expect((await put()).status).toBe(201)
    expect([seen.length, proxy.counts().slow]).toEqual([1, 1])
  })

  it('meets the share of requests that the plan names, of those that it is for, the same with the same seed', async () => {
    const statuses = async () => {
      await using again = await startFaultProxy(`http://127.0.0.1:${(store.address() as AddressInfo).port}`, 11)
      again.setPlan({ share: 0.3, faults: ['status-500', 'status-503'] satisfies Fault[], applies: (method) => method === 'PUT' })
      const all: number[] = []
      for (let i = 0; i < 100; i += 1) {
        const response = await fetch(again.url, { method: i % 2 === 0 ? 'PUT' : 'POST', body: 'x' })
        await response.text()
        all.push(response.status)
      }
      return all
    }
    const first = await statuses()
    expect(await statuses()).toEqual(first)
    expect(first.filter((_, i) => i % 2 === 1)).toEqual(Array(50).fill(201))
    const met = first.filter((status) => status >= 500).length
    expect(met).toBeGreaterThan(5)
    expect(met).toBeLessThan(25)
    expect(new Set(first)).toEqual(new Set([201, 500, 503]))
  })
})
