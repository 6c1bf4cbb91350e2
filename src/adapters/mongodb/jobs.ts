import { randomBytes } from 'node:crypto'
import type { Filter } from 'mongodb'
import type { FreePartsPage, JobPage, JobRow, JobRows } from '../../replay/job-rows.ts'
import { createJobStore } from '../../replay/job-store.ts'
import type { JobAudit, ReplayFailure } from '../../replay/job.ts'
import { MAX_RECORDED_FAILURES } from '../../replay/job.ts'
import type { AuditListOptions, AuditPlace, JobPlace, JobStore } from '../../replay/jobs.ts'
import type { PartFacts, ReplayPart } from '../../replay/part.ts'
import { once, openMongo, type OpenMongo } from './client.ts'
import { isDuplicate, mongoError } from './errors.ts'
import { idOf, inserted } from './insert.ts'
import {
  type AuditDocument,
  auditDocument,
  auditOf,
  factsOf,
  type FailureDocument,
  failureDocument,
  failureOf,
  type JobDocument,
  jobDocument,
  jobOf,
  type PartDocument,
  partDocument,
  partIds,
  partOf,
  uniqueKey,
} from './job-documents.ts'
import type { MongoOptions } from './options.ts'
import { createScheduleRows } from './schedules.ts'
import { type ReplaceVersion, replaceVersion } from './versions.ts'

const REF_BYTES = 8
/** Documents that one insertion carries. */
const INSERTED_AT_ONCE = 1000
const KEPT_REFS = 1000

/** Jobs change all the time: only the newest counts. */
const NEWEST = { readPreference: 'primary' } as const

/**
 * Replay jobs in a database of MongoDB. Each call changes documents one by one. A server that is away for now is no reason not to open.
 * @throws MillpondError `DEPENDENCY_MISSING`; `CONFIG_INVALID` for a connection string that is none.
 */
export async function openMongoJobs(options: MongoOptions): Promise<JobStore> {
  return createJobStore(createRows(await openMongo(options), options.collectionPrefix))
}

function createRows(mongo: OpenMongo, prefix: string): JobRows {
  const stored = new StoredJobs(mongo, prefix)
  const prepared = once(() => stored.prepare())
  const attempt = async <T>(act: () => Promise<T>, first: () => Promise<void> = prepared): Promise<T> => {
    try {
      await first()
      return await act()
    } catch (error) {
      throw mongoError(error, { unavailable: 'JOBS_UNAVAILABLE', corrupt: 'JOBS_CORRUPT' }, `the job store ${mongo.name}`)
    }
  }
  return {
    name: mongo.name,
    insert: (job, parts) => attempt(() => stored.insert(job, parts)),
    job: (id) => attempt(() => stored.job({ _id: id })),
    jobByKey: (key) => attempt(() => stored.job({ unique: uniqueKey(key) })),
    jobs: (page) => attempt(() => stored.page(page)),
    offering: (limit, after) => attempt(() => stored.offering(limit, after)),
    replaceJob: (job) => attempt(() => stored.replaceJob(job)),
    parts: (job, { from, limit }) => attempt(() => stored.parts(job, from, limit)),
    freeParts: (job, page) => attempt(() => stored.parts(job, page.from, page.limit, freeFilter(page))),
    countDone: (job, parts) => attempt(() => stored.countDone(job, parts)),
    replaceParts: (parts) => attempt(() => Promise.all(parts.map((part) => stored.replacePart(part)))),
    facts: (jobs) => attempt(() => stored.facts(jobs)),
    addFailures: (job, failures) => attempt(() => stored.addFailures(job, failures)),
    failures: (job) => attempt(() => stored.failures(job)),
    putAudit: (audit) => attempt(() => stored.putAudit(audit)),
    audits: (page) => attempt(() => stored.audits(page)),
    schedules: createScheduleRows(mongo, prefix, attempt),
    [Symbol.asyncDispose]: () =>
      attempt(
        async () => mongo[Symbol.asyncDispose](),
        async () => undefined,
      ),
  }
}

const freeFilter = ({ nowMs, isDue }: FreePartsPage): Filter<PartDocument> => ({
  state: 'open',
  heldUntilMs: { $lte: nowMs },
  ...(isDue ? { notBeforeMs: { $lte: nowMs } } : {}),
})

