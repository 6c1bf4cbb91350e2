import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../../src/adapters/file/store.ts'
import { type Cluster, openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { restoreTopic } from '../../../src/adapters/kafka/restore.ts'
import { createTopic } from '../../../src/adapters/kafka/topics.ts'
import { batchOf } from '../../../src/batch/builder.ts'
import { schemaKey } from '../../../src/schemas/archived-schema.ts'
import { createSchemaKeeper } from '../../../src/schemas/keep-schemas.ts'
import { restoreSchemas } from '../../../src/schemas/restore-schemas.ts'
import { rewriteSchemaIds } from '../../../src/schemas/rewrite-ids.ts'
import { succeed } from '../../live/messages.ts'
import { configure, runProgram } from '../../live/program.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { startSchemaRegistry } from '../../servers/schema-registry.ts'
import { openTestRegistry } from '../registry/client.ts'
import { archiveTopics, openMemoryArchive } from './archive-topics.ts'
import { readTopic } from './read-topic.ts'
import { kafkaJs } from './source-fixtures.ts'

const { signal } = new AbortController()
const framed = (id: number, ...datum: number[]) => {
  const bytes = Buffer.alloc(5 + datum.length)
  bytes.writeUInt32BE(id, 1)
  bytes.set(datum, 5)
  return bytes
}

describe.skipIf((serverMissing('kafka') ?? serverMissing('schema-registry')) !== undefined)(
  'a topic whose values have schemas',
  () => {
    let kafka: Kafka
    let cluster: Cluster
    beforeAll(async () => {
      kafka = await startKafka()
      cluster = await openCluster({ brokers: [kafka.bootstrap] })
    }, GET_LIMIT_MS)
    afterAll(async () => {
      await cluster[Symbol.asyncDispose]()
      await kafka.stop()
    })

    it(
      'is restored with the ids of another registry, also where its blocks are those of Kafka',
      { timeout: GET_LIMIT_MS },
      async () => {
        await using origin = await startSchemaRegistry()
        await using target = await startSchemaRegistry()
        for (const name of ['a', 'b', 'c'])
          await target.register(name, { schema: JSON.stringify({ type: 'enum', name, symbols: [] }) })
        const topic = `orders-${randomBytes(4).toString('hex')}`
        const id = await origin.register(`${topic}-value`, { schema: '"long"' })
        await createTopic(cluster, { name: topic, partitions: 1, settings: {} })
        const producer = kafkaJs(kafka.bootstrap).producer()
        await producer.connect()
        const values = [framed(id, 2), framed(id, 4), Buffer.from('plain'), framed(id, 0x80), null]
        await producer.send({ topic, messages: values.map((value, i) => ({ key: `key ${i}`, value, headers: { h: 'x' } })) })
        await producer.disconnect()

        for (const format of ['avro', 'kafka'] as const) {
          await using archive = await openMemoryArchive()
          await archiveTopics([kafka.bootstrap], archive, [topic], format)
          const keeper = createSchemaKeeper(archive.store, openTestRegistry([origin.url]), Date.now)
          const batch = batchOf(values.map((value, position) => ({ position, timestamp: 0, value })))
          await keeper.keep(topic, batch, signal)

          const to = `${topic}-${format}`
          const { ids } = await restoreSchemas(archive.store, { registry: openTestRegistry([target.url]), topic, to }, signal)
          const now = ids.get(id)!.id
          expect(now).toBe(4)
          const parts = {
            cluster,
            sink: { brokers: [kafka.bootstrap] },
            archive,
            jobs: archive.jobs,
            nowMs: Date.now,
            rewrite: (batch: Parameters<typeof rewriteSchemaIds>[0]) => rewriteSchemaIds(batch, ids),
          }
          const report = await restoreTopic(parts, { topic, to, jobId: randomBytes(6).toString('hex') }, signal)
          expect(report.job).toMatchObject({ state: 'done', counts: { delivered: values.length } })
          const restored = (await readTopic(cluster, to))[0] ?? []
          const expected = [framed(now, 2), framed(now, 4), Buffer.from('plain'), framed(id, 0x80), null]
          expect(restored.map(({ value }) => value && Buffer.from(value).toString('hex'))).toEqual(
            expected.map((value) => value && value.toString('hex')),
          )
        }
      },
    )

    it('is restored by a command, which registers its schemas; another proves them', { timeout: GET_LIMIT_MS }, async () => {
      await using origin = await startSchemaRegistry()
      await using target = await startSchemaRegistry({ authorization: `Basic ${btoa('me:secret')}` })
      await origin.register('filler', { schema: '"int"' })
      const id = await origin.register('bills-value', { schema: '"string"' })
      await createTopic(cluster, { name: 'bills', partitions: 1, settings: {} })
      const producer = kafkaJs(kafka.bootstrap).producer()
      await producer.connect()
      await producer.send({ topic: 'bills', messages: [{ key: 'a', value: framed(id, 2, 65) }] })
      await producer.disconnect()
      const dir = await mkdtemp(join(tmpdir(), 'millpond-schemas-'))
      try {
        await configure(dir, {
          source: { type: 'kafka', topics: ['bills'], group: 'bills' },
          kafka: { brokers: [kafka.bootstrap] },
          registry: { urls: [origin.url], username: 'me', password: 'secret' },
          log: { level: 'warn' },
        })
        await succeed(dir, ['archive', '--once'])
        await using store = await openFileStore({ path: join(dir, 'millpond-data/archive') })
        const json = async (...words: string[]) =>
          JSON.parse((await succeed(dir, [...words, '--json'])).stdout.toString()) as unknown
        expect(await json('verify')).toMatchObject({ clean: true, messages: 1, schemas: { count: 1, problems: [] } })
        const words = ['restore', '--topic', 'bills', '--as', 'bills-again', '--registry', target.url]
        expect(await json(...words)).toMatchObject({ job: { state: 'done' }, schemas: 1, refused: [] })
        const [restored] = (await readTopic(cluster, 'bills-again'))[0]!
        expect(Buffer.from(restored!.value!)).toEqual(framed(1, 2, 65))

        const withLogin = await runProgram([...words, '--registry', 'http://me:secret@127.0.0.1:1', '--dir', dir])
        expect([withLogin.exitCode, withLogin.stderr]).toEqual([2, expect.not.stringContaining('secret')])

        const key = schemaKey('bills', id)
        const damaged = Uint8Array.from(await store.read(key))
        damaged[30]! ^= 1
        await store.put(key, damaged)
        const failed = await runProgram(['verify', '--dir', dir])
        expect([failed.exitCode, failed.stdout.toString()]).toEqual([5, expect.stringContaining('SCHEMA_DAMAGED')])
      } finally {
        await rm(dir, { recursive: true })
      }
    })
  },
)
