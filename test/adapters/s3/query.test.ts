import * as avro from 'avsc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archiveOf, ask, avroKind } from '../../query/value-archives.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { serverMissing } from '../../servers/missing.ts'
import type { S3Server } from '../../servers/s3.ts'
import { implementations, openNewStore } from './servers.ts'

const COUNT = 5000
const schema = {
  type: 'record' as const,
  name: 'Sale',
  fields: [
    { name: 'n', type: 'long' },
    { name: 'city', type: 'string' },
  ],
}
const type = avro.Type.forSchema(schema)
const sales = Array.from({ length: COUNT }, (_, n) => ({ n, city: `c${n % 10}` }))
const messagesOf = (values: readonly (string | Buffer)[]) =>
  values.map((value, position) => ({ position, timestamp: position * 1000, value }))
const binary = messagesOf(sales.map((sale) => type.toBuffer(sale)))
const text = messagesOf(sales.map((sale) => JSON.stringify(sale)))

const [{ name, start }] = implementations as [(typeof implementations)[number]]
describe.skipIf(serverMissing(name) !== undefined)(`values in ${name}`, { timeout: 120_000 }, () => {
  let server: S3Server
  beforeAll(async () => {
    server = await start()
  }, GET_LIMIT_MS)
  afterAll(() => server?.stop())

  it('are asked as those in a folder are, and no more of them is read', async () => {
    await using store = await openNewStore(server)
    const kind = avroKind(schema)
    const archive = await archiveOf(
      {
        avro: [{ format: 'value-avro', messages: binary, kind, blockBytes: 10_000 }],
        parquet: [{ format: 'value-parquet', messages: binary, kind, blockBytes: 1000 }],
        json: [{ format: 'value-json', messages: text, blockBytes: 10_000 }],
      },
      store,
    )
    const totals = (topic: string) =>
      `SELECT count(*) AS c, sum(n) AS s, max(city) AS m, count(*) FILTER (_position < 100) AS p FROM "${topic}"`
    const { rows } = await ask(archive, ['avro', 'parquet', 'json'].map(totals).join(' UNION ALL '))
    expect(rows.map((row) => row.slice(0, 3))).toEqual(
      Array.from({ length: 3 }, () => [String(COUNT), String((COUNT * (COUNT - 1)) / 2), 'c9']),
    )
    for (const [, , , positions] of rows) expect(positions).toBe('100')
    const { rows: some, stats } = await ask(archive, `SELECT min(n), max(n) FROM json WHERE _position >= 4990`)
    expect(some).toEqual([['4990', '4999']])
    expect(stats.blocksRead).toBe(1)
    expect(stats.bytesRead).toBeLessThan(stats.bytesTotal / 5)
  })
})
