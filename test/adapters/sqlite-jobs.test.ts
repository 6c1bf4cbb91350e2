import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import { jobStoreContract, partOf, recordOf } from '../contract/job-store.ts'
import { scheduleOf, schedulesContract } from '../contract/schedules.ts'

const temporary = () => mkdtemp(join(tmpdir(), 'millpond-jobs-'))

const fixture = async () => {
  const folder = await temporary()
  return {
    open: () => openSqliteJobs({ path: join(folder, 'jobs.sqlite') }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
jobStoreContract('sqlite', fixture)
schedulesContract('sqlite', fixture)

/** The tables of version 1, as that version made them. */
const VERSION_1 = `
  CREATE TABLE jobs (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER, state TEXT NOT NULL,
    request TEXT NOT NULL, planned TEXT NOT NULL, error TEXT, owner TEXT, lease_until_ms INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
  CREATE INDEX jobs_by_age ON jobs (created_ms, id);
  CREATE TABLE lanes (job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, topic TEXT NOT NULL, topic_id TEXT NOT NULL, lane TEXT NOT NULL,
    ordinal INTEGER NOT NULL, from_position INTEGER NOT NULL, to_position INTEGER NOT NULL, next_position INTEGER NOT NULL, read INTEGER NOT NULL,
    delivered INTEGER NOT NULL, failed INTEGER NOT NULL, bytes INTEGER NOT NULL, done INTEGER NOT NULL,
    PRIMARY KEY (job, topic, topic_id, lane)) STRICT, WITHOUT ROWID;
  CREATE TABLE failures (job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, ordinal INTEGER NOT NULL, topic TEXT NOT NULL,
    lane TEXT NOT NULL, position INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (job, ordinal)) STRICT, WITHOUT ROWID;
  PRAGMA user_version = 1;
`

describe('jobs in SQLite', () => {
  let folder: string
  let path: string

  beforeEach(async () => {
    folder = await temporary()
    path = join(folder, 'jobs.sqlite')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('keeps the file from other users, since a request may hold secrets', async () => {
    await using _ = await openSqliteJobs({ path })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('opens a new file from many places at once', async () => {
    const stores = await Promise.all(Array.from({ length: 10 }, () => openSqliteJobs({ path })))
    await stores[0]!.create({ job: recordOf('a'), parts: [partOf('a', 0)] })
    expect(await stores[9]!.get('a', 1)).toMatchObject({ id: 'a', parts: [{ part: 0 }] })
    for (const store of stores) await store[Symbol.asyncDispose]()
  })

  it('names a file that is no job store, and a folder that is not there', async () => {
    await writeFile(path, 'this is no database, and long enough to be looked at as one. '.repeat(100))
    await expect(openSqliteJobs({ path })).rejects.toMatchObject({ code: 'JOBS_CORRUPT' })
    await expect(openSqliteJobs({ path: join(folder, 'none', 'jobs.sqlite') })).rejects.toMatchObject({
      code: 'JOBS_UNAVAILABLE',
    })
  })

  it('refuses a file of a newer version and leaves it', async () => {
    new DatabaseSync(path).exec('PRAGMA user_version = 99')
    const refused = { code: 'JOBS_UNAVAILABLE', message: expect.stringContaining('newer Millpond (schema 99') }
    await expect(openSqliteJobs({ path })).rejects.toMatchObject(refused)
    await expect(openSqliteJobs({ path })).rejects.toMatchObject(refused)
  })

  it('takes over jobs of version 2, which had no schedules', async () => {
    await (await openSqliteJobs({ path }))[Symbol.asyncDispose]()
    const old = new DatabaseSync(path)
    old.exec('DROP TABLE schedules; PRAGMA user_version = 2')
    old.close()
    await using jobs = await openSqliteJobs({ path })
    expect(await jobs.schedules.insert(scheduleOf('a'))).toBe(true)
    expect(await jobs.schedules.list()).toEqual([scheduleOf('a')])
  })

  it('takes over jobs of version 1: those under way go on where they were', async () => {
    const { query, target, options, planned } = recordOf('x')
    const request = JSON.stringify({ query, target, options })
    const old = new DatabaseSync(path)
    old.exec(VERSION_1)
    const insertJob = old.prepare('INSERT INTO jobs VALUES (?, ?, 5, ?, ?, ?, ?, ?, NULL, ?, ?)')
    const error = JSON.stringify({ code: 'BLOCK_CORRUPT', message: 'damaged' })
    insertJob.run('killed', 1, null, 'running', request, JSON.stringify(planned), null, 9, 0)
    insertJob.run('done', 2, 6, 'done', request, JSON.stringify(planned), null, null, 0)
    insertJob.run('failed', 3, 7, 'failed', request, JSON.stringify(planned), error, null, 0)
    insertJob.run('ending', 4, null, 'running', request, JSON.stringify(planned), null, 9, 1)
    const insertLane = old.prepare('INSERT INTO lanes VALUES (?, ?, ?, ?, ?, 10, 500, ?, 7, 6, 1, 70, ?)')
    insertLane.run('killed', 'orders', 'id-1', '0', 0, 500, 1)
    insertLane.run('killed', 'orders', 'id-2', '0', 1, 300, 0)
    insertLane.run('done', 'orders', 'id-1', '0', 0, 500, 1)
    insertLane.run('failed', 'orders', 'id-1', '0', 0, 20, 0)
    insertLane.run('ending', 'orders', 'id-1', '0', 0, 20, 0)
    old.exec("INSERT INTO failures VALUES ('killed', 0, 'orders', '0', 12, 'status 400')")
    old.close()

    const opened = await Promise.all(Array.from({ length: 4 }, () => openSqliteJobs({ path })))
    const jobs = opened[0]!
    expect((await jobs.list(100)).map(({ id, state }) => [id, state])).toEqual([
      ['ending', 'cancelled'],
      ['failed', 'failed'],
      ['done', 'done'],
      ['killed', 'interrupted'],
    ])
    const counts = { read: 14, delivered: 12, failed: 2, bytes: 140 }
    const failures = [{ topic: 'orders', lane: '0', position: 12, reason: 'status 400' }]
    expect(await jobs.get('killed', 100)).toMatchObject({
      query,
      target,
      options,
      planned,
      startedMs: 5,
      workers: 'one',
      counts,
      failures,
    })
    expect(await jobs.get('failed', 100)).toMatchObject({ endedMs: 7, error: { code: 'BLOCK_CORRUPT', message: 'damaged' } })
    const lease = { owner: 'w', nowMs: 100, leaseMs: 1000 }
    expect(await jobs.take(lease)).toBeUndefined()
    expect(await jobs.take(lease, { job: 'killed' })).toMatchObject({
      part: { part: 1, lane: { topicId: 'id-2' }, after: [0], nextPosition: 300 },
    })
    for (const store of opened) await store[Symbol.asyncDispose]()
  })
})
