import * as avro from 'avsc'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { archiveOf, ask, avroKind } from '../query/value-archives.ts'
import { openFastavro, openPyarrow } from './other-tools.ts'

const schema = {
  type: 'record',
  name: 'Sale',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'amount', type: 'double' },
    { name: 'paid', type: 'boolean' },
    { name: 'note', type: ['null', 'string'] },
    { name: 'raw', type: 'bytes' },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'tags', type: { type: 'array', items: 'string' } },
    { name: 'place', type: { type: 'record', name: 'Place', fields: [{ name: 'city', type: 'string' }] } },
  ],
}
const type = avro.Type.forSchema(structuredClone(schema) as avro.Schema, { wrapUnions: false })
const sale = (id: number) => ({
  id: id * 1_000_000_007,
  amount: id / 7,
  paid: id % 3 === 0,
  note: id % 4 === 0 ? null : `ünï "${id}"`,
  raw: Buffer.from([id & 255, 0, 255]),
  price: Buffer.from([id % 2 === 0 ? 0xff : 0x01, id & 255]),
  at: 1_515_024_000_000 + id,
  day: 17_000 - id * 40,
  tags: Array.from({ length: id % 3 }, (_, tag) => `t${tag}`),
  place: { city: `c${id % 5}` },
})
const messages = Array.from({ length: 1000 }, (_, id) => ({ position: id, timestamp: id, value: type.toBuffer(sale(id)) }))

const formats = [
  { format: 'value-avro', tool: await openFastavro('query_rows.py') },
  { format: 'value-parquet', tool: await openPyarrow('query_rows.py') },
] as const
for (const { format, tool } of formats) {
  const { missing } = tool
  const note = missing === undefined ? '' : `, skipped: ${missing.split('\n')[0]}`
  describe.skipIf(missing !== undefined && process.env['CI'] !== 'true')(`${tool.name}${note}`, () => {
    it(`reads the same rows out of objects in ${format} as a query`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'millpond-query-interop-'))
      try {
        const archive = await archiveOf({ sales: [{ format, messages, kind: avroKind(schema), blockBytes: 4096 }] })
        const objects = await Array.fromAsync(archive.store.list('sales/'), ({ key }) => key)
        const files = objects.map((key) => join(folder, basename(key)))
        for (const [at, key] of objects.entries()) writeFileSync(files[at]!, await archive.store.read(key))
        await tool.exchange(files)
        const read = files.flatMap((file) => readFileSync(`${file}.jsonl`, 'utf8').trim().split('\n'))
        const { rows } = await ask(
          archive,
          `SELECT to_json(r)::VARCHAR FROM (SELECT id, amount, paid, note, hex(raw) AS raw, price::VARCHAR AS price,
             strftime("at" AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') AS "at", day, tags, place FROM sales) r`,
        )
        expect(rows).toHaveLength(messages.length)
        expect(rows.map(([row]) => JSON.parse(row!) as unknown)).toEqual(read.map((row) => JSON.parse(row) as unknown))
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  })
}
