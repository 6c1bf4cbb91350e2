import { randomUUID } from 'node:crypto'
import { suitHeapToStream } from '../../api/heap.ts'
import { planReplay } from '../../replay/plan.ts'
import { runReplay } from '../../replay/replay.ts'
import { openIndex, openJobs, openReplaySink } from '../../wiring.ts'
import { openStore } from '../../wiring/store.ts'
import type { BenchContext, Figures } from './context.ts'
import { measure, rateFigures } from './measure.ts'
import { TOPIC } from './prepare.ts'

/** Replays the whole topic, as `millpond replay --to count` does: a stored job with all its bookkeeping. */
export async function replayAll({ config, messages, signal }: BenchContext): Promise<Figures> {
  suitHeapToStream()
  await using store = await openStore(config, 'read')
  await using index = await openIndex(config)
  await using jobs = await openJobs(config)
  const order = { query: { topic: TOPIC }, target: { kind: 'count' } }
  const planned = await planReplay(order, { index, id: randomUUID(), nowMs: Date.now() })
  await jobs.create(planned)
  const { job } = planned
  await using sink = await openReplaySink(config, job)
  return rateFigures(
    await measure(async () => {
      const { job: done } = await runReplay(job.id, { archive: { store, index }, sink, jobs, nowMs: Date.now }, signal)
      if (done.state !== 'done' || done.counts.delivered !== messages) {
        throw new Error(`the replay is ${done.state} with ${done.counts.delivered} of ${messages} messages`)
      }
      return done.counts.delivered
    }),
  )
}
