import { open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MillpondError } from '../../errors.ts'
import { errnoOf } from './errors.ts'
import { syncFolder } from './folders.ts'
import { fileFailure } from './sink-file.ts'

/** How far a job came with a file, for what the file itself does not say. */
export interface SinkProgress {
  readonly job: string
  /** Bytes that the file had before the job. */
  readonly startBytes: number
  /** Bytes that the file has with all that `next` says. */
  readonly bytes: number
  /** By origin, the first position that is not dealt with. */
  readonly next: Readonly<Record<string, number>>
}

/** Where the progress of the file at `path` is kept. */
const progressPath = (path: string): string => `${path}.millpond-progress`

/** Replaces what is kept, durably. */
export async function writeProgress(path: string, progress: SinkProgress): Promise<void> {
  const kept = progressPath(path)
  const unfinished = `${kept}.new`
  try {
    await using file = await open(unfinished, 'w')
    await file.writeFile(`${JSON.stringify(progress)}\n`)
    await file.datasync()
    await rename(unfinished, kept)
    await syncFolder(dirname(kept))
  } catch (error) {
    throw fileFailure(error, 'write', kept)
  }
}

/**
 * What is kept of this job; undefined where nothing is: then the job has written nothing.
 * @throws MillpondError `JOB_CONFLICT` where it is of another job, `DELIVERY_FAILED` where it cannot be read.
 */
export async function readProgress(path: string, job: string): Promise<SinkProgress | undefined> {
  const kept = progressPath(path)
  let text: string
  try {
    text = await readFile(kept, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw fileFailure(error, 'read', kept)
  }
  const progress = parse(text)
  if (progress === undefined) throw new MillpondError('DELIVERY_FAILED', `${kept} is damaged`, { details: { path: kept } })
  if (progress.job !== job) {
    throw new MillpondError('JOB_CONFLICT', `${path} is written by job ${progress.job}, not by ${job}`, {
      details: { path, job, writtenBy: progress.job },
    })
  }
  return progress
}

function parse(text: string): SinkProgress | undefined {
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
  try {
    const { job, startBytes, bytes, next } = JSON.parse(text) as Record<string, unknown>
    const right = typeof job === 'string' && isCount(startBytes) && isCount(bytes) && typeof next === 'object' && next !== null
    return right && Object.values(next).every(isCount) ? (JSON.parse(text) as SinkProgress) : undefined
  } catch {
    return undefined
  }
}

/** Forgets what is kept. */
export async function removeProgress(path: string): Promise<void> {
  await unlink(progressPath(path)).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw fileFailure(error, 'remove', progressPath(path))
  })
}
