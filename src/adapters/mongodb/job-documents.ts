import { createHash } from 'node:crypto'
import { isOffering } from '../../replay/job-rules.ts'
import type { JobRow } from '../../replay/job-rows.ts'
import type { JobAudit, ReplayCounts, ReplayFailure } from '../../replay/job.ts'
import { NO_COUNTS, addCounts } from '../../replay/job.ts'
import type { JobError, PartFacts, PartState, ReplayPart } from '../../replay/part.ts'
import type { VersionedDocument } from './versions.ts'

/** A job. `record` is all of it, as JSON; the other fields are what is asked for, and follow from it. `ref` is in the ids of its other documents. */
export interface JobDocument extends VersionedDocument {
  readonly createdMs: number
  /** The key behind `k`, and where there is none the id behind `i`: never missing, for servers differ in whether two that miss it are the same. */
  readonly unique: string
  /** Empty where it goes on. */
  readonly outcome: string
  readonly offers: boolean
  readonly record: string
}

/** A part of a job. */
export interface PartDocument extends VersionedDocument {
  readonly part: number
  readonly state: PartState
  /** 0 where nobody holds it. */
  readonly heldUntilMs: number
  /** 0 where it is not to be left alone. */
  readonly notBeforeMs: number
  readonly counts: ReplayCounts
  readonly error: JobError | null
  readonly record: string
}

/** A message that was refused; once, by its `_id`. */
export interface FailureDocument extends ReplayFailure {
  readonly _id: string
  readonly ref: string
  readonly ordinal: number
}

/** How a job ended. */
export interface AuditDocument {
  readonly _id: string
  readonly job: string
  readonly ending: number
  readonly endedMs: number
  readonly outcome: string
  readonly record: string
}

const PART_DIGITS = 10
const ENDING_DIGITS = 6

/** The id of a part; ids of a job's parts are in the order of their places. */
export const partId = (ref: string, part: number): string => `${ref}.${String(part).padStart(PART_DIGITS, '0')}`

/** Which ids are those of parts from a place on. */
export const partIds = (ref: string, from: number) => ({ $gte: partId(ref, from), $lt: `${ref}/` })

/** What the unique field of a job with that key is. */
export const uniqueKey = (key: string): string => `k${key}`

/** The document of a job. */
export const jobDocument = (ref: string, job: JobRow): JobDocument => ({
  _id: job.id,
  version: job.version,
  ref,
  createdMs: job.createdMs,
  unique: job.key === null ? `i${job.id}` : uniqueKey(job.key),
  outcome: job.outcome ?? '',
  offers: isOffering(job),
  record: JSON.stringify(job),
})

/** The document of a part. */
export const partDocument = (ref: string, part: ReplayPart): PartDocument => ({
  _id: partId(ref, part.part),
  version: part.version,
  ref,
  part: part.part,
  state: part.state,
  heldUntilMs: part.leaseUntilMs ?? 0,
  notBeforeMs: part.notBeforeMs ?? 0,
  counts: part.counts,
  error: part.error,
  record: JSON.stringify(part),
})

/** The document of a failure. */
export function failureDocument(ref: string, ordinal: number, failure: ReplayFailure): FailureDocument {
  const { topic, topicId = '', lane, position } = failure
  const place = createHash('sha256').update(JSON.stringify([topic, topicId, lane, position]))
  return { _id: `${ref}.${place.digest('hex').slice(0, 32)}`, ref, ordinal, ...failure }
}

/** The failure that a document tells of. */
export function failureOf(document: FailureDocument): ReplayFailure {
  const { _id: _, ref: __, ordinal: ___, ...failure } = document
  return failure
}

/** The document of an audit record. */
export const auditDocument = (audit: JobAudit): AuditDocument => ({
  _id: `${audit.job}.${String(audit.ending).padStart(ENDING_DIGITS, '0')}`,
  job: audit.job,
  ending: audit.ending,
  endedMs: audit.endedMs,
  outcome: audit.outcome,
  record: JSON.stringify(audit),
})

/** The job of a document. @throws SyntaxError where it is damaged, as those below do. */
export const jobOf = ({ record }: JobDocument): JobRow => JSON.parse(record) as JobRow

/** The part of a document. */
export const partOf = ({ record }: PartDocument): ReplayPart => JSON.parse(record) as ReplayPart

/** The audit record of a document. */
export const auditOf = ({ record }: AuditDocument): JobAudit => JSON.parse(record) as JobAudit

/** What parts of a job, in their order, are together. */
export function factsOf(parts: readonly Pick<PartDocument, 'state' | 'heldUntilMs' | 'counts' | 'error'>[]): PartFacts {
  const count = (state: PartState) => parts.filter((part) => part.state === state).length
  const heldUntilMs = parts.reduce((most, part) => Math.max(most, part.heldUntilMs), 0)
  const wrong = parts.filter(({ error }) => error !== null)
  return {
    parts: parts.length,
    done: count('done'),
    failed: count('failed'),
    counts: parts.reduce((sum, { counts }) => addCounts(sum, counts), NO_COUNTS),
    leaseUntilMs: heldUntilMs === 0 ? null : heldUntilMs,
    error: (wrong.find(({ state }) => state === 'failed') ?? wrong[0])?.error ?? null,
  }
}
