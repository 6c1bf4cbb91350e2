import type { ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { ReplayState, ReplaySummary } from '../../replay/job.ts'

const LOOK_MS = 500
/** Proxies close what is silent for long. */
const BEAT_MS = 15_000
const FINAL: ReadonlySet<ReplayState> = new Set<ReplayState>(['done', 'failed', 'cancelled'])

/**
 * Sends a job's progress as server-sent events until it ends or the caller goes: `progress` whenever it has changed, `end` with what it came to.
 * Source: HTML Living Standard, "Server-sent events", read 2026-11.
 */
export async function sendEvents(
  response: ServerResponse,
  look: () => Promise<ReplaySummary | undefined>,
  show: (job: ReplaySummary) => unknown,
): Promise<void> {
  let [sent, sentMs] = ['', performance.now()]
  while (!response.destroyed) {
    const job = await look()
    if (job === undefined) break
    const text = JSON.stringify(show(job))
    const isOver = FINAL.has(job.state)
    if (text !== sent || isOver) {
      response.write(`event: ${isOver ? 'end' : 'progress'}\ndata: ${text}\n\n`)
      ;[sent, sentMs] = [text, performance.now()]
    } else if (performance.now() - sentMs > BEAT_MS) {
      response.write(': still here\n\n')
      sentMs = performance.now()
    }
    if (isOver) break
    await wait(LOOK_MS)
  }
  response.end()
}
