import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openKafkaSource } from '../../../src/adapters/kafka/source.ts'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { verifyArchive } from '../../../src/commit/verify.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { archivedCommits, archiveOnce } from './source-archive.ts'
import { quick } from './source-fixtures.ts'

const TOPIC = 'verbatim'
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const COUNT = 400

describe.skipIf(serverMissing('kafka') !== undefined)('an archive of Kafka in the format kafka', () => {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka()
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  it("holds the very bytes of the broker's log, which Kafka's own tools read from it", { timeout: GET_LIMIT_MS }, async () => {
    await kafka.createTopic(TOPIC)
    for (const codec of codecs) {
      const words = [
        '--bootstrap-server',
        kafka.bootstrap,
        '--topic',
        TOPIC,
        '--compression-codec',
        codec,
        '--batch-size',
        '4096',
      ]
      const lines = Array.from({ length: COUNT }, (_, i) => `key-${i}\t${codec} message ${i}\n`).join('')
      await kafka.tool('ConsoleProducer', [...words, '--reader-property', 'parse.key=true'], { input: lines })
    }
    const store = createMemoryStore()
    const options = { brokers: [kafka.bootstrap], topics: [TOPIC], group: TOPIC, ...quick }
    const rotate = { maxCount: 700, maxBytes: Infinity, maxSpanMs: Infinity, maxAgeMs: Infinity, idleMs: Infinity }
    await archiveOnce(await openKafkaSource(options), store, { format: 'kafka', blockBytes: 8192, rotate })

    const segments = (await archivedCommits(store)).flatMap((commit) => commit.segments)
    expect(segments.length).toBeGreaterThan(1)
    const archived = Buffer.concat(await Promise.all(segments.map(({ key }) => store.read(key))))
    const log = await readFile(join(kafka.nodes[0]!.folder, `logs/${TOPIC}-0/00000000000000000000.log`))
    expect(archived.equals(log)).toBe(true)
    await using source = await openKafkaSource({ ...options, group: `${TOPIC}-verify` })
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, compared: codecs.length * COUNT })

    const folder = await mkdtemp(join(tmpdir(), 'millpond-'))
    try {
      const path = join(folder, '00000000000000000000.log')
      await writeFile(path, await store.read(segments[0]!.key))
      const dumped = await kafka.tool('DumpLogSegments', ['--print-data-log', '--files', path])
      const offsets = [...dumped.matchAll(/\| offset: (\d+) /gu)].map(([, offset]) => Number(offset))
      expect(offsets).toEqual(Array.from({ length: segments[0]!.count }, (_, i) => i))
      expect(dumped).toContain('payload: none message 7')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
