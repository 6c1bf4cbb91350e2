import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import type { SegmentIndex } from '../../src/index/segment-index.ts'
import type { Store } from '../../src/store/store.ts'
import { grow } from '../index/chains.ts'
import { configure, jsonLines, runProgram } from '../live/program.ts'
import { until } from '../live/until.ts'

const LANES = 24
const laneOf = (lane: number) => ({ topic: 'orders', topicId: 'id-1', lane: String(lane) })
const growAll = async (store: Store, commits: number) => {
  for (let lane = 0; lane < LANES; lane++) await grow(store, laneOf(lane), commits)
}

/** What `millpond index` must do with an index; `config` names it for a folder, `open` opens the same one here. */
export function followersContract(config: () => object, open: (folder: string) => Promise<SegmentIndex>): void {
  it('is kept by followers that share the lanes, of which one is killed', { timeout: 300_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millpond-followers-'))
    const killed = new AbortController()
    const ended = new AbortController()
    await mkdir(join(folder, 'archive'))
    await using store = await openFileStore({ path: join(folder, 'archive') })
    try {
      await configure(folder, { ...config(), store: { path: 'archive' } })
      await growAll(store, 1)
      const words = ['index', 'follow', '--dir', folder, '--json', '--every', '200ms']
      const first = runProgram(words, { kill: killed.signal })
      const second = runProgram(words, { kill: ended.signal })
      await using index = await open(folder)
      const knows = async (commits: number) => {
        const lanes = await index.lanes()
        return lanes.length === LANES && lanes.every((lane) => lane.commits === commits)
      }
      await until(() => knows(2), 'the first commits', 120_000)
      await until(async () => (await index.announce!('serve-test', 1000)).length === 3, 'both to be known', 120_000)
      // Rounds until both have had a share, for one may start late.
      await growAll(store, 1)
      await until(() => knows(3), 'the second commits', 120_000)
      killed.abort()
      await growAll(store, 1)
      await until(() => knows(4), 'the lanes of the killed one to be taken', 120_000)
      ended.abort()
      const printed = (await Promise.all([first, second])).map(({ stdout }) => jsonLines(stdout) as { commits: number }[])
      const shares = printed.map((lines) => lines.reduce((sum, { commits }) => sum + commits, 0))
      expect(shares.every((share) => share > 0)).toBe(true)
      expect(shares[1]).toBeGreaterThanOrEqual(LANES)
    } finally {
      killed.abort()
      ended.abort()
      await rm(folder, { recursive: true, force: true })
    }
  })
}

/** What the commands must do with a database that the config names. */
export function commandsContract(config: () => object): void {
  it('is filled, searched and made anew by the commands', { timeout: 300_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millpond-index-'))
    try {
      await configure(folder, config())
      const run = async (...words: string[]) => {
        const { exitCode, stdout, stderr } = await runProgram([...words, '--dir', folder, '--json'], {
          input: '{"key":"a","value":"one"}\n{"key":"b","value":"two"}\n',
        })
        expect(stderr + stdout.toString()).not.toContain('secret')
        expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
        return jsonLines(stdout)
      }
      await run('ingest', 'orders')
      await run('archive', '--once')
      expect(await run('search', '--topic', 'orders', '--key', 'b')).toMatchObject([{ key: 'b', value: 'two' }])
      expect(await run('index', 'rebuild')).toMatchObject([{ messages: 2 }])
      expect(await run('replay', '--topic', 'orders', '--to', 'count')).toMatchObject([{ counts: { delivered: 2 } }])
      expect(await run('jobs', 'list')).toMatchObject([{ state: 'done' }])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
}