/** Behind a place in the order of the list. */
const endedBefore = ({ endedMs, job, ending }: AuditPlace): Filter<AuditDocument> => ({
  $or: [{ endedMs: { $lt: endedMs } }, { endedMs, job: { $lt: job } }, { endedMs, job, ending: { $lt: ending } }],
})

/** A class for its collections, and for what it knows of jobs that never changes. */
class StoredJobs {
  readonly #mongo: OpenMongo
  readonly #prefix: string
  readonly #refs = new Map<string, string>()
  readonly #replaceJob: ReplaceVersion<JobDocument>
  readonly #replacePart: ReplaceVersion<PartDocument>

  constructor(mongo: OpenMongo, prefix: string) {
    this.#mongo = mongo
    this.#prefix = prefix
    this.#replaceJob = replaceVersion(mongo, `${prefix}jobs`)
    this.#replacePart = replaceVersion(mongo, `${prefix}job_parts`)
  }

  get #jobs() {
    return this.#mongo.database.collection<JobDocument>(`${this.#prefix}jobs`)
  }

  get #parts() {
    return this.#mongo.database.collection<PartDocument>(`${this.#prefix}job_parts`)
  }

  get #failures() {
    return this.#mongo.database.collection<FailureDocument>(`${this.#prefix}job_failures`)
  }

  get #audits() {
    return this.#mongo.database.collection<AuditDocument>(`${this.#prefix}job_audits`)
  }

  async prepare(): Promise<void> {
    await this.#jobs.createIndex({ unique: 1 }, { name: 'unique', unique: true })
    await this.#jobs.createIndex({ createdMs: -1, _id: -1 }, { name: 'age' })
    await this.#jobs.createIndex({ offers: 1, createdMs: 1, _id: 1 }, { name: 'offers' })
    await this.#parts.createIndex({ ref: 1, part: 1 }, { name: 'job' })
    await this.#failures.createIndex({ ref: 1, ordinal: 1 }, { name: 'job' })
    await this.#audits.createIndex({ endedMs: -1, job: -1, ending: -1 }, { name: 'age' })
  }

  /** Parts lie under a `ref` that no other job has, so that those of a job that is not made hide and harm nothing. */
  async insert(job: JobRow, parts: readonly ReplayPart[]): Promise<boolean> {
    const ref = randomBytes(REF_BYTES).toString('hex')
    for (let at = 0; at < parts.length; at += INSERTED_AT_ONCE) {
      const some = parts.slice(at, at + INSERTED_AT_ONCE).map((part) => partDocument(ref, part))
      await this.#parts.insertMany(some, { ordered: false })
    }
    if (await inserted(this.#jobs, jobDocument(ref, job))) return true
    await this.#parts.deleteMany({ ref })
    return false
  }

  async job(filter: { readonly _id: string } | { readonly unique: string }): Promise<JobRow | undefined> {
    const found = await this.#jobs.findOne(filter, NEWEST)
    return found === null ? undefined : jobOf(found)
  }

  async page({ limit, before, outcomes }: JobPage): Promise<JobRow[]> {
    const filter: Filter<JobDocument> = {
      ...(outcomes === undefined ? {} : { outcome: { $in: outcomes.map((outcome) => outcome ?? '') } }),
      ...(before === undefined
        ? {}
        : { $or: [{ createdMs: { $lt: before.createdMs } }, { createdMs: before.createdMs, _id: { $lt: before.id } }] }),
    }
    return (await this.#jobs.find(filter, NEWEST).sort({ createdMs: -1, _id: -1 }).limit(limit).toArray()).map(jobOf)
  }

  async offering(limit: number, after: JobPlace | undefined): Promise<JobRow[]> {
    const behind: Filter<JobDocument> =
      after === undefined
        ? {}
        : { $or: [{ createdMs: { $gt: after.createdMs } }, { createdMs: after.createdMs, _id: { $gt: after.id } }] }
    const found = this.#jobs.find({ offers: true, ...behind }, NEWEST)
    return (await found.sort({ createdMs: 1, _id: 1 }).limit(limit).toArray()).map(jobOf)
  }

  async replaceJob(job: JobRow): Promise<boolean> {
    const ref = await this.#refOf(job.id)
    return ref !== undefined && this.#replaceJob(jobDocument(ref, { ...job, version: job.version + 1 }))
  }

  async parts(job: string, from: number, limit: number, filter: Filter<PartDocument> = {}): Promise<ReplayPart[]> {
    const ref = await this.#refOf(job)
    if (ref === undefined) return []
    const found = this.#parts.find({ _id: partIds(ref, from), ...filter } as Filter<PartDocument>, NEWEST)
    return (await found.sort({ _id: 1 }).limit(limit).toArray()).map(partOf)
  }

  async countDone(job: string, parts: readonly number[]): Promise<number> {
    const ref = await this.#refOf(job)
    if (ref === undefined) return 0
    const filter: Filter<PartDocument> = { ref, part: { $in: [...parts] }, state: 'done' }
    return (await this.#parts.find(filter, { ...NEWEST, projection: { _id: 1 } }).toArray()).length
  }

  async replacePart(part: ReplayPart): Promise<boolean> {
    const ref = await this.#refOf(part.job)
    return ref !== undefined && this.#replacePart(partDocument(ref, { ...part, version: part.version + 1 }))
  }

  /** Summed up here: not every server adds fields up right. */
  async facts(jobs: readonly string[]): Promise<PartFacts[]> {
    const refs = await Promise.all(jobs.map((job) => this.#refOf(job)))
    const known = refs.filter((ref) => ref !== undefined)
    const fields = { ref: 1, state: 1, heldUntilMs: 1, counts: 1, error: 1 } as const
    const found = this.#parts.find({ ref: { $in: known } }, { ...NEWEST, projection: fields }).sort({ ref: 1, part: 1 })
    const byRef = Map.groupBy(known.length === 0 ? [] : await found.toArray(), ({ ref }) => ref)
    return refs.map((ref) => factsOf((ref === undefined ? undefined : byRef.get(ref)) ?? []))
  }

  async addFailures(job: string, failures: readonly ReplayFailure[]): Promise<void> {
    const ref = await this.#refOf(job)
    if (ref === undefined || failures.length === 0) return
    const known = this.#failures.find({ ref }, { ...NEWEST, projection: { _id: 1 }, limit: MAX_RECORDED_FAILURES })
    const there = new Set((await known.toArray()).map(idOf))
    const added = new Map<string, FailureDocument>()
    for (const failure of failures) {
      const count = there.size + added.size
      const document = failureDocument(ref, count, failure)
      const isNew = !there.has(idOf(document)) && !added.has(idOf(document))
      if (isNew && count < MAX_RECORDED_FAILURES) added.set(idOf(document), document)
    }
    if (added.size === 0) return
    await this.#failures.insertMany([...added.values()], { ordered: false }).catch((error: unknown) => {
      // What another process has just added is there once; the others were added.
      if (!isDuplicate(error)) throw error
    })
  }

  async failures(job: string): Promise<ReplayFailure[]> {
    const ref = await this.#refOf(job)
    if (ref === undefined) return []
    const found = this.#failures.find({ ref }, NEWEST).sort({ ordinal: 1, _id: 1 }).limit(MAX_RECORDED_FAILURES)
    return (await found.toArray()).map(failureOf)
  }

  async putAudit(audit: JobAudit): Promise<void> {
    const document = auditDocument(audit)
    if (await inserted(this.#audits, document)) return
    const { _id, ...rest } = document
    await this.#audits.replaceOne({ _id }, rest)
  }

  async audits({ job, outcomes, before, limit }: AuditListOptions & { readonly limit: number }): Promise<JobAudit[]> {
    const filter: Filter<AuditDocument> = {
      ...(job === undefined ? {} : { job }),
      ...(outcomes === undefined ? {} : { outcome: { $in: [...outcomes] } }),
      ...(before === undefined ? {} : endedBefore(before)),
    }
    const found = this.#audits.find(filter, NEWEST).sort({ endedMs: -1, job: -1, ending: -1 })
    return (await found.limit(limit).toArray()).map(auditOf)
  }

  /** What stands for the job in ids; undefined where there is no such job. */
  async #refOf(id: string): Promise<string | undefined> {
    const known = this.#refs.get(id)
    if (known !== undefined) return known
    const found = await this.#jobs.findOne({ _id: id }, { ...NEWEST, projection: { ref: 1 } })
    if (found === null) return undefined
    const [oldest] = this.#refs.keys()
    if (this.#refs.size >= KEPT_REFS && oldest !== undefined) this.#refs.delete(oldest)
    this.#refs.set(id, found.ref)
    return found.ref
  }
}
