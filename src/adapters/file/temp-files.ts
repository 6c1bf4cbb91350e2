import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, open, readdir, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from './errors.ts'
import type { Folders } from './folders.ts'

/** The folder below the root in which objects are written before they have their names. */
export const TEMP_FOLDER = '.millpond-tmp'

/** What is older belongs to no living writer. */
const STALE_MS = 24 * 60 * 60 * 1000

const CREATE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

/** A file on its way to become an object. */
export interface TempFile {
  readonly path: string
  readonly file: FileHandle
}

/** Opens a new file that nobody else sees. */
export async function openTempFile(root: string, folders: Folders): Promise<TempFile> {
  const path = join(root, TEMP_FOLDER, `${process.pid}-${randomBytes(12).toString('hex')}`)
  return { path, file: await folders.within(TEMP_FOLDER, () => open(path, CREATE_NEW)) }
}

/** Closes the file and removes it, as well as that goes: what stays is removed when a store is opened a day later. */
export async function discardTempFile(temp: TempFile): Promise<void> {
  await temp.file.close().catch(() => undefined)
  await unlink(temp.path).catch(() => undefined)
}

/** Writes all chunks to the end of the file. */
export async function writeChunks(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.length > 0)
  while (rest.length > 0) {
    let { bytesWritten } = await file.writev(rest)
    let done = 0
    // A nearly full disk takes a part, and the next call says why.
    for (const chunk of rest) {
      if (bytesWritten < chunk.length) break
      bytesWritten -= chunk.length
      done++
    }
    rest = rest.slice(done)
    const [first] = rest
    if (first !== undefined && bytesWritten > 0) rest[0] = first.subarray(bytesWritten)
  }
}

/** Removes what crashed processes left, as well as that goes. */
export async function removeStaleTempFiles(root: string, nowMs: number): Promise<void> {
  const folder = join(root, TEMP_FOLDER)
  const names = await readdir(folder).catch((): string[] => [])
  for (const name of names) {
    const path = join(folder, name)
    try {
      const { mtimeMs } = await lstat(path)
      if (nowMs - mtimeMs > STALE_MS) await unlink(path)
    } catch (error) {
      // Another process cleans up as well, or the store is only readable here; neither keeps anybody from working.
      if (errnoOf(error) === undefined) throw error
    }
  }
}
