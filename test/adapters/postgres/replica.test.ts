import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openPostgresIndex } from '../../../src/adapters/postgres/index.ts'
import type { PostgresOptions } from '../../../src/adapters/postgres/options.ts'
import { addAll, chainOf, dumpOf } from '../../index/chains.ts'
import { until } from '../../live/until.ts'
import { serverMissing } from '../../servers/missing.ts'
import { type Postgres, startPostgres } from '../../servers/postgres.ts'
import { endpointOf, ownSchema } from './server.ts'

const lane = { topic: 'orders', topicId: 'id-1', lane: '0' }
const plan = { segments: [{ count: 10, minTimestamp: 0, maxTimestamp: 999 }] }

describe.skipIf(serverMissing('postgres') !== undefined)('reading the index from a replica', { timeout: 120_000 }, () => {
  let primary: Postgres
  let standby: Postgres
  let options: PostgresOptions
  const clients: Client[] = []
  const clientOf = async (server: Postgres) => {
    const client = new Client({ connectionString: server.url('postgres') })
    client.on('error', () => undefined)
    await client.connect()
    clients.push(client)
    return client
  }
  beforeAll(async () => {
    primary = await startPostgres()
    standby = await primary.startStandby()
  }, 300_000)
  afterAll(async () => {
    for (const client of clients) await client.end().catch(() => undefined)
    await standby?.stop()
    await primary?.stop()
  })
  beforeEach(() => {
    options = { ...ownSchema(primary), replicas: [endpointOf(standby)] }
  })

  /** How often a server was asked about this schema. */
  const asked = async (client: Client): Promise<number> => {
    await client.query('SELECT pg_stat_clear_snapshot()')
    const { rows } = await client.query<{ seen: string }>(
      'SELECT coalesce(sum(seq_scan + idx_scan), 0) AS seen FROM pg_stat_all_tables WHERE schemaname = $1',
      [options.schema],
    )
    return Number(rows[0]?.seen)
  }

  it('takes what is there from the replica', async () => {
    const commits = chainOf(lane, 0, [plan, plan, plan])
    await using writer = await openPostgresIndex(options)
    await addAll(writer, commits)
    const replica = await clientOf(standby)
    const count = `SELECT commits FROM ${options.schema}.lanes`
    await until(
      () =>
        replica.query<{ commits: string }>(count).then(
          ({ rows }) => rows[0]?.commits === '4',
          () => false,
        ),
      'the replica to have it',
      60_000,
    )
    await using reader = await openPostgresIndex(options)
    const before = await asked(replica)
    expect(await dumpOf(reader)).toEqual(await dumpOf(writer))
    // Counters of a backend are told when it has been idle for a while.
    await until(async () => (await asked(replica)) > before, 'the replica to be asked', 90_000)
  })

  it('never gives less than this process wrote, however late the replica is', async () => {
    const replica = await clientOf(standby)
    await using index = await openPostgresIndex(options)
    await replica.query('SELECT pg_wal_replay_pause()')
    try {
      for (const [at, commit] of chainOf(
        lane,
        0,
        Array.from({ length: 20 }, () => plan),
      ).entries()) {
        await index.add(commit)
        expect((await index.lane(lane))?.commits).toBe(at + 1)
      }
      expect((await dumpOf(index)).segments).toHaveLength(20)
      await index.clear(lane)
      expect(await index.lanes()).toEqual([])
    } finally {
      await replica.query('SELECT pg_wal_replay_resume()')
    }
  })

  it('goes on at the primary when the replica ends in the middle, and with one that is no copy', async () => {
    await using writer = await openPostgresIndex(options)
    await addAll(
      writer,
      chainOf(
        lane,
        0,
        Array.from({ length: 300 }, () => plan),
      ),
    )
    const all = await dumpOf(writer)
    const replica = await clientOf(standby)
    await until(
      () =>
        replica.query<{ commits: string }>(`SELECT commits FROM ${options.schema}.lanes`).then(
          ({ rows }) => rows[0]?.commits === '301',
          () => false,
        ),
      'the replica to have it',
      60_000,
    )
    await using reader = await openPostgresIndex(options)
    const reading = reader.segments({})[Symbol.asyncIterator]()
    const seen = [(await reading.next()).value!]
    await standby.kill()
    for (let next = await reading.next(); !next.done; next = await reading.next()) seen.push(next.value)
    expect(seen).toEqual(all.segments)
    expect(await dumpOf(reader)).toEqual(all)
    await standby.start()

    await using other = await startPostgres()
    const strange = { ...options, primary: endpointOf(other), replicas: [endpointOf(primary)] }
    await using empty = await openPostgresIndex(strange)
    expect(await empty.lanes()).toEqual([])
  })
})
