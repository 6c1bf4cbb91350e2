import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postTaken } from '../live/messages.ts'
import { configure, serve, type Served } from '../live/program.ts'
import { until } from '../live/until.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { type Kafka, startKafka } from '../servers/kafka.ts'
import { serverMissing } from '../servers/missing.ts'

interface PartState {
  readonly state: string
  readonly why: string
}

const sourceOf = async ({ url }: Served): Promise<PartState | undefined> => {
  const report = (await (await fetch(`${url}/readyz`)).json()) as { parts: Record<string, PartState> }
  return report.parts['source']
}

describe.skipIf(serverMissing('kafka') !== undefined)('serve, while Kafka is away', () => {
  let kafka: Kafka
  let dir: string
  beforeAll(async () => {
    kafka = await startKafka()
    dir = await mkdtemp(join(tmpdir(), 'millpond-outage-'))
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true })
    await kafka?.stop()
  })

  it('is amber with the reason, tells it in few lines, and is green again when Kafka is back', async () => {
    const partitions = 50
    await kafka.createTopic('orders', { partitions })
    await configure(dir, {
      source: { type: 'kafka', topics: ['orders'], group: 'pond' },
      kafka: { brokers: [kafka.bootstrap], sessionTimeout: '6s' },
      store: { type: 'file', path: 'archive' },
      archive: { rotate: { idle: '300ms' } },
      log: { level: 'info' },
    })
    const served = await serve(dir)
    const messages = Array.from({ length: 200 }, (_, i) => ({ key: `key ${i}`, value: i }))
    await postTaken(served, 'orders', messages)
    const isArchived = async () =>
      (await (await fetch(`${served.url}/metrics`)).text()).includes('millpond_messages_archived_total{topic="orders"} 200')
    await until(isArchived, 'the messages to be archived')
    expect((await sourceOf(served))?.state).toBe('green')
    await kafka.kill()
    await until(async () => {
      const { state, why } = (await sourceOf(served)) ?? { state: '', why: '' }
      return state === 'amber' && why.includes('tries again: BROKER_UNAVAILABLE') && why.includes('more)')
    }, 'trouble of the source to show')
    await kafka.start()
    await until(async () => (await sourceOf(served))?.state === 'green', 'the trouble to be over', 60_000)
    const { stderr, exitCode } = await served.stop()
    expect(exitCode).toBe(0)
    const lines = stderr.split('\n').filter((line) => line.startsWith('{'))
    const told = lines.map((line) => JSON.parse(line) as { level: string; msg: string; lanes?: number })
    const warned = told.filter(({ level, msg }) => level === 'warn' && msg.includes('is tried again: '))
    // Far fewer lines than lanes: a few reasons each.
    expect(warned.length).toBeGreaterThan(0)
    expect(warned.length).toBeLessThan(15)
    expect(warned.some(({ msg }) => msg.startsWith('reading is tried again: '))).toBe(true)
    expect(told.some(({ level, msg }) => level === 'info' && msg.startsWith('reading goes on; '))).toBe(true)
  }, 120_000)
})
