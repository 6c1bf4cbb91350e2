import type { FastifyReply } from 'fastify'
import type { IndexedLane } from '../../index/segment-index.ts'
import type { ReplayJob } from '../../replay/job.ts'
import { answer, type Serving } from './answer.ts'
import { rowsAt } from './find.ts'
import { goString } from './go-text.ts'
import { uniqueIdOf } from './rows.ts'

/** A message that was not sent, and why. */
interface PipelineError {
  readonly id: string
  readonly reason: string
}

/** Each message that the target refused, and of each lane that did not get to its end the first message that was not sent. */
export async function pipelineErrors(
  serving: Serving,
  jobs: readonly ReplayJob[],
  lanes: readonly IndexedLane[],
): Promise<PipelineError[]> {
  const refused = jobs.flatMap(({ failures }) => failures)
  const rows = refused.length === 0 ? [] : await rowsAt(serving.view, refused, lanes)
  const published = rows.map((row) => ({ id: uniqueIdOf(row), reason: 'publish_error' }))
  const unsent = jobs.flatMap(({ state, error, parts }) =>
    state === 'done'
      ? []
      : parts
          .filter((part) => part.state !== 'done')
          .map(({ lane, nextPosition, error: own }) => ({
            id: `${serving.view.brokerId(lane.topic)}_${lane.lane}_${nextPosition}`,
            reason: reasonOf((own ?? error)?.code ?? ''),
          })),
  )
  return [...published, ...unsent]
}

/** What Dataphos says with each status; the one for 500 it never sends. */
const MESSAGES: Readonly<Record<number, string>> = {
  200: 'resubmission successful',
  206: 'partial resubmission',
  400: 'resubmission failed due to bad request',
}

/** Refuses a request. */
export const refuse = (reply: FastifyReply, error: string, type?: string): FastifyReply =>
  answer(reply, 400, { error, msg: MESSAGES[400]! }, type)

/** The one of Dataphos' reasons that fits. */
function reasonOf(code: string): string {
  if (/^(?:STORE_|OBJECT_|SEGMENT_|CHAIN_|COMMIT_)/u.test(code)) return 'storage_error'
  return /^(?:BLOCK_|FORMAT_|RECORD_SET_)/u.test(code) ? 'deserialization_error' : 'publish_error'
}

/** What became of a resubmission. */
export interface Report {
  readonly startingCount: number
  readonly indexed: number
  readonly read: number
  readonly published: number
  readonly indexerErrors: readonly string[]
  readonly pipelineErrors: readonly PipelineError[]
}

/** Answers what became of it: 200 without errors, 400 where nothing was published, 206 otherwise. */
export function report(
  reply: FastifyReply,
  { startingCount, indexed, read, published, indexerErrors, pipelineErrors }: Report,
): FastifyReply {
  const isClean = indexerErrors.length === 0 && pipelineErrors.length === 0
  const status = isClean ? 200 : published === 0 ? 400 : 206
  const starting = startingCount === 0 ? '' : `"starting_count":${startingCount},`
  const counts = `"indexed_count":${indexed},"fetched_count":${read},"deserialized_count":${read},"published_count":${published}`
  const ofIndex = indexerErrors.map((reason) => `{"reason":${goString(reason)}}`)
  const ofPipeline = pipelineErrors.map(({ id, reason }) => `{"id":${goString(id)},"reason":${goString(reason)}}`)
  const errors = [
    ...(ofIndex.length === 0 ? [] : [`"indexer_errors":[${ofIndex.join(',')}]`]),
    ...(ofPipeline.length === 0 ? [] : [`"pipeline_errors":[${ofPipeline.join(',')}]`]),
  ]
  return answer(
    reply,
    status,
    `{"status":${status},"msg":${goString(MESSAGES[status]!)},"summary":{${starting}${counts}},"errors":{${errors.join(',')}}}`,
  )
}
