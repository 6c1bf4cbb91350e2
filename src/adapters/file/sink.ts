import type { Writable } from 'node:stream'
import type { MessageBatch } from '../../batch/batch.ts'
import { valueAt } from '../../batch/view.ts'
import { writeJsonLines } from '../../encode/json-lines.ts'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { deliveryBroken } from '../../sink/partial.ts'
import type { FailedMessage, Sink, SinkTarget } from '../../sink/sink.ts'
import { openSinkFile, type SinkFile, type SinkOutput } from './sink-file.ts'
import { readProgress, removeProgress, writeProgress } from './sink-progress.ts'
import { originPrefix, scanLines } from './sink-scan.ts'
import { createStreamOutput } from './sink-stream.ts'

/** How a sink writes messages: JSON lines that lose nothing, or the values alone, each followed by the delimiter. */
export type FileSinkFormat = 'json' | 'raw'

export interface FileSinkOptions {
  /** The file; `-` is standard output. */
  readonly path: string
  readonly format: FileSinkFormat
  /** What follows each raw value; a line feed where it is left out. Values that hold it are not told apart. */
  readonly delimiter?: Uint8Array
  /** Whether what the file holds stays; otherwise it is replaced. */
  readonly append?: boolean
  /**
   * The job that goes on in the file it wrote before, under the same other options: what it wrote stays, a torn end is cut off, and
   * `resumePosition` says how far it came. A job that has not opened its file yet must open it without this.
   */
  readonly resumeJob?: string
  /** What `-` stands for, where it is not standard output. */
  readonly output?: Writable
}

const LINE_FEED = Uint8Array.of(10)

/** How far a job came: in a file that says it itself, or that has its progress kept beside it. */
interface Resumed {
  readonly next: Readonly<Record<string, number>>
  readonly startBytes: number
  /** Whether the progress beside the file is there already. */
  readonly kept: boolean
  /** Whether the file that the job wrote is gone, and with it all that was delivered. */
  readonly gone?: boolean
}

/**
 * A sink into one file or standard output. Writes that come while one is under way share the next sync; a write that fails leaves
 * nothing behind, so the file always ends with a whole message. Raw output cannot hold null values: they fail.
 * A resumed job sends nothing twice: JSON lines name their positions; for raw values, and where the file held something before, how far
 * the job came is kept beside the file, in `<path>.millpond-progress`.
 * @throws MillpondError `DELIVERY_FAILED`, `JOB_CONFLICT` where another job wrote the file.
 */
