import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { openHttpSink } from '../../src/adapters/http/sink.ts'
import { runReplay } from '../../src/replay/replay.ts'
import { laneOf, openScene } from './archives.ts'

interface Line {
  readonly lane: string
  readonly position: number
  readonly headers: readonly { readonly name: string; readonly value: string }[]
}

describe('a replay by HTTP', () => {
  it('comes through a server that is busy, breaks connections and refuses some, each lane in order', async () => {
    const taken = new Map<string, number[]>()
    const marks: (readonly [Line['headers'][number] | undefined, number])[] = []
    let requests = 0
    const server = createServer((incoming, response) => {
      void text(incoming).then((body) => {
        const turn = requests++ % 5
        if (turn === 1) return response.destroy()
        if (turn === 3) return response.writeHead(503, { 'retry-after': '0' }).end()
        const lines = body
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as Line)
        if (lines.some(({ position }) => position % 100 === 42)) return response.writeHead(422).end('no 42')
        for (const { lane, position, headers } of lines) {
          marks.push([headers.at(-1), position])
          taken.set(lane, [...(taken.get(lane) ?? []), position])
        }
        return response.end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`
    await using scene = await openScene([laneOf('orders', '0', 300), laneOf('orders', '1', 300)], { blockCount: 50 })
    await scene.plan({ query: {}, target: { kind: 'http', url } })
    await using sink = await openHttpSink({ url, body: 'json', maxBatchCount: 20, firstDelayMs: 1, retries: 1 })
    const retry = { maxAttempts: 20, firstDelayMs: 1, maxDelayMs: 5 }
    const { job } = await runReplay('job-1', { ...scene, sink, nowMs: Date.now, retry }, new AbortController().signal)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))

    expect(job).toMatchObject({ state: 'done', counts: { read: 600, delivered: 594, failed: 6 } })
    expect(job.failures.map(({ lane, position, reason }) => `${lane} ${position} ${reason}`).toSorted()).toEqual(
      ['0', '1'].flatMap((lane) => [142, 242, 42].map((position) => `${lane} ${position} status 422: no 42`)),
    )
    expect(marks).toEqual(marks.map(([, position]) => [{ name: 'millpond-origin-position', value: String(position) }, position]))
    const expected = Array.from({ length: 300 }, (_, i) => i).filter((position) => position % 100 !== 42)
    expect(Object.fromEntries(taken)).toEqual({ '0': expected, '1': expected })
  })
})
