import { readFile } from 'node:fs/promises'
import { zstdDecompressSync } from 'node:zlib'
import { streams } from 'avsc'
import { describe, expect, it } from 'vitest'
import { createLocations } from '../../../src/api/dataphos/location.ts'
import { checkConfig } from '../../../src/config/load.ts'
import type { MessageInput } from '../../../src/batch/builder.ts'
import { commitsOf, messagesOf, openDataphos } from './scene.ts'

const T0 = Date.parse('2024-01-01T00:00:00Z')
const message = (position: number, more: Partial<MessageInput> = {}): MessageInput => ({
  position,
  timestamp: T0 + position,
  value: `value ${position}`,
  ...more,
})

/** The records of an object, by a reader that is not ours. */
async function recordsIn(bytes: Uint8Array): Promise<{ readonly position: number; readonly value: Buffer }[]> {
  const zstandard = (data: Buffer, done: (error: Error | null, plain: Buffer) => void) => done(null, zstdDecompressSync(data))
  const decoder = new streams.BlockDecoder({ codecs: { zstandard } })
  decoder.end(bytes)
  const records: { position: number; value: Buffer }[] = []
  for await (const record of decoder) records.push(record as { position: number; value: Buffer })
  return records
}

describe('where rows lie', () => {
  it('is the place of the record in the object, as another reader counts', async () => {
    await using scene = await openDataphos()
    // With gaps, so that positions and places differ.
    const messages = Array.from({ length: 97 }, (_, i) => message(i * 3 + (i % 2)))
    await scene.archive('orders', '3', commitsOf(messages))
    const rows = messagesOf(await scene.get('/range/c/orders?limit=1000'))
    expect(rows).toHaveLength(97)
    const objects = new Map<string, Awaited<ReturnType<typeof recordsIn>>>()
    for (const row of rows) {
      const key = String(row['location_key'])
      if (!objects.has(key)) objects.set(key, await recordsIn(await scene.store.read(key.replace('gs://b/', ''))))
      const record = objects.get(key)![Number(row['location_position']) - 1]!
      expect(row['broker_msg_id']).toBe(`3_${record.position}`)
      expect(record.value.toString()).toBe(`value ${record.position}`)
    }
    expect(objects.size).toBe(4)
  })

  it.each([
    { yaml: { store: { type: 'gcs' }, gcs: { bucket: 'b', prefix: 'p/' } }, is: 'gs://b/p/x/1.avro' },
    { yaml: { store: { type: 's3' }, s3: { bucket: 'b' } }, is: 's3://b/x/1.avro' },
    { yaml: { store: { type: 'file', path: '/a' } }, is: '/a/x/1.avro' },
    {
      yaml: { store: { type: 'azure' }, azure: { account: 'acct', container: 'con' } },
      is: 'https://acct.blob.core.windows.net/con/x/1.avro',
    },
    {
      yaml: { store: { type: 'azure' }, azure: { connectionString: 'AccountName=acct;AccountKey=secret==', container: 'con' } },
      is: 'https://acct.blob.core.windows.net/con/x/1.avro',
    },
    {
      yaml: {
        store: { type: 'azure' },
        azure: { connectionString: 'AccountName=a;BlobEndpoint=http://127.0.0.1:1/a/', container: 'con' },
      },
      is: 'http://127.0.0.1:1/a/con/x/1.avro',
    },
    {
      yaml: { store: { type: 'azure' }, azure: { sasUrl: 'https://acct.blob.core.windows.net/?sig=secret', container: 'con' } },
      is: 'https://acct.blob.core.windows.net/con/x/1.avro',
    },
  ])('is $is', async ({ yaml, is }) => {
    const place = { file: undefined, folder: '/pond' }
    const { config } = await checkConfig(JSON.stringify(yaml), place, { env: {}, readFile: (path) => readFile(path, 'utf8') })
    expect(createLocations(config)('x/1.avro')).toBe(is)
  })
})

describe('look-ups by id', () => {
  it('find a message by lane and position, by its own id, in topics of any name', async () => {
    await using scene = await openDataphos({ dataphos: { brokerIds: { a_0: 'broker/1', orders: 'o' } } })
    const messages = Array.from({ length: 50 }, (_, i) => message(i))
    await scene.archive('orders', '0', commitsOf(messages))
    await scene.archive('a_0', '0_1', commitsOf(messages))
    await scene.archive(
      'queue',
      'r',
      commitsOf(messages.map(({ position }) => message(position, { id: position === 7 ? '0_7' : `id-${position}` }))),
    )
    const ids = async (id: string) =>
      messagesOf(await scene.get(`/exact/c/${encodeURIComponent(id)}`)).map((row) => row['unique_id'])
    expect(await ids('o_0_49')).toEqual(['o_0_49'])
    expect(await ids('broker/1_0_1_5')).toEqual(['broker/1_0_1_5'])
    expect(await ids('queue_id-3')).toEqual(['queue_id-3'])
    // It has an id of its own, so it is not called by lane and position.
    expect(await ids('queue_0_7')).toEqual(['queue_0_7'])
    expect(await ids('queue_r_7')).toEqual([])
    for (const id of ['orders_0_49', 'o_0_50', 'o_1_0', 'o_0_-1', 'o_0_049', 'o_0_', 'o', '__proto__'])
      expect(await ids(id)).toEqual([])
    const all = await scene.post('/all/c', { ids: ['queue_id-3', 'o_0_1', 'o_0_1', 'o_0_0', null, 'nope'] })
    expect(messagesOf(all).map((row) => row['unique_id'])).toEqual(['o_0_0', 'o_0_1', 'queue_id-3'])
  })

  it('show what a message has, and leave out what it has not', async () => {
    await using scene = await openDataphos()
    const headers = [
      { name: 'twice', value: 'first' },
      { name: 'twice', value: 'last' },
      { name: 'binary', value: new Uint8Array([0xff, 0]) },
      { name: 'none', value: null },
      { name: 'business_source_key', value: '' },
    ]
    await scene.archive(
      'orders',
      '0',
      commitsOf([message(0, { key: 'k', headers }), message(1, { key: new Uint8Array([0xff]) })]),
    )
    const rows = messagesOf(await scene.get('/range/c/orders'))
    expect(rows[0]).toMatchObject({
      ordering_key: 'k',
      additional_metadata: { twice: 'last', binary: 'base64:/wA=', none: '' },
    })
    expect(rows[0]).not.toHaveProperty('business_source_key')
    expect(rows[1]).not.toHaveProperty('ordering_key')
    expect(rows[1]).not.toHaveProperty('additional_metadata')
  })

  it('take only the collections that there are, where they are named', async () => {
    await using scene = await openDataphos({ dataphos: { collections: ['indexer_collection'] } })
    expect(await scene.get('/exact/indexer_collection/x')).toMatchObject({ status: 200 })
    for (const answer of [
      await scene.get('/exact/other/x'),
      await scene.get('/range/other/x'),
      await scene.post('/all/other', { ids: [] }),
      await scene.post('/query/other', { filters: [{}] }),
      await scene.resubmit('/range/other?topic=t', { broker_id: 'x' }),
    ]) {
      expect(answer).toMatchObject({ status: 400 })
      expect(answer.text).toContain('there is no collection other')
    }
  })
})
