import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { archiveAll, postTaken, searched, verified } from '../live/messages.ts'
import { configure, serve } from '../live/program.ts'
import { until } from '../live/until.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

let dir: string
let clockFile: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-clock-'))
  clockFile = join(dir, 'clock-offset')
  await writeFile(clockFile, '0')
  await configure(dir, {
    archive: { rotate: { idle: '200ms', maxAge: '1h', maxSpan: '1h' } },
    local: { partitions: 1, retention: { maxAge: '365d' } },
    log: { level: 'warn' },
  })
})
afterEach(async () => {
  await rm(dir, { recursive: true })
})

/** The program with a clock that the test sets: what it reads in `clockFile` is added. */
const withClock = () => ({
  nodeWords: ['--import', join(import.meta.dirname, 'shifted-clock.ts')],
  env: { CLOCK_OFFSET_FILE: clockFile },
})

describe('a clock that goes back', () => {
  it('in the messages: none is lost or moved, segments still close, and a time range finds its own', async () => {
    const served = await serve(dir)
    const first = Date.UTC(2026, 0, 31)
    const messages = Array.from({ length: 1000 }, (_, i) => ({ key: 'k', value: i, timestamp: first - i * 60_000 }))
    for (let at = 0; at < 1000; at += 100) await postTaken(served, 'backwards', messages.slice(at, at + 100))
    await served.stop()
    await archiveAll(dir)

    const found = await searched(dir, '--topic', 'backwards')
    expect(found.map(({ value, timestamp }) => ({ key: 'k', value, timestamp }))).toEqual(messages)
    const from = first - 500 * 60_000
    const some = await searched(dir, '--topic', 'backwards', '--from', String(from), '--until', String(from + 10 * 60_000))
    expect(some.map(({ value }) => value)).toEqual([491, 492, 493, 494, 495, 496, 497, 498, 499, 500])
    expect(await verified(dir, '--against', 'local')).toMatchObject({ messages: 1000, compared: 1000 })
  })

  it('in the program, by a day and while it runs: messages keep their order and are committed in time', async () => {
    const served = await serve(dir, [], withClock())
    const archived = async () => {
      const metrics = await (await fetch(`${served.url}/metrics`)).text()
      return Number(/^millpond_messages_archived_total\{topic="stepped"\} (\d+)/mu.exec(metrics)?.[1] ?? 0)
    }
    await postTaken(served, 'stepped', [{ value: 'before' }])
    await until(async () => (await archived()) === 1, 'the first message to be archived')
    const steps = [-DAY_MS, 0, -40 * DAY_MS, DAY_MS, -DAY_MS]
    for (const [i, step] of steps.entries()) {
      // A segment is open while the clock is set.
      await postTaken(served, 'stepped', [{ value: `open ${i}` }])
      await writeFile(clockFile, String(step))
      await until(async () => (await archived()) === 2 + 2 * i, 'rotation after the clock was set')
      await postTaken(served, 'stepped', [{ value: `after ${i}` }])
      await until(async () => (await archived()) === 3 + 2 * i, 'rotation of what came after')
    }
    expect((await served.stop()).exitCode).toBe(0)

    const found = await searched(dir, '--topic', 'stepped')
    const wanted = ['before', ...steps.flatMap((_, i) => [`open ${i}`, `after ${i}`])]
    expect(found.map(({ value }) => value)).toEqual(wanted)
    expect(found.map(({ position }) => position)).toEqual(wanted.map((_, i) => i))
    // The clock was really set.
    expect(
      Math.max(...found.map(({ timestamp }) => timestamp)) - Math.min(...found.map(({ timestamp }) => timestamp)),
    ).toBeGreaterThan(40 * DAY_MS)
    expect(await verified(dir, '--against', 'local')).toMatchObject({ messages: wanted.length, compared: wanted.length })
  })
})
