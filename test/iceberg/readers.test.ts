import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { createFileCatalog } from '../../src/iceberg/file-catalog.ts'
import { type SyncReport, syncTopic } from '../../src/iceberg/sync.ts'
import { parseTerm } from '../../src/iceberg/transform.ts'
import { parquetSegment } from '../encode/parquet-segments.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { column, commitParquet, openTestChain, type TestColumn } from './parquet-archive.ts'
import { type PlainRow, readByJava, readByPython, readersMissing } from './readers/tools.ts'

const DAY = 86_400_000_000n
const FIRST_DAY = 19_675n
const hex = (bytes: Uint8Array | null | undefined) => (bytes ? Buffer.from(bytes).toString('hex') : null)
const sorted = (rows: readonly PlainRow[], ...keys: readonly string[]) => {
  const keyOf = (row: PlainRow) => keys.map((key) => String(row[key]).padStart(20)).join()
  return rows.toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
}

/** A row of a lane by its number: every type, with nulls and odd values. */
const rowOf = (lane: string, n: number, day: bigint) => ({
  lane,
  n: BigInt(n),
  at: (FIRST_DAY + day) * DAY + BigInt(n) * 1_000_001n,
  name: n % 3 === 0 ? null : `name ${n} ž🐸 with a long tail`,
  bytes: Uint8Array.of(255, n % 256),
  price: n % 7 === 0 ? null : BigInt(n) * 12_345_678_901_234_567n - 5n,
  tags: Array.from({ length: n % 3 }, (_, i) => `tag ${i}`),
  place: n % 5 === 0 ? null : { city: `c${n % 9}`, zip: n % 2 === 0 ? null : n },
  date: new Date((n - 20) * 86_400_000),
  yes: n % 2 === 0,
  ratio: Math.fround(n / 3),
})
type Row = ReturnType<typeof rowOf>

const columnsOf = (rows: readonly Row[]): TestColumn[] => [
  column.long(
    'n',
    rows.map(({ n }) => n),
  ),
  column.time(
    'at',
    rows.map(({ at }) => at),
  ),
  column.text(
    'name',
    rows.map(({ name }) => name),
  ),
  column.bytes(
    'bytes',
    rows.map(({ bytes }) => bytes),
  ),
  column.decimal(
    'price',
    rows.map(({ price }) => price),
    30,
    2,
  ),
  column.texts(
    'tags',
    rows.map(({ tags }) => tags),
  ),
  column.place(
    'place',
    rows.map(({ place }) => place),
  ),
  column.date(
    'date',
    rows.map(({ date }) => date),
  ),
  column.truth(
    'yes',
    rows.map(({ yes }) => yes),
  ),
  column.float(
    'ratio',
    rows.map(({ ratio }) => ratio),
  ),
]

const decimalText = (value: bigint) =>
  `${value < 0n ? '-' : ''}${String(value < 0n ? -value : value)
    .padStart(3, '0')
    .replace(/(..)$/u, '.$1')}`

const plainOf = ({ lane, n, at, bytes, price, date, ...rest }: Row, amount: string | null, extra: number | null): PlainRow => ({
  ...rest,
  n: String(n),
  at: String(at),
  bytes: hex(bytes),
  price: price === null ? null : decimalText(price),
  date: date.toISOString().slice(0, 10),
  amount,
  extra,
  _lane: lane,
})

const eq = (term: string, value: string) => ({ type: 'eq', term, value })

