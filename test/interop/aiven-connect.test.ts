import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ownArchiveParts } from '../../src/api/archiving.ts'
import { runArchive } from '../../src/archive.ts'
import type { ArchiveEvent } from '../../src/archive/options.ts'
import { checkConfig } from '../../src/config/load.ts'
import { migrateKafkaConnect } from '../../src/migrate/kafka-connect.ts'
import { migrationYaml } from '../../src/migrate/write.ts'
import { archiveOptions, openArchiveParts } from '../../src/wiring/archive.ts'
import { createDeadLetters, openBroker } from '../../src/wiring.ts'
import { openStore } from '../../src/wiring/store.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { type Kafka, startKafka } from '../servers/kafka.ts'
import { serverMissing } from '../servers/missing.ts'
import type { S3Server } from '../servers/s3.ts'
import { type SchemaRegistry, startSchemaRegistry } from '../servers/schema-registry.ts'
import { startVersitygw } from '../servers/versitygw.ts'
import { type Case, CASES, propertiesOf } from './aiven-connect/cases.ts'
import { sendTopic, TOPIC_KINDS, topicOf } from './aiven-connect/corpus.ts'
import { type Content, type Objects, objectsOf } from './aiven-connect/objects.ts'
import { comparable, ourRecords, type Records, theirRecords } from './aiven-connect/differences.ts'

const missing = serverMissing('kafka') ?? serverMissing('versitygw') ?? serverMissing('schema-registry')
const FIXTURE = join(import.meta.dirname, '../fixtures/aiven-connect.json')

/** What the connector wrote; the fixture says how that was made. */
interface Written {
  readonly contents: readonly Content[]
  readonly cases: Readonly<Record<string, Readonly<Record<string, number>>>>
}

describe.skipIf(missing !== undefined)("what Aiven's S3 sink wrote, and what its migrated configuration writes", () => {
  let kafka: Kafka
  let s3: S3Server
  let registry: SchemaRegistry
  let dir: string
  let written: Written

  beforeAll(async () => {
    ;[kafka, s3, registry] = await Promise.all([startKafka(), startVersitygw(), startSchemaRegistry()])
    for (const kind of TOPIC_KINDS) await sendTopic(kafka, kind, registry)
    dir = await mkdtemp(join(tmpdir(), 'millpond-aiven-'))
    written = JSON.parse(await readFile(FIXTURE, 'utf8')) as Written
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true })
    await Promise.all([kafka?.stop(), s3?.stop(), registry?.stop()])
  })

  /** Archives a topic as the properties say, and gives the objects; nothing may be a dead letter. */
  async function archived(properties: Readonly<Record<string, string>>, bucket: string): Promise<Objects> {
    const yaml = migrationYaml(migrateKafkaConnect(JSON.stringify({ config: properties })))
    const env = { AWS_SECRET_ACCESS_KEY: s3.secretAccessKey }
    const readNone = () => Promise.reject(new Error('no file is named'))
    const { config } = await checkConfig(yaml, { file: undefined, folder: join(dir, bucket) }, { env, readFile: readNone })
    await s3.createBucket(bucket)
    const events: ArchiveEvent[] = []
    await using opened = new AsyncDisposableStack()
    const broker = opened.use(await openBroker(config))
    const store = opened.use(await openStore(config, 'write'))
    const deadLetters = opened.use(createDeadLetters(config))
    const { parts } = opened.use(await openArchiveParts(config, store))
    const source = opened.use(await broker.openSource())
    const onEvent = (event: ArchiveEvent) => void events.push(event)
    const signal = new AbortController().signal
    await runArchive(
      { ...ownArchiveParts(), ...parts, source, store, deadLetters, onEvent },
      archiveOptions(config, true),
      signal,
    )
    expect(events.filter(({ kind }) => kind === 'dead-lettered')).toEqual([])
    return objectsOf(s3, bucket)
  }

  /** What the connector wrote for the case, or for the one that is the same here. */
  function writtenOf(one: Case): Records {
    const { contents, cases } = written
    const name = typeof one.differs === 'object' ? one.differs.sameAs : one.name
    const objects = Object.entries(cases[name]!).map(([key, content]) => [key, contents[content]!] as const)
    return theirRecords(one, Object.fromEntries(objects))
  }

  it.concurrent.each(CASES.map((one, at) => ({ ...one, at })))('$name', async ({ at, ...one }) => {
    const bucket = `case-${at}`
    const said = {
      topics: topicOf(one.topic),
      'bootstrap.servers': kafka.bootstrap,
      'aws.s3.bucket.name': bucket,
      'aws.s3.endpoint': s3.endpoint,
      'aws.s3.region': s3.region,
      'aws.access.key.id': s3.accessKeyId,
      'aws.secret.access.key': s3.secretAccessKey,
      'consumer.override.auto.offset.reset': 'earliest',
      ...(one.topic === 'avro' && { 'value.converter.schema.registry.url': registry.url }),
    }
    const ours = ourRecords(one, await archived(propertiesOf(one, said), bucket))
    const { mine, expected } = comparable(one.differs, ours, writtenOf(one))
    expect(mine).toEqual(expected)
  })
})
