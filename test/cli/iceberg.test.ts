import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { column, commitParquet, openTestChain } from '../iceberg/parquet-archive.ts'
import { configure, jsonLines, runProgram } from '../live/program.ts'
import { succeed } from '../live/messages.ts'

let dir: string
const run = async (...words: readonly string[]) => jsonLines((await succeed(dir, ['iceberg', 'sync', ...words, '--json'])).stdout)

async function add(topic: string, count: number): Promise<void> {
  const store = await openFileStore({ path: join(dir, 'millpond-data', 'archive'), create: true })
  const chain = await openTestChain(store, topic)
  await commitParquet(store, chain, [
    [
      column.long(
        'n',
        Array.from({ length: count }, (_, i) => BigInt(i)),
      ),
      column.time(
        'at',
        Array.from({ length: count }, () => 0n),
      ),
    ],
  ])
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-iceberg-'))
  await configure(dir, {
    iceberg: {
      topics: ['orders*'],
      namespace: 'lake.raw',
      partition: ['day(at)'],
      tables: { 'orders-b': { table: 'b', partition: ['_lane'] } },
    },
  })
  await add('orders-a', 2)
  await add('orders-b', 3)
  await add('others', 1)
})
afterAll(() => rm(dir, { recursive: true, force: true }))

it('makes a table of each topic that is wanted, adds what is new, and says what it did', async () => {
  expect(await run()).toMatchObject([
    { topic: 'orders-a', table: 'lake.raw.orders-a', files: 1, rows: 2, snapshots: 1 },
    { topic: 'orders-b', table: 'lake.raw.b', files: 1, rows: 3, snapshots: 1 },
  ])
  await add('orders-b', 5)
  expect(await run('orders-b', 'others')).toMatchObject([
    {
      topic: 'orders-b',
      files: 1,
      rows: 5,
      metadata: `file://${dir}/millpond-data/archive/_iceberg/lake/raw/b/metadata/v3.metadata.json`,
    },
    { topic: 'others', files: 1, rows: 1 },
  ])
  const { stdout } = await succeed(dir, ['iceberg', 'sync'])
  expect(String(stdout)).toMatch(
    /^topic +table +files +rows +snapshots +metadata\norders-a +lake\.raw\.orders-a +0 +0 +0 +file:/u,
  )
})

it('names the nearest topic for one that is not there', async () => {
  const { exitCode, stderr } = await runProgram(['--dir', dir, 'iceberg', 'sync', 'order-a'])
  expect(exitCode).toBe(4)
  expect(stderr).toContain('did you mean orders-a?')
})

it('follows until it is stopped', async () => {
  const kill = new AbortController()
  const ended = runProgram(['--dir', dir, 'iceberg', 'sync', '--follow', '--every', '100ms'], { kill: kill.signal })
  await add('orders-a', 7)
  const store = await openFileStore({ path: join(dir, 'millpond-data', 'archive'), create: false })
  const key = '_iceberg/lake/raw/orders-a/metadata/v3.metadata.json'
  const deadline = Date.now() + 30_000
  while ((await store.size(key)) === undefined && Date.now() < deadline)
    await new Promise((resolve) => void setTimeout(resolve, 50))
  kill.abort()
  await ended
  expect(await run('orders-a')).toMatchObject([{ files: 0, metadata: expect.stringContaining('/v3.metadata.json') }])
})
