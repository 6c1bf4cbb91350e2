import { randomBytes } from 'node:crypto'
import type { IndexedLane } from '../../index/segment-index.ts'
import type { JobRecord, NewJob, ReplayJob, ReplayTarget } from '../../replay/job.ts'
import type { JobStore } from '../../replay/jobs.ts'
import { type PlanParts, planReplay } from '../../replay/plan.ts'
import { runReplay } from '../../replay/replay.ts'
import type { Archive } from '../../search/read.ts'
import type { MessageQuery } from '../../search/query.ts'
import type { Sink } from '../../sink/sink.ts'

/** What a resubmission needs of the program. */
export interface ResubmissionParts {
  readonly archive: Archive
  readonly jobs: JobStore
  /** Opens where the messages of the job go. */
  openSink(job: JobRecord, lanes: readonly IndexedLane[]): Promise<Sink>
  /** What the archive is filled from, so that no message comes back into it unasked. */
  readonly source: PlanParts['source']
  readonly nowMs: () => number
  /** Ends what is under way when the service stops: the jobs are interrupted and can go on. */
  readonly signal: AbortSignal
}

/** How messages go. */
export interface ResubmissionOptions {
  /** The kind of target: `local` or `kafka`. */
  readonly kind: string
  readonly topic: string
  readonly marks: boolean
  readonly allowLoop: boolean
  /** Who asks. */
  readonly requestedBy: string
}

/**
 * Replays what the queries select, one after the other, each as a recorded job, and gives the jobs as they ended. The first that does not get to its end
 * is the last: its order would be broken by those behind it.
 * @throws MillpondError as `planReplay`, before anything is sent.
 */
export async function resubmit(
  parts: ResubmissionParts,
  queries: readonly MessageQuery[],
  { kind, topic, marks, allowLoop, requestedBy }: ResubmissionOptions,
): Promise<ReplayJob[]> {
  const { archive, jobs, nowMs, signal, source } = parts
  const target: ReplayTarget = { kind, topic }
  const planned: NewJob[] = []
  for (const query of queries) {
    const planning = { index: archive.index, id: randomBytes(6).toString('hex'), nowMs: nowMs(), ...(source && { source }) }
    planned.push(await planReplay({ query, target, options: { marks, allowLoop }, requestedBy }, planning))
  }
  const lanes = await archive.index.lanes()
  const ended: ReplayJob[] = []
  for (const one of planned) {
    const { id } = await jobs.create(one)
    await using sink = await parts.openSink(one.job, lanes)
    const { job } = await runReplay(id, { archive, sink, jobs, nowMs }, signal)
    ended.push(job)
    if (job.state !== 'done') break
  }
  return ended
}
