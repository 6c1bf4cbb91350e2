import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { replayOptions } from '../../src/replay/job.ts'
import { createSharedPace } from '../../src/replay/shared-pace.ts'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import { recordOf } from '../contract/job-store.ts'

/** What workers sent, when, by a clock of which only they know: each sends all that it may, and then sees what time it is. */
async function send(rate: number, workers: readonly { readonly count: number; readonly writeMs: number }[]) {
  await using jobs = await openSqliteJobs({ path: ':memory:' })
  const options = replayOptions('http', { rateMessagesPerSecond: rate })
  await jobs.create({ job: recordOf('a', { options }), parts: [] })
  let asked = 0
  const senders = workers.map(({ count, writeMs }) => {
    const sender = { nowMs: 5000, left: count, writeMs, sent: [] as { readonly atMs: number; readonly count: number }[] }
    const pace = createSharedPace(rate, (wanted) => {
      asked++
      return jobs.reserve('a', wanted, Math.floor(sender.nowMs))
    })
    return { ...sender, sender, pace }
  })
  for (;;) {
    // The one whose clock is behind acts next, so that time is one.
    const [next] = senders.filter(({ sender }) => sender.left > 0).toSorted((a, b) => a.sender.nowMs - b.sender.nowMs)
    if (next === undefined) break
    const { sender, pace } = next
    const portion = pace.portion(sender.left)
    sender.nowMs += await pace.reserve(portion, sender.nowMs)
    sender.sent.push({ atMs: sender.nowMs, count: portion })
    sender.left -= portion
    sender.nowMs += sender.writeMs
  }
  const sent = senders.flatMap(({ sender }) => sender.sent).toSorted((a, b) => a.atMs - b.atMs)
  return { sent, asked }
}

describe('a rate that several workers hold together', () => {
  it.each([
    { rate: 100, workers: 1 },
    { rate: 100, workers: 2 },
    { rate: 10_000, workers: 3 },
    { rate: 2, workers: 2 },
  ])('lets $rate a second through over $workers workers, with few questions', async ({ rate, workers }) => {
    const seconds = 20
    const each = (rate * seconds) / workers
    const { sent, asked } = await send(
      rate,
      Array.from({ length: workers }, () => ({ count: each, writeMs: 0 })),
    )
    expect(sent.reduce((sum, { count }) => sum + count, 0)).toBeCloseTo(rate * seconds, 6)
    const tookMs = sent.at(-1)!.atMs - 5000
    expect(tookMs).toBeGreaterThan((seconds - 1) * 1000)
    expect(tookMs).toBeLessThan((seconds + 1) * 1000)
    // Four turns a second over all of them, or one a message where there are fewer.
    expect(asked).toBeLessThanOrEqual(Math.min(4.2, rate) * seconds + workers)
  })

  it('lets no more through in any time than the rate and a turn of each worker', async () => {
    const worker = fc.record({ count: fc.integer({ min: 1, max: 3000 }), writeMs: fc.nat(200) })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5000 }),
        fc.array(worker, { minLength: 1, maxLength: 4 }),
        async (rate, workers) => {
          const { sent } = await send(rate, workers)
          const turn = Math.ceil(rate / 4)
          const most = (ms: number) => (rate * (ms + 100)) / 1000 + workers.length * (turn + rate / 10 + 1)
          for (let from = 0, i = 0, within = 0; i < sent.length; i++) {
            within += sent[i]!.count
            while (sent[i]!.atMs - sent[from]!.atMs > 2000) within -= sent[from++]!.count
            expect(within).toBeLessThanOrEqual(most(sent[i]!.atMs - sent[from]!.atMs))
          }
        },
      ),
      { numRuns: 30 },
    )
  })
})
