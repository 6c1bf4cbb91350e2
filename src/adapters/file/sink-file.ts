import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { errnoOf } from './errors.ts'
import { syncFolder } from './folders.ts'
import { writeChunks } from './temp-files.ts'

/** Where the bytes of a sink go, whole writes only. */
export interface SinkOutput {
  /**
   * Adds the bytes and resolves when they are durable.
   * @throws MillpondError `DELIVERY_FAILED`, and then none of them is there; `STOPPED` where nobody reads any more.
   */
  append(chunks: readonly Uint8Array[]): Promise<void>
  close(): Promise<void>
}

/** A file that grows by whole writes. */
export interface SinkFile extends SinkOutput {
  /** Bytes that are durable. */
  readonly bytes: number
  /** Whether there was no file before. */
  readonly created: boolean
  /** Whether the file is empty or ends with these bytes. */
  endsWith(ending: Uint8Array): Promise<boolean>
  /** Cuts the file back. */
  truncate(bytes: number): Promise<void>
}

// Opened for appending: a second writer's bytes then go behind ours, not over them.
const APPEND = constants.O_RDWR | constants.O_APPEND
const CREATE = APPEND | constants.O_CREAT | constants.O_EXCL

/**
 * Opens or makes the file; its name is durable then.
 * @throws MillpondError `DELIVERY_FAILED`.
 */
export async function openSinkFile(path: string): Promise<SinkFile> {
  try {
    const { file, created } = await openOrCreate(path)
    try {
      if (created) await syncFolder(dirname(path))
      return sinkFile({ file, path, created, initialBytes: (await file.stat()).size })
    } catch (error) {
      await file.close()
      throw error
    }
  } catch (error) {
    throw fileFailure(error, 'open', path)
  }
}

async function openOrCreate(path: string): Promise<{ file: FileHandle; created: boolean }> {
  try {
    return { file: await open(path, APPEND), created: false }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    return { file: await open(path, CREATE), created: true }
  }
}

function sinkFile(opened: { file: FileHandle; path: string; created: boolean; initialBytes: number }): SinkFile {
  const { file, path, created } = opened
  let bytes = opened.initialBytes
  /** Whether more than `bytes` may be there, of a write that failed. */
  let torn = false
  const cutBack = async (): Promise<void> => {
    await file.truncate(bytes)
    await file.datasync()
    torn = false
  }
  return {
    created,
    get bytes() {
      return bytes
    },
    async append(chunks) {
      try {
        if (torn) await cutBack()
        torn = true
        await writeChunks(file, chunks)
        await file.datasync()
        torn = false
        bytes += chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
      } catch (error) {
        // Where this fails as well, the next write begins with it.
        await cutBack().catch(() => undefined)
        throw fileFailure(error, 'write to', path)
      }
    },
    async endsWith(ending) {
      const end = new Uint8Array(ending.byteLength)
      if (bytes > 0) await file.read(end, 0, end.byteLength, Math.max(0, bytes - end.byteLength))
      return bytes === 0 || Buffer.compare(end, ending) === 0
    },
    async truncate(length) {
      try {
        bytes = length
        torn = true
        await cutBack()
      } catch (error) {
        throw fileFailure(error, 'truncate', path)
      }
    },
    async close() {
      if (torn) await cutBack().catch(() => undefined)
      await file.close()
    },
  }
}

/** The error of a call on the file that a sink writes. */
export function fileFailure(error: unknown, doing: string, path: string): MillpondError {
  if (isMillpondError(error)) return error
  const errno = errnoOf(error)
  const reason = errno ?? (error instanceof Error ? error.message : String(error))
  return new MillpondError('DELIVERY_FAILED', `cannot ${doing} ${path} (${reason})`, { cause: error, details: { path, errno } })
}