const missing = readersMissing()
describe.skipIf(missing !== undefined)(
  `tables as others read them${missing === undefined ? '' : `, skipped: ${missing}`}`,
  () => {
    let folder: string
    let root: string
    const out = (name: string) => join(folder, `${name}.jsonl`)
    const place = (address: string) => address.slice(0, address.indexOf('/metadata/'))

    async function sync(topic: string, partition: readonly string[]): Promise<SyncReport> {
      const store = await openFileStore({ path: join(folder, 'archive'), create: true })
      const catalog = createFileCatalog({ store, root, prefix: 'lake/', nowMs: Date.now })
      const terms = partition.map((text) => parseTerm(text)!)
      const name = { namespace: ['pond'], name: topic }
      return syncTopic({ store, root, catalog, topic, name, location: `${root}/lake/pond/${topic}`, terms, batchFiles: 3 })
    }

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'millpond iceberg-'))
      root = `file://${folder}/archive`
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    describe('of values with a schema that changed', () => {
      const expected: PlainRow[] = []
      let metadata: string
      beforeAll(async () => {
        const store = await openFileStore({ path: join(folder, 'archive'), create: true })
        for (const lane of ['0', 'a b%ž']) {
          const chain = await openTestChain(store, 'orders', lane)
          const take = (from: number, day: bigint) => Array.from({ length: 20 }, (_, i) => rowOf(lane, from + i, day))
          const add = async (
            rows: readonly Row[],
            more: readonly TestColumn[],
            amount: (i: number) => string | null,
            extra: (i: number) => number | null,
          ) => {
            await commitParquet(store, chain, [[...columnsOf(rows), ...more]])
            expected.push(...rows.map((row, i) => plainOf(row, amount(i), extra(i))))
          }
          const [none, count] = [() => null, Array.from({ length: 20 }, (_, i) => i)]
          await add(take(0, 0n), [column.int('amount', count)], String, none)
          await sync('orders', ['day(at)', '_lane'])
          await add(take(20, 1n), [], none, none)
          await add(
            take(40, 1n),
            [
              column.long(
                'amount',
                count.map((i) => 2n ** 40n + BigInt(i)),
              ),
              column.double(
                'extra',
                count.map((i) => i / 7),
              ),
            ],
            (i) => String(2n ** 40n + BigInt(i)),
            (i) => i / 7,
          )
          const across = [...take(60, 2n).slice(0, 10), ...take(70, 3n).slice(0, 10)]
          await add(across, [], none, none)
        }
        metadata = (await sync('orders', ['day(at)', '_lane'])).metadata!
      })

      const [from, to] = [FIRST_DAY + 1n, FIRST_DAY + 2n].map((day) =>
        new Date(Number(day) * 86_400_000).toISOString().replace('Z', '+00:00'),
      )
      const late = new Date(Number(FIRST_DAY + 1n) * 86_400_000 + 45_000).toISOString().replace('Z', '+00:00')
      /** The same questions for each reader, and the numbers of rows and files that they leave of 160 in 8. */
      const filters = [
        { python: "_lane == '0'", sql: "_lane = '0'", java: eq('_lane', '0'), rows: 80, files: 4 },
        {
          python: `at >= '${from}' and at < '${to}'`,
          sql: `"at" >= '${from}' and "at" < '${to}'`,
          java: { type: 'and', left: { type: 'gt-eq', term: 'at', value: from }, right: { type: 'lt', term: 'at', value: to } },
          rows: 80,
          files: 4,
        },
        {
          python: `at >= '${late}'`,
          sql: `"at" >= '${late}'`,
          java: { type: 'gt-eq', term: 'at', value: late },
          rows: 70,
          files: 4,
        },
        { python: 'n < 20', sql: 'n < 20', java: { type: 'lt', term: 'n', value: 20 }, rows: 40, files: 2 },
        {
          python: 'amount > 1000000',
          sql: 'amount > 1000000',
          java: { type: 'gt', term: 'amount', value: 1_000_000 },
          rows: 40,
          files: 2,
        },
        {
          python: "name == 'name 41 ž🐸 with a long tail'",
          sql: "name = 'name 41 ž🐸 with a long tail'",
          java: eq('name', 'name 41 ž🐸 with a long tail'),
          rows: 2,
          files: 4,
        },
      ] as const
      const rowCounts = filters.map(({ rows }) => ({ rows }))
      const allCounts = filters.map(({ rows, files }) => ({ rows, files }))

      it('pyiceberg reads every row, and no file that a filter leaves out', { timeout: GET_LIMIT_MS }, async () => {
        const read = await readByPython(
          ['pyiceberg', metadata],
          out('pyiceberg'),
          filters.map(({ python }) => python),
        )
        expect(sorted(read.rows, '_lane', 'n')).toEqual(sorted(expected, '_lane', 'n'))
        expect(read.counts).toEqual(allCounts)
      })
      it('DuckDB reads every row, by the hint of the version', { timeout: GET_LIMIT_MS }, async () => {
        const read = await readByPython(
          ['duckdb', place(metadata)],
          out('duckdb'),
          filters.map(({ sql }) => sql),
        )
        expect(sorted(read.rows, '_lane', 'n')).toEqual(sorted(expected, '_lane', 'n'))
        expect(read.counts).toEqual(rowCounts)
      })
      it('Iceberg for Java reads every row, and no file that a filter leaves out', { timeout: GET_LIMIT_MS }, async () => {
        const read = await readByJava(
          metadata,
          out('java'),
          filters.map(({ java }) => java),
        )
        expect(sorted(read.rows, '_lane', 'n')).toEqual(sorted(expected, '_lane', 'n'))
        expect(read.counts).toEqual(allCounts)
      })
    })

    describe('of messages', () => {
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
        const store = await openFileStore({ path: join(folder, 'archive'), create: true })
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
        const report = await sync('messages', ['hour(timestamp)'])
        expect(report).toMatchObject({ files: 3, rows: 300, leftOut: [], unpartitioned: 1 })
        metadata = report.metadata!
      })

      it('pyiceberg, DuckDB and Iceberg for Java read every one', { timeout: GET_LIMIT_MS }, async () => {
        const reads = [
          await readByPython(
            ['pyiceberg', metadata],
            out('messages-pyiceberg'),
            filters.map(({ python }) => python),
          ),
          await readByPython(
            ['duckdb', metadata],
            out('messages-duckdb'),
            filters.map(({ sql }) => sql),
          ),
          await readByJava(
            metadata,
            out('messages-java'),
            filters.map(({ java }) => java),
          ),
        ]
        for (const { rows } of reads) expect(sorted(rows, 'position')).toEqual(sorted(expected, 'position'))
        expect(reads.map(({ counts }) => counts)).toEqual([[{ files: 1, rows: 100 }], [{ rows: 1 }], [{ files: 1, rows: 100 }]])
      })
    })
  },
)