export async function openFileSink(options: FileSinkOptions): Promise<Sink> {
  if (options.path === '-') {
    const name = 'standard output'
    return createSink({ options, name, output: createStreamOutput(options.output ?? process.stdout, name) })
  }
  const file = await openSinkFile(options.path)
  try {
    const resumed = await prepare(file, options)
    return createSink({ options, name: `file ${options.path}`, output: file, file, resumed })
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Brings the file to where writing goes on. */
async function prepare(file: SinkFile, { path, format, append, resumeJob }: FileSinkOptions): Promise<Resumed> {
  if (resumeJob === undefined) {
    await removeProgress(path)
    if (append !== true) await file.truncate(0)
    // What others left may lack the end of its last line.
    if (format === 'json' && !(await file.endsWith(LINE_FEED))) await file.append([LINE_FEED])
    return { next: {}, startBytes: file.bytes, kept: false }
  }
  const kept = await readProgress(path, resumeJob)
  // Nothing is written before the progress is kept, where it is kept at all.
  if (kept === undefined && (format === 'raw' || append === true)) {
    if (append !== true) await file.truncate(0)
    return { next: {}, startBytes: file.bytes, kept: false, gone: file.created }
  }
  const startBytes = kept?.startBytes ?? 0
  const { bytes, next } = format === 'raw' ? kept! : await scanLines(path, startBytes)
  if (bytes > file.bytes || startBytes > file.bytes) {
    throw new MillpondError('DELIVERY_FAILED', `${path} has ${file.bytes} bytes, but job ${resumeJob} wrote ${bytes}`, {
      details: { path, bytes: file.bytes, writtenBytes: bytes },
    })
  }
  await file.truncate(bytes)
  return { next, startBytes, kept: kept !== undefined, gone: file.created }
}

interface Waiting {
  readonly target: SinkTarget
  readonly bytes: Uint8Array
  readonly nextPosition: number
  resolve(): void
  reject(error: unknown): void
}

interface SinkParts {
  readonly options: FileSinkOptions
  readonly name: string
  readonly output: SinkOutput
  readonly file?: SinkFile
  readonly resumed?: Resumed
}

function createSink(parts: SinkParts): Sink {
  const { options, name, output, resumed } = parts
  const keep = keeper(parts)
  /** What this process wrote, by job, topic and origin. */
  const reached = new Map<string, number>()
  let waiting: Waiting[] = []
  let running: Promise<void> | undefined

  const writeGroups = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        await keep.around(group, () => output.append(group.map(({ bytes }) => bytes)))
        for (const entry of group) entry.resolve()
      } catch (error) {
        for (const entry of group) entry.reject(error)
      }
    }
    running = undefined
  }
  const enqueue = (target: SinkTarget, bytes: Uint8Array, nextPosition: number): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    waiting.push({ target, bytes, nextPosition, resolve, reject })
    running ??= writeGroups()
    return promise
  }

  return {
    name,
    async write(target, batch, signal) {
      signal.throwIfAborted()
      if (batch.count === 0) return { delivered: 0, failed: [] }
      const { bytes, failed } = encode(batch, target, options)
      const nextPosition = batch.positions[batch.count - 1]! + 1
      try {
        await enqueue(target, bytes, nextPosition)
      } catch (error) {
        if (!isMillpondError(error, 'DELIVERY_FAILED')) throw error
        throw deliveryBroken(error.message, { nextPosition: batch.positions[0]!, delivered: 0, failed: [] }, error)
      }
      reached.set(targetKey(target), nextPosition)
      return { delivered: batch.count - failed.length, failed }
    },
    async resumePosition(target) {
      const position = reached.get(targetKey(target))
      if (position !== undefined || resumed === undefined || target.job === undefined) return position
      if (target.job !== options.resumeJob) return undefined
      return resumed.next[originPrefix(target.origin)] ?? (resumed.gone === true ? 0 : undefined)
    },
    async [Symbol.asyncDispose]() {
      await running
      await output.close()
    },
  }
}

const targetKey = ({ job, topic, origin }: SinkTarget): string => JSON.stringify([job ?? null, topic, originPrefix(origin)])

/** Keeps the progress of jobs whose file does not tell it: once before the first write, and for raw values after each. */
function keeper({ options, file, resumed }: SinkParts): {
  around(group: readonly Waiting[], write: () => Promise<void>): Promise<void>
} {
  if (file === undefined || resumed === undefined || (options.format === 'json' && options.append !== true)) {
    return { around: (_, write) => write() }
  }
  let { next, kept } = resumed
  const keep = async (group: readonly Waiting[], reached: Resumed['next']): Promise<void> => {
    const job = group.find(({ target }) => target.job !== undefined)?.target.job
    if (job === undefined) return
    await writeProgress(options.path, { job, startBytes: resumed.startBytes, bytes: file.bytes, next: reached })
    kept = true
  }
  return {
    async around(group, write) {
      if (!kept) await keep(group, next)
      const bytesBefore = file.bytes
      await write()
      if (options.format === 'json') return
      const reached = {
        ...next,
        ...Object.fromEntries(group.map(({ target, nextPosition }) => [originPrefix(target.origin), nextPosition])),
      }
      try {
        await keep(group, reached)
      } catch (error) {
        // What is not kept would be sent again.
        await file.truncate(bytesBefore)
        throw error
      }
      next = reached
    },
  }
}

/** The batch as the sink writes it, and what cannot be written so. */
function encode(
  batch: MessageBatch,
  target: SinkTarget,
  { format, delimiter = LINE_FEED }: FileSinkOptions,
): { bytes: Uint8Array; failed: FailedMessage[] } {
  if (format === 'json') return { bytes: writeJsonLines(batch, target.origin), failed: [] }
  const failed: FailedMessage[] = []
  let length = 0
  for (let row = 0; row < batch.count; row++) {
    const value = valueAt(batch, row)
    if (value !== null) length += value.byteLength + delimiter.byteLength
    else failed.push({ position: batch.positions[row]!, reason: 'raw output cannot hold a null value' })
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (let row = 0; row < batch.count; row++) {
    const value = valueAt(batch, row)
    if (value === null) continue
    bytes.set(value, at)
    at += value.byteLength
    bytes.set(delimiter, at)
    at += delimiter.byteLength
  }
  return { bytes, failed }
}
