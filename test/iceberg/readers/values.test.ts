import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { column, commitParquet, openTestChain, type TestColumn } from '../parquet-archive.ts'
import { columnsOf, FIRST_DAY, plainOf, type Row, rowOf } from './rows.ts'
import { openReaderScene, type ReaderScene, sorted } from './scene.ts'
import { type PlainRow, readByJava, readByPython, readersMissing } from './tools.ts'

const eq = (term: string, value: string) => ({ type: 'eq', term, value })

const place = (address: string) => address.slice(0, address.indexOf('/metadata/'))

const missing = readersMissing()
describe.skipIf(missing !== undefined)(
  `tables of values with a schema that changed, as others read them${missing === undefined ? '' : `, skipped: ${missing}`}`,
  () => {
    let scene: ReaderScene
    beforeAll(() => {
      scene = openReaderScene()
    })
    afterAll(() => scene.close())
    const expected: PlainRow[] = []
    let metadata: string
    beforeAll(async () => {
      const store = await scene.openStore()
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
        await scene.sync('orders', ['day(at)', '_lane'])
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
      metadata = (await scene.sync('orders', ['day(at)', '_lane'])).metadata!
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
        scene.out('pyiceberg'),
        filters.map(({ python }) => python),
      )
      expect(sorted(read.rows, '_lane', 'n')).toEqual(sorted(expected, '_lane', 'n'))
      expect(read.counts).toEqual(allCounts)
    })
    it('DuckDB reads every row, by the hint of the version', { timeout: GET_LIMIT_MS }, async () => {
      const read = await readByPython(
        ['duckdb', place(metadata)],
        scene.out('duckdb'),
        filters.map(({ sql }) => sql),
      )
      expect(sorted(read.rows, '_lane', 'n')).toEqual(sorted(expected, '_lane', 'n'))
      expect(read.counts).toEqual(rowCounts)
    })
    it('Iceberg for Java reads every row, and no file that a filter leaves out', { timeout: GET_LIMIT_MS }, async () => {
      const read = await readByJava(
        metadata,
        scene.out('java'),
        filters.map(({ java }) => java),
      )
      expect(sorted(read.rows, '_lane', 'n')).toEqual(sorted(expected, '_lane', 'n'))
      expect(read.counts).toEqual(allCounts)
    })
  },
)
