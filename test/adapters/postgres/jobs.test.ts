import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresIndex } from '../../../src/adapters/postgres/index.ts'
import { openPostgresJobs } from '../../../src/adapters/postgres/jobs.ts'
import { jobStoreContract, partOf, recordOf } from '../../contract/job-store.ts'
import { scheduleOf, schedulesContract } from '../../contract/schedules.ts'
import { until } from '../../live/until.ts'
import { serverMissing } from '../../servers/missing.ts'
import { type Postgres, startPostgres } from '../../servers/postgres.ts'
import { ownSchema } from './server.ts'

describe.skipIf(serverMissing('postgres') !== undefined)('jobs in PostgreSQL', () => {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres()
  }, 300_000)
  afterAll(() => server?.stop())

  const fixture = async () => {
    const options = ownSchema(server)
    return { open: () => openPostgresJobs(options), [Symbol.asyncDispose]: async () => undefined }
  }
  jobStoreContract('postgres', fixture)
  schedulesContract('postgres', fixture)

  it('of version 1, which had no schedules, are taken over', async () => {
    const options = ownSchema(server)
    const first = await openPostgresJobs(options)
    await first.create({ job: recordOf('a'), parts: [partOf('a', 0)] })
    await first[Symbol.asyncDispose]()
    const client = new Client({ connectionString: server.url('postgres') })
    await client.connect()
    await client.query(`DROP TABLE ${options.schema}.job_schedules`)
    await client.query(`UPDATE ${options.schema}.parts SET version = 1 WHERE part = 'jobs'`)
    await client.end()
    const stores = await Promise.all(Array.from({ length: 3 }, () => openPostgresJobs(options)))
    expect(await stores[0]!.schedules.insert(scheduleOf('s'))).toBe(true)
    expect(await stores[2]!.schedules.list()).toEqual([scheduleOf('s')])
    expect(await stores[1]!.get('a', 1)).toMatchObject({ id: 'a', partCount: 1 })
    for (const store of stores) await store[Symbol.asyncDispose]()
  })

  it('share a schema with the index, made by all at the same moment', async () => {
    const options = ownSchema(server)
    await using opened = new AsyncDisposableStack()
    const stores = await Promise.all(Array.from({ length: 6 }, () => openPostgresJobs(options)))
    const indexes = await Promise.all(Array.from({ length: 6 }, () => openPostgresIndex(options)))
    for (const one of [...stores, ...indexes]) opened.use(one)
    const outcomes = await Promise.allSettled(stores.map((jobs) => jobs.create({ job: recordOf('a'), parts: [partOf('a', 0)] })))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await indexes[0]!.lanes()).toEqual([])
  })

  it('give each part to one of many workers that ask at the same moment', { timeout: 120_000 }, async () => {
    const options = ownSchema(server)
    await using opened = new AsyncDisposableStack()
    const stores = await Promise.all(Array.from({ length: 6 }, () => openPostgresJobs(options)))
    for (const jobs of stores) opened.use(jobs)
    const parts = Array.from({ length: 40 }, (_, part) => partOf('a', part))
    await stores[0]!.create({ job: recordOf('a'), parts })
    const taken: number[] = []
    const work = async (at: number) => {
      for (;;) {
        const found = await stores[at]!.take({ owner: `w${at}`, nowMs: 1000, leaseMs: 60_000 })
        if (found === undefined) return
        taken.push(found.part.part)
      }
    }
    await Promise.all(stores.map((_, at) => work(at)))
    expect(taken.sort((a, b) => a - b)).toEqual(parts.map(({ part }) => part))
  })

  it('are there after the server was killed', { timeout: 120_000 }, async () => {
    await using jobs = await openPostgresJobs(ownSchema(server))
    await jobs.create({ job: recordOf('a'), parts: [partOf('a', 0)] })
    await server.kill()
    await expect(jobs.get('a', 1)).rejects.toMatchObject({ code: 'JOBS_UNAVAILABLE', retryable: true })
    await server.start()
    await until(
      () =>
        jobs.get('a', 1).then(
          (job) => job?.partCount === 1,
          () => false,
        ),
      'the job',
      60_000,
    )
  })
})
