import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import { archiveAll, postTaken, type PrintedMessage, searched, succeed, verified } from '../live/messages.ts'
import { configure, serve } from '../live/program.ts'
import { createRandom } from '../live/random.ts'
import { killArchive, killIngest, killReplay, killServe, type Load, LOAD_TOPIC } from './kill-load.ts'

const ROUNDS = Number(process.env['MILLPOND_KILL_ROUNDS'] ?? 200)
const SEED = Number(process.env['MILLPOND_KILL_SEED'] ?? Date.now() % 1_000_000)
const PARTITIONS = 4
/** How much of a usual lane a replay selects, at the most. */
const REPLAYED_POSITIONS = 2000

async function withLoad(act: (load: Load) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'millpond-kill-'))
  await configure(dir, {
    archive: { rotate: { idle: '100ms', maxAge: '300ms', maxCount: 500 }, lookups: { headers: ['n'] } },
    local: { partitions: PARTITIONS },
    log: { level: 'error' },
  })
  await mkdir(join(dir, 'millpond-data'))
  await using jobs = await openSqliteJobs({ path: join(dir, 'millpond-data/jobs.sqlite') })
  const random = createRandom(SEED)
  await act({ dir, random, jobs, sequences: new Map(), faults: [], kills: new Map(), replays: [] })
  await rm(dir, { recursive: true })
}

const killsOf = ({ kills }: Load): number => [...kills.values()].reduce((sum, count) => sum + count, 0)

/** Two that take and archive, one that replays, side by side, each killed over and over. */
async function killUntil(load: Load, rounds: number): Promise<string | undefined> {
  let round = 0
  const take = async (): Promise<void> => {
    while (killsOf(load) < rounds && load.faults.length === 0) {
      const name = `r${round++}`
      const kind = load.random()
      if (kind < 0.12) await killIngest(load, name)
      else if (kind < 0.2) await killArchive(load)
      else await killServe(load, name)
    }
  }
  let unfinished: string | undefined
  const replay = async (): Promise<void> => {
    while (killsOf(load) < rounds && load.faults.length === 0) {
      const taken = [...load.sequences.values()].reduce((sum, { acknowledged }) => sum + acknowledged, 0)
      const usual = taken / PARTITIONS
      const from = Math.floor(Math.max(usual * load.random(), usual - REPLAYED_POSITIONS))
      unfinished = await killReplay(load, from, unfinished)
    }
  }
  await Promise.all([take(), take(), replay()])
  return unfinished
}

const numberOf = ({ id }: PrintedMessage): number => Number(String(id).slice(String(id).lastIndexOf('-') + 1))

/** Each sequence is there from its beginning on, once and in order: all that was acknowledged, at the most what was sent. */
function checkSequences({ sequences }: Load, archived: readonly PrintedMessage[]): void {
  const byKey = Map.groupBy(archived, ({ key }) => String(key))
  const wrong: string[] = []
  for (const [key, { acknowledged, sent }] of sequences) {
    const numbers = (byKey.get(key) ?? []).map(numberOf)
    byKey.delete(key)
    const isOnceInOrder = numbers.every((n, i) => n === i)
    if (!isOnceInOrder || numbers.length < acknowledged || numbers.length > sent) {
      wrong.push(`${key}: ${acknowledged} acknowledged, ${sent} sent, ${numbers.length} there, in order: ${isOnceInOrder}`)
    }
  }
  expect(wrong).toEqual([])
  expect([...byKey.keys()]).toEqual([])
}

const headerOf = ({ headers = [] }: PrintedMessage, name: string) => headers.findLast((header) => header.name === name)?.value

/** What a replay delivered is what it selected of each lane, once and in order. */
async function checkReplay(load: Load, at: number, archived: readonly PrintedMessage[]): Promise<number> {
  const job = await load.jobs.get(load.replays[at]!, Date.now())
  expect(job?.state).toBe('done')
  const copies = job!.planned.messages === 0 ? [] : await searched(load.dir, '--topic', `copy-${at}`)
  const delivered = Map.groupBy(copies, (message) => headerOf(message, 'millpond-origin-lane'))
  for (const { lane, fromPosition, toPosition } of job!.parts) {
    const selected = archived.filter(
      (message) => message.lane === lane.lane && message.position >= fromPosition && message.position < toPosition,
    )
    const places = (delivered.get(lane.lane) ?? []).map(
      (message) => `${headerOf(message, 'millpond-origin-position')} ${message.id}`,
    )
    expect(places).toEqual(selected.map(({ position, id }) => `${position} ${id}`))
    delivered.delete(lane.lane)
  }
  expect([...delivered.keys()]).toEqual([])
  expect(job!.counts).toMatchObject({ delivered: copies.length, failed: 0 })
  return copies.length
}

describe('kill -9 under load', () => {
  it(
    `in ${ROUNDS} rounds of ingest, archive and replay loses nothing, doubles nothing and leaves a sound archive`,
    { timeout: 900_000 },
    async () => {
      process.stderr.write(`kill loop: MILLPOND_KILL_SEED=${SEED} repeats its choices\n`)
      await withLoad(async (load) => {
        const first = await serve(load.dir)
        await postTaken(first, LOAD_TOPIC, [{ key: 'first', id: 'first-0', value: 0 }])
        load.sequences.set('first', { acknowledged: 1, sent: 1 })
        await first.stop()

        const unfinished = await killUntil(load, ROUNDS)
        expect(load.faults).toEqual([])
        if (unfinished !== undefined) await succeed(load.dir, ['replay', '--resume', unfinished])
        await archiveAll(load.dir)

        const archived = await searched(load.dir, '--topic', LOAD_TOPIC)
        checkSequences(load, archived)
        let replayed = 0
        for (const at of load.replays.keys()) replayed += await checkReplay(load, at, archived)
        const { messages, compared } = await verified(load.dir, '--against', 'local')
        expect([messages, compared]).toEqual([archived.length + replayed, archived.length + replayed])

        process.stderr.write(
          `kill loop: ${JSON.stringify(Object.fromEntries(load.kills))} kills, ${archived.length} messages of ${load.sequences.size} sequences, ` +
            `${replayed} copies of ${load.replays.length} replays\n`,
        )
        // Every kind was hit, and had something to lose.
        for (const kind of ['serve', 'ingest', 'archive', 'replay'])
          expect(load.kills.get(kind) ?? 0).toBeGreaterThanOrEqual(Math.floor(ROUNDS / 100))
        expect(replayed).toBeGreaterThan(ROUNDS)
      })
    },
  )
})
