import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3'
import avro from 'avsc'
import { parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { xerialUnframe } from '../../../src/kernel/snappy-xerial.ts'
import type { S3Server } from '../../servers/s3.ts'

/** What an object holds: text of a letter for each byte once it is decompressed, or the rows of Avro and Parquet. */
export type Content = string | readonly Row[]
type Row = Readonly<Record<string, unknown>>

/** Objects by their keys. */
export type Objects = Readonly<Record<string, Content>>

/** All objects of a bucket but those of the commit chain. */
export async function objectsOf(s3: S3Server, bucket: string): Promise<Objects> {
  const client = new S3Client({ endpoint: s3.endpoint, region: s3.region, credentials: s3, forcePathStyle: true })
  const keys: string[] = []
  const found: [string, Content][] = []
  try {
    for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket }))
      for (const { Key: key = '' } of Contents) keys.push(key)
    for (const key of keys.filter((one) => !one.startsWith('_millpond/'))) {
      const { Body: body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
      found.push([key, await contentOf(Buffer.from(await body!.transformToByteArray()))])
    }
  } finally {
    client.destroy()
  }
  return Object.fromEntries(found)
}

/** Magic numbers say what it is, not names. */
async function contentOf(bytes: Buffer): Promise<Content> {
  const begins = (text: string) => bytes.subarray(0, text.length).toString('latin1') === text
  if (begins('PAR1')) return rowsOf(await parquetReadObjects({ file: Uint8Array.from(bytes).buffer, compressors }))
  if (begins('Obj\u0001')) return rowsOf(await avroRows(bytes))
  if (begins('\u001f\u008b')) return contentOf(gunzipSync(bytes))
  if (begins('\u0028\u00b5\u002f\u00fd')) return contentOf(zstdDecompressSync(bytes))
  if (begins('\u0082SNAPPY')) return contentOf(Buffer.from(xerialUnframe(bytes, 1 << 30)))
  return bytes.toString('latin1')
}

/** Rows as JSON has them. */
const rowsOf = (rows: readonly unknown[]): Row[] =>
  JSON.parse(JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))) as Row[]

async function avroRows(bytes: Buffer): Promise<unknown[]> {
  const decoder = new avro.streams.BlockDecoder({ parseHook: (schema) => avro.Type.forSchema(schema, { wrapUnions: false }) })
  const rows: unknown[] = []
  const ended = Promise.withResolvers<void>()
  decoder.on('data', (row: unknown) => rows.push(row))
  decoder.once('end', ended.resolve)
  decoder.once('error', ended.reject)
  decoder.end(bytes)
  await ended.promise
  return rows
}
