import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archiveAll, postTaken, searched, succeed, verified } from '../live/messages.ts'
import { configure, jsonLines, serve, type Served } from '../live/program.ts'

const TOPICS = 5000
const CALLERS = 16
const MAX_MEMORY_MB = 500

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-topics-'))
  await configure(dir, { local: { partitions: 1 }, log: { level: 'warn' } })
})
afterAll(async () => {
  await rm(dir, { recursive: true })
})

/** The most memory that the process ever had, MB, as the kernel counted it. */
async function peakMemoryMB({ pid }: Served): Promise<number> {
  return Number(/^VmHWM:\s+(\d+) kB$/mu.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

async function timed<T>(what: string, act: () => Promise<T>): Promise<T> {
  const startedMs = performance.now()
  const result = await act()
  process.stderr.write(`${TOPICS} topics: ${what} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`)
  return result
}

describe.skipIf(process.platform !== 'linux')(`${TOPICS} topics`, { timeout: 600_000 }, () => {
  it('are made by their first message, archived, listed and found, within the memory of one', async () => {
    const names = Array.from({ length: TOPICS }, (_, i) => `topic/${i}`)
    const served = await serve(dir)
    await timed('posted', async () => {
      const waiting = names.entries()
      const post = async () => {
        for (const [i, name] of waiting) await postTaken(served, name, [{ key: 'k', id: `id-${i}`, value: { i } }])
      }
      await Promise.all(Array.from({ length: CALLERS }, post))
    })
    // Stopping commits what was read; the rest is archived below.
    const memoryMB = await peakMemoryMB(served)
    await timed('stopped', served.stop)
    process.stderr.write(`${TOPICS} topics: ${memoryMB.toFixed(0)} MB in serve\n`)
    expect(memoryMB).toBeLessThan(MAX_MEMORY_MB)

    await timed('archived', () => archiveAll(dir))
    const listed = await timed('listed', async () => jsonLines((await succeed(dir, ['topics', '--json'])).stdout))
    const rows = listed as { topic: string; archived: number; lag: number }[]
    expect(new Set(rows.map(({ topic }) => topic))).toEqual(new Set(names))
    expect(rows.every(({ archived, lag }) => archived === 1 && lag === 0)).toBe(true)
    expect(await timed('one found by id', () => searched(dir, '--id', 'id-4321'))).toMatchObject([
      { topic: 'topic/4321', value: { i: 4321 } },
    ])
    expect(await timed('one found by topic', () => searched(dir, '--topic', 'topic/1234'))).toMatchObject([
      { value: { i: 1234 } },
    ])
    expect(await timed('verified', () => verified(dir))).toMatchObject({ messages: TOPICS })
  })
})
