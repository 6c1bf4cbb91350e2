import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ANYBODY, type Caller } from '../../src/api/access.ts'
import { gateFor } from '../../src/api/auth/safety.ts'
import { createMetrics } from '../../src/api/metrics.ts'
import { createReadiness } from '../../src/api/readiness.ts'
import { createServer } from '../../src/api/server.ts'
import { findFunction } from '../../src/wiring/functions.ts'
import { laneOf, openScene, type Scene } from '../replay/archives.ts'

const MiB = 1024 * 1024

/** Callers, by the header `x-test-caller`. */
const callers: Readonly<Record<string, Caller>> = {
  replayer: { name: 'replayer', may: (scope, topic) => scope === 'replay' && (topic === 'orders' || topic === 'again') },
  reader: { name: 'reader', may: (scope) => scope === 'read' },
}

/** Takes everybody for whom the header names, or for anybody. */
const gate: ReturnType<typeof gateFor> = {
  ...gateFor(undefined),
  authenticate: ({ headers }) => ({ ...(callers[String(headers['x-test-caller'])] ?? ANYBODY), via: 'key' }),
}

/** A service of replay jobs over an archive in memory. */
export interface JobsScene extends AsyncDisposable {
  readonly scene: Scene
  readonly url: string
  /** Where functions lie. */
  readonly folder: string
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>
}

/** The answer as JSON. */
export const jsonOf = async <T>(response: Response | Promise<Response>) => (await (await response).json()) as T

export async function openJobsScene(nowMs: () => number = Date.now): Promise<JobsScene> {
  const folder = await mkdtemp(join(tmpdir(), 'millpond-jobs-http-'))
  const scene = await openScene([laneOf('orders', '0', 95), laneOf('orders', '1', 30, 1000), laneOf('other', '0', 20)])
  const nowhere = () => Promise.reject(new Error('nothing is put here'))
  const server = createServer(
    {
      append: nowhere,
      directory: { brokers: nowhere, topics: nowhere, topic: nowhere, range: nowhere },
      jobs: {
        jobs: scene.jobs,
        index: scene.archive.index,
        source: { kind: 'local', archives: () => false },
        findFunction: (name) => findFunction(folder, name),
      },
      readiness: createReadiness(),
      metrics: createMetrics(),
      observe: () => Promise.resolve(),
      nowMs,
      onError: () => undefined,
    },
    {
      safety: { gate, tls: undefined },
      maxBodyBytes: MiB,
      maxMessageBytes: MiB,
      maxConnections: 100,
      requestTimeoutMs: 60_000,
    },
  )
  await server.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`
  return {
    scene,
    url,
    folder,
    send: (method, path, body, headers = {}) =>
      fetch(`${url}${path}`, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    async [Symbol.asyncDispose]() {
      server.server.closeAllConnections()
      await server.close()
      await scene[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}
