import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../../src/batch/builder.ts'
import { parquetSegment } from '../../encode/parquet-segments.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { openTestChain } from '../parquet-archive.ts'
import { hex, openReaderScene, type ReaderScene, sorted } from './scene.ts'
import { readByJava, readByPython, readersMissing } from './tools.ts'

const missing = readersMissing()
describe.skipIf(missing !== undefined)(
  `tables of messages as others read them${missing === undefined ? '' : `, skipped: ${missing}`}`,
  () => {
    let scene: ReaderScene
    beforeAll(() => {
      scene = openReaderScene()
    })
    afterAll(() => scene.close())
    const messages: MessageInput[] = Array.from({ length: 300 }, (_, i) => ({
      position: i * 2,
      timestamp: i === 0 ? -1 : 1_700_000_000_000 + i * 1000,
      key: i % 5 === 0 ? null : `key-${i}`,
      value: i % 7 === 0 ? null : i % 7 === 1 ? '' : `value ${i}`,
      id: i % 3 === 0 ? `id ž ${i}` : null,
      headers: Array.from({ length: i % 4 }, (_, h) => ({ name: `h${h % 2}`, value: h === 1 ? null : String(h) })),
    }))
    const bytes = (text: MessageInput['key']) => (typeof text === 'string' ? hex(Buffer.from(text)) : null)
    const expected = messages.map(({ position, timestamp, key, value, id, headers }) => ({
      position: String(position),
      timestamp: String(timestamp * 1000),
      key: bytes(key),
      value: bytes(value),
      headers: headers!.map((header) => ({ name: header.name, value: bytes(header.value) })),
      id: id ?? null,
    }))
    const filters = [
      {
        sql: "key = '\\x6B\\x65\\x79\\x2D\\x34\\x31'::BLOB",
        python: 'position < 200',
        java: { type: 'lt', term: 'position', value: 200 },
      },
    ]
    let metadata: string
    beforeAll(async () => {
      const store = await scene.openStore()
      const chain = await openTestChain(store, 'messages')
      for (let at = 0; at < messages.length; at += 100) {
        const { file, entry } = await parquetSegment([batchOf(messages.slice(at, at + 100))], {
          codec: 'zstandard',
          lookups: [],
          blockBytes: 4096,
        })
        const key = `${chain.folder}/${String(entry.firstPosition).padStart(16, '0')}-w.parquet`
        await store.putIfAbsent(key, file)
        const nextPosition = entry.lastPosition + 1
        const missingCount = nextPosition - chain.nextPosition - entry.count
        const gaps = [{ firstPosition: chain.nextPosition, nextPosition, missing: missingCount, reason: 'skipped' }] as const
        await chain.append({
          nextPosition,
          segments: [{ ...entry, key, lookups: [] }],
          gaps: gaps.filter(({ missing }) => missing > 0),
          deadLetters: [],
          lookupBytes: new Uint8Array(0),
        })
      }
      const report = await scene.sync('messages', ['hour(timestamp)'])
      expect(report).toMatchObject({ files: 3, rows: 300, leftOut: [], unpartitioned: 1 })
      metadata = report.metadata!
    })

    it('pyiceberg, DuckDB and Iceberg for Java read every one', { timeout: GET_LIMIT_MS }, async () => {
      const reads = [
        await readByPython(
          ['pyiceberg', metadata],
          scene.out('messages-pyiceberg'),
          filters.map(({ python }) => python),
        ),
        await readByPython(
          ['duckdb', metadata],
          scene.out('messages-duckdb'),
          filters.map(({ sql }) => sql),
        ),
        await readByJava(
          metadata,
          scene.out('messages-java'),
          filters.map(({ java }) => java),
        ),
      ]
      for (const { rows } of reads) expect(sorted(rows, 'position')).toEqual(sorted(expected, 'position'))
      expect(reads.map(({ counts }) => counts)).toEqual([[{ files: 1, rows: 100 }], [{ rows: 1 }], [{ files: 1, rows: 100 }]])
    })
  },
)
