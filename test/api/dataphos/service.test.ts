import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProgram, serve, type Served } from '../../live/program.ts'
import { until } from '../../live/until.ts'
import { freePorts } from '../../servers/process.ts'

let dir: string
let served: Served
let [indexer, resubmitter]: readonly number[] = []
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-dataphos-'))
  ;[indexer, resubmitter] = await freePorts(2)
  const config = `archive: { rotate: { idle: 50ms } }
dataphos:
  enabled: true
  indexer: { port: ${indexer} }
  resubmitter: { port: 1 }
`
  await writeFile(join(dir, 'millpond.yaml'), config)
  served = await serve(dir, [], { env: { RSB_SERVER_ADDRESS: `:${resubmitter}`, TOPIC_ID: 'again', CONN: 'mongodb://secret' } })
})
afterAll(async () => {
  await served.stop()
  await rm(dir, { recursive: true })
})

const totalOf = async (broker: string): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${indexer}/range/indexer_collection/${broker}`)
  return ((await response.json()) as { total_count: number }).total_count
}

describe('millpond serve with the interfaces of Dataphos', () => {
  it('takes, indexes and resubmits messages, which are archived where they went', async () => {
    const lines = Array.from({ length: 50 }, (_, i) => JSON.stringify({ key: `k${i % 5}`, value: i, headers: { n: String(i) } }))
    const headers = { 'content-type': 'application/x-ndjson' }
    const put = await fetch(`${served.url}/topics/orders/messages`, { method: 'POST', headers, body: lines.join('\n') })
    expect(put.status).toBe(200)
    await until(async () => (await totalOf('orders')) === 50, 'all messages to be in the index', 60_000)
    const body = JSON.stringify({ filters: [{ ordering_key: 'k1' }, { 'additional_metadata.n': '0' }] })
    const answer = await fetch(`http://127.0.0.1:${resubmitter}/query/indexer_collection`, { method: 'POST', body })
    expect(await answer.json()).toMatchObject({ status: 200, summary: { indexed_count: 11, published_count: 11 } })
    await until(async () => (await totalOf('again')) === 11, 'what was resubmitted to be in the index', 60_000)
    const jobs = JSON.parse(
      (await runProgram(['jobs', 'list', '--dir', dir, '--json'])).stdout.toString().split('\n')[0]!,
    ) as object
    expect(jobs).toMatchObject({ id: answer.headers.get('x-millpond-jobs'), state: 'done' })
  })

  it('names variables without a meaning, without their values', async () => {
    await until(() => served.log().includes('CONN has no meaning here'), 'the log to say it')
    expect(served.log()).not.toContain('secret')
  })
})
