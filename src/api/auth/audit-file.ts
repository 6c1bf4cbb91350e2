import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MillpondError } from '../../errors.ts'
import { removeRotated, rotatedName } from './rotated-files.ts'

/** A file of lines that only grows. */
export interface LineFile extends AsyncDisposable {
  /**
   * Resolves when the line is durable.
   * @throws MillpondError `AUDIT_UNAVAILABLE` where it could not be written, or where too much waits to be.
   */
  append(line: string): Promise<void>
}

export interface LineFileOptions {
  readonly path: string
  /** The file gets another name, with the time, before it would be larger. */
  readonly rotateBytes: number
  /** So many of the files that got another name are kept, all where it is undefined. */
  readonly keep?: number | undefined
  readonly nowMs: () => number
  /** Told why files that are not to be kept could not be removed; lines are written all the same. */
  readonly onKept?: (reason: string) => void
}

interface Waiting {
  readonly line: string
  readonly resolve: () => void
  readonly reject: (error: MillpondError) => void
}

/** What waits for the disk at the most; lines are some hundred bytes. */
const MAX_WAITING_CHARACTERS = 8 * 1024 * 1024
const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW } = constants

interface OpenFile {
  readonly file: FileHandle
  readonly ino: number
  bytes: number
  /** Whether its end may be a part of a line: the next line begins on a new one. */
  isTorn: boolean
}

/** Appends lines: those that come while the disk is busy go to it together. Several processes may append to one file. */
export function openLineFile({ path, rotateBytes, keep, nowMs, onKept }: LineFileOptions): LineFile {
  let waiting: Waiting[] = []
  let waitingCharacters = 0
  let writing: Promise<void> | undefined
  let current: OpenFile | undefined
  let isBegun = false

  const ready = async (moreBytes: number): Promise<OpenFile> => {
    if (current !== undefined && !(await isAt(path, current.ino))) await drop()
    current ??= await openAt(path)
    // Fewer may be wanted than when they were made.
    if (!isBegun) await prune(undefined)
    isBegun = true
    if (current.bytes > 0 && current.bytes + moreBytes > rotateBytes) {
      const rotated = await rotatedName(path, nowMs())
      await rename(path, rotated)
      await drop()
      current = await openAt(path)
      await prune(rotated)
    }
    return current
  }
  const prune = async (newest: string | undefined): Promise<void> => {
    if (keep === undefined) return
    await removeRotated(path, keep, newest).catch((error: unknown) => onKept?.(reasonOf(error)))
  }
  const drop = async (): Promise<void> => {
    const { file } = current!
    current = undefined
    await file.close()
  }
  const write = async (batch: readonly Waiting[]): Promise<void> => {
    const text = batch.map(({ line }) => `${line}\n`).join('')
    const to = await ready(Buffer.byteLength(text))
    const bytes = Buffer.from(to.isTorn ? `\n${text}` : text)
    to.isTorn = true
    await to.file.appendFile(bytes)
    await to.file.datasync()
    to.bytes += bytes.byteLength
    to.isTorn = false
  }
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      waitingCharacters = 0
      try {
        await write(batch)
        for (const { resolve } of batch) resolve()
      } catch (error) {
        const failure = unavailable(error)
        for (const { reject } of batch) reject(failure)
      }
    }
    // At once, not when the promise is settled: a line that comes between would wait for ever.
    writing = undefined
  }
  return {
    append(line) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      if (waitingCharacters + line.length > MAX_WAITING_CHARACTERS) reject(unavailable('the disk is too slow'))
      else {
        waitingCharacters += line.length
        waiting.push({ line, resolve, reject })
        writing ??= run()
      }
      return promise
    },
    async [Symbol.asyncDispose]() {
      await writing
      await current?.file.close()
    },
  }
}

async function openAt(path: string): Promise<OpenFile> {
  await mkdir(dirname(path), { recursive: true })
  const file = await open(path, O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o600)
  try {
    const found = await file.stat()
    if (!found.isFile()) throw new Error(`${path} is no file`)
    // One that was there may be open to others.
    await file.chmod(0o600)
    const { ino, size } = found
    const last = Buffer.alloc(1)
    if (size > 0) await file.read(last, 0, 1, size - 1)
    return { file, ino, bytes: size, isTorn: size > 0 && last[0] !== 0x0a }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Whether the file of this number still has the name: another process may have renamed it. */
async function isAt(path: string, ino: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.ino === ino
}

const reasonOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error))

function unavailable(error: unknown): MillpondError {
  return new MillpondError('AUDIT_UNAVAILABLE', `the audit log cannot be written: ${reasonOf(error)}`, { cause: error })
}
