import { once } from 'node:events'
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { setAsideDamagedIndex } from '../../src/adapters/sqlite/index-database.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { isMillpondError } from '../../src/errors.ts'
import { segmentIndexContract } from '../contract/segment-index.ts'
import { sharedIndexContract } from '../contract/shared-index.ts'
import { addAll, chainOf, dumpOf, segmentsOf } from '../index/chains.ts'

const newFolder = () => mkdtemp(join(tmpdir(), 'millpond-index-'))
const lane = { topic: 'orders', topicId: 'id-1', lane: '0' }
const plans = (commits: number, blocks = 20) =>
  Array.from({ length: commits }, (_, i) => ({
    segments: [{ count: 4000 * blocks, minTimestamp: i * 1000, maxTimestamp: i * 1000 + 999, blocks }],
  }))

segmentIndexContract('sqlite', async () => {
  const folder = await newFolder()
  return {
    open: () => openSqliteIndex({ path: join(folder, 'deep', 'index.db') }),
    remove: () => rm(folder, { recursive: true }),
  }
})

sharedIndexContract('sqlite', async () => {
  const folder = await newFolder()
  return {
    open: () => openSqliteIndex({ path: join(folder, 'index.db') }),
    remove: () => rm(folder, { recursive: true }),
  }
})

