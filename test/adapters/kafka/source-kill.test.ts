import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../../src/adapters/file/store.ts'
import { type KafkaSourceOptions, openKafkaSource } from '../../../src/adapters/kafka/source.ts'
import { verifyArchive } from '../../../src/commit/verify.ts'
import { until } from '../../live/until.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { archivedCommits, archivedCount, archivedMessages } from './source-archive.ts'
import { kafkaJs, quick } from './source-fixtures.ts'

const PARTITIONS = 6

describe.skipIf(serverMissing('kafka') !== undefined)('archivers of Kafka that are killed or stand still', () => {
  let kafka: Kafka
  beforeAll(async () => {
    const properties = {
      'group.consumer.min.session.timeout.ms': '2000',
      'group.consumer.session.timeout.ms': '3000',
      'group.consumer.min.heartbeat.interval.ms': '200',
      'group.consumer.heartbeat.interval.ms': '500',
      'group.min.session.timeout.ms': '1000',
    }
    kafka = await startKafka({ properties })
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  it.each([
    ['classic', 'SIGKILL'],
    ['classic', 'SIGSTOP'],
    ['consumer', 'SIGKILL'],
    ['consumer', 'SIGSTOP'],
  ] as const)('lose and double nothing, and others take their lanes (%s, %s)', async (groupProtocol, signal) => {
    const topic = `killed-${randomBytes(4).toString('hex')}`
    await kafka.createTopic(topic, { partitions: PARTITIONS })
    const path = await mkdtemp(join(tmpdir(), 'millpond-kafka-kill-'))
    await using store = await openFileStore({ path, create: true })
    const options: KafkaSourceOptions = {
      brokers: [kafka.bootstrap],
      topics: [topic],
      group: topic,
      groupProtocol,
      ...quick,
      sessionTimeoutMs: 3000,
    }
    const children: ChildProcess[] = []
    const start = async () => {
      const file = join(import.meta.dirname, 'source-child.ts')
      const child = spawn(process.execPath, [file, path, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
      children.push(child)
      await once(child.stdout, 'data')
    }
    const producer = kafkaJs(kafka.bootstrap).producer()
    await producer.connect()
    let sent = 0
    let isOver = false
    const producing = (async () => {
      while (!isOver) {
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const messages = Array.from({ length: 5 }, () => ({ value: String(sent++), partition }))
          await producer.send({ topic, messages })
        }
      }
    })()
    const writers = async () => new Set((await archivedCommits(store)).map(({ writer }) => writer.split('-')[0]))
    try {
      await start()
      await start()
      await until(async () => (await writers()).size === 2, 'commits of both')
      children[0]!.kill(signal)
      const before = new Map((await archivedCommits(store)).map(({ lane, nextPosition }) => [lane, nextPosition]))
      const isAhead = async () => {
        const now = new Map((await archivedCommits(store)).map(({ lane, nextPosition }) => [lane, nextPosition]))
        return now.size === PARTITIONS && [...now].every(([lane, next]) => next > (before.get(lane) ?? 0))
      }
      await until(isAhead, 'every lane to go on')
      // A process that stood still takes itself for the owner until it is told otherwise.
      if (signal === 'SIGSTOP') children[0]!.kill('SIGCONT')
      else await start()
      isOver = true
      await producing
      await until(async () => (await archivedCount(store)) >= sent, 'all messages')
    } finally {
      isOver = true
      await producing
      await producer.disconnect()
      for (const child of children) child.kill('SIGTERM')
      const alive = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
      await Promise.all(alive.map((child) => once(child, 'exit')))
    }
    const archived = await archivedMessages(store)
    expect(archived.map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, i) => i))
    await using source = await openKafkaSource({ ...options, group: `${topic}-verify` })
    const report = await verifyArchive(store, { against: source })
    expect(report.problems).toEqual([])
    expect(report.compared).toBe(sent)
    await rm(path, { recursive: true })
  })
})