describe('the index in a SQLite file', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await newFolder()
    path = join(folder, 'index.db')
  })
  afterEach(() => rm(folder, { recursive: true }))

  const fill = async (commits: number) => {
    await using index = await openSqliteIndex({ path })
    await addAll(index, chainOf(lane, 0, plans(commits)))
  }

  it('keeps less than 0.5 byte a message', async () => {
    await fill(200)
    const { size } = await stat(path)
    expect(size / (200 * 80_000)).toBeLessThan(0.05)
  })

  it('is read by a process that may only read, and not changed by it', async () => {
    await fill(3)
    await using writer = await openSqliteIndex({ path })
    await using index = await openSqliteIndex({ path, readOnly: true })
    expect(await dumpOf(index)).toEqual(await dumpOf(writer))
    const refused = index.add(chainOf({ ...lane, lane: '9' }, 0, [])[0]!)
    await expect(refused).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE' })
  })

  it('says how to make an index where there is none to read', async () => {
    await expect(openSqliteIndex({ path, readOnly: true })).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE' })
    await writeFile(path, '')
    await expect(openSqliteIndex({ path, readOnly: true })).rejects.toThrow('millpond index rebuild')
  })

  it('refuses a file that is no database, and one of something else', async () => {
    await writeFile(path, 'no database at all, but some text that is long enough to be looked at'.repeat(10))
    const corrupt = expect.objectContaining({ code: 'INDEX_CORRUPT', message: expect.stringContaining('millpond index rebuild') })
    await expect(openSqliteIndex({ path })).rejects.toEqual(corrupt)
    await rm(path)
    const other = new DatabaseSync(path)
    other.exec('CREATE TABLE theirs (a)')
    other.close()
    await expect(openSqliteIndex({ path })).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    expect(() => setAsideDamagedIndex(path)).toThrow(expect.objectContaining({ code: 'INDEX_CORRUPT' }))
    const still = new DatabaseSync(path)
    expect(still.prepare('SELECT count(*) AS n FROM theirs').get()).toMatchObject({ n: 0 })
    still.close()
  })

  it('moves a damaged file out of the way, and leaves a sound one', async () => {
    await fill(2)
    expect(setAsideDamagedIndex(path)).toBe(false)
    await writeFile(path, 'x'.repeat(8192))
    expect(setAsideDamagedIndex(path)).toBe(true)
    await fill(2)
    expect(await readFile(`${path}.damaged`, 'utf8')).toBe('x'.repeat(8192))
  })

  it('names a torn file as damaged wherever it is cut', async () => {
    await fill(300)
    const { size } = await stat(path)
    const whole = await readFile(path)
    for (const share of [0.001, 0.1, 0.5, 0.9]) {
      await writeFile(path, whole)
      await truncate(path, Math.floor(size * share))
      const use = async () => {
        await using index = await openSqliteIndex({ path })
        return dumpOf(index)
      }
      await expect(use()).rejects.toMatchObject({
        code: 'INDEX_CORRUPT',
        message: expect.stringContaining('millpond index rebuild'),
      })
      await Promise.all(['-wal', '-shm'].map((end) => rm(`${path}${end}`, { force: true })))
    }
  })

  it('never serves a segment of which any byte was changed', async () => {
    await fill(20)
    await using sound = await openSqliteIndex({ path: join(folder, 'sound.db') })
    await addAll(sound, chainOf(lane, 0, plans(20)))
    const expected = await dumpOf(sound)
    const { size } = await stat(path)
    for (let at = 100; at < size; at += 23) {
      await flip(path, at)
      expect(await dumpOrCode()).toBeOneOf([expected, 'INDEX_CORRUPT'])
      await flip(path, at)
    }
  })

  async function dumpOrCode() {
    try {
      await using index = await openSqliteIndex({ path, readOnly: true })
      return await dumpOf(index)
    } catch (error) {
      return isMillpondError(error) ? error.code : error
    }
  }

  it('is made once by all who open it at the same moment', async () => {
    const threads = 4
    const arrived = new Int32Array(new SharedArrayBuffer(4))
    const paths = Array.from({ length: 60 }, (_, i) => join(folder, `index-${i}.db`))
    const opener = new URL('sqlite-index-opener.ts', import.meta.url)
    const ended = await Promise.allSettled(
      Array.from({ length: threads }, () => once(new Worker(opener, { workerData: { paths, arrived, threads } }), 'exit')),
    )
    expect(ended).toEqual(Array.from({ length: threads }, () => ({ status: 'fulfilled', value: [0] })))
  })

  it('says that it is locked when another process keeps it so', async () => {
    await fill(1)
    await using index = await openSqliteIndex({ path, busyTimeoutMs: 50 })
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    await expect(index.add(chainOf({ ...lane, lane: '9' }, 0, [])[0]!)).rejects.toMatchObject({
      code: 'INDEX_UNAVAILABLE',
      retryable: true,
    })
    other.exec('ROLLBACK')
    other.close()
    expect(await index.add(chainOf({ ...lane, lane: '9' }, 0, [])[0]!)).toBe('added')
  })

  it('reads no segment, commit or directory but those that the query needs, among many topics', async () => {
    await using index = await openSqliteIndex({ path })
    for (let topic = 0; topic < 100; topic++) {
      await addAll(index, chainOf({ topic: `topic-${topic}`, topicId: 't', lane: '0' }, 0, plans(20, 2)))
    }
    const query = { topic: 'topic-50', timestamps: { from: 5000, to: 6000 } }
    const [wanted] = await segmentsOf(index, query)
    const other = new DatabaseSync(path)
    const { lane_ref: ref } = other.prepare("SELECT lane_ref FROM lanes WHERE topic = 'topic-50'").get()!
    const damage = (table: string, kept: string) =>
      other.exec(`UPDATE ${table} SET row_check = row_check + 1 WHERE NOT (lane_ref = ${Number(ref)} AND ${kept})`)
    damage('segments', `first_position = ${wanted!.firstPosition}`)
    damage('commits', `next_position = ${wanted!.lastPosition + 1}`)
    damage('directory', 'true')
    other.close()
    expect(await segmentsOf(index, query)).toEqual([wanted])
    for (const more of [{ topic: 'topic-50' }, { timestamps: query.timestamps }]) {
      await expect(segmentsOf(index, more)).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    }
  })
})

async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+')
  const byte = new Uint8Array(1)
  await file.read(byte, 0, 1, at)
  byte[0]! ^= 0x10
  await file.write(byte, 0, 1, at)
  await file.close()
}
