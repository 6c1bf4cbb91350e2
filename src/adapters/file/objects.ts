import { constants, read } from 'node:fs'
import { link, lstat, open, rename, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { MillpondError } from '../../errors.ts'
import type { ByteRange, PutOutcome } from '../../store/store.ts'
import { errnoOf } from './errors.ts'
import { parentOf } from './folders.ts'
import type { Folders } from './folders.ts'
import type { TempFile } from './temp-files.ts'

/** One system call reads no more (Linux stops at 2 GiB). */
const MAX_READ_BYTES = 1024 * 1024 * 1024
/** Not over a symbolic link, and not waiting where the name is that of a pipe. Windows has neither flag. */
const READ_ONLY = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** Where objects lie. */
export interface Place {
  /** The store's root, a real path. */
  readonly root: string
  readonly folders: Folders
}

/**
 * Opens the object for reading.
 * @throws MillpondError `OBJECT_MISSING` where the key names something else.
 */
export async function openObject({ root, folders }: Place, key: string): Promise<FileHandle> {
  await folders.check(parentOf(key))
  const file = await open(join(root, key), READ_ONLY)
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw new MillpondError('OBJECT_MISSING', `"${key}" in ${root} is not an object`, { details: { key, root } })
}

/** The bytes of the range, which has to lie within the file. */
export async function readRange(file: FileHandle, range: ByteRange, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const { start, end } = range
  const buffer = Buffer.allocUnsafeSlow(end - start)
  let done = 0
  while (done < buffer.length) {
    signal?.throwIfAborted()
    const bytesRead = await readAt(file.fd, buffer, {
      offset: done,
      length: Math.min(MAX_READ_BYTES, buffer.length - done),
      position: start + done,
    })
    if (bytesRead === 0)
      throw new MillpondError('STORE_UNAVAILABLE', `an object lost bytes behind ${start + done} while it was read`)
    done += bytesRead
  }
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** Reads a piece; the file must stay open until it is there. A look-up reads hundreds of small ones, for which the promises of Node's own cost as much again. */
function readAt(
  fd: number,
  buffer: Buffer,
  piece: { readonly offset: number; readonly length: number; readonly position: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, piece.offset, piece.length, piece.position, (error, bytesRead) => {
      if (error === null) resolve(bytesRead)
      else reject(error)
    })
  })
}

/** Makes the file durable and gives it the key as its name, unless that is taken. */
export async function linkObject(place: Place, temp: TempFile, key: string): Promise<PutOutcome> {
  const { root, folders } = place
  const folder = parentOf(key)
  await temp.file.sync()
  return folders.within(folder, async () => {
    try {
      await link(temp.path, join(root, key))
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return settleTaken(place, temp, key)
      throw explainLink(error, root)
    }
    await folders.sync(folder)
    return 'created'
  })
}

function explainLink(error: unknown, root: string): unknown {
  const errno = errnoOf(error)
  if (errno !== 'EPERM' && errno !== 'ENOTSUP' && errno !== 'ENOSYS') return error
  const message = `the file system of ${root} has no hard links (${errno}), without which no object can be written exactly once`
  return new MillpondError('STORE_UNSAFE', message, { cause: error })
}

/** What to answer where the key is taken: only once the object that is there will stay. */
async function settleTaken({ root, folders }: Place, temp: TempFile, key: string): Promise<PutOutcome> {
  // Where it is gone by now the error is ENOENT, and `within` begins again.
  await using taken = await open(join(root, key), READ_ONLY)
  const [there, ours] = [await taken.stat({ bigint: true }), await temp.file.stat({ bigint: true })]
  if (!there.isFile()) {
    throw new MillpondError('KEY_INVALID', `"${key}" in ${root} is a folder or no ordinary file`, { details: { key, root } })
  }
  await taken.sync()
  await folders.sync(parentOf(key))
  // A network file system that lost its first answer says "exists" of what it has just made.
  return there.ino === ours.ino && there.dev === ours.dev ? 'created' : 'exists'
}

/** Makes the file durable and gives it the key as its name, in place of what had it. */
export async function replaceObject({ root, folders }: Place, temp: TempFile, key: string): Promise<void> {
  const folder = parentOf(key)
  await temp.file.sync()
  await folders.within(folder, async () => {
    await rename(temp.path, join(root, key))
    await folders.sync(folder)
  })
}

/** Removes the object and the folders that it leaves empty, durably. */
export async function deleteObject({ root, folders }: Place, key: string): Promise<void> {
  const path = join(root, key)
  try {
    await folders.check(parentOf(key))
    if ((await lstat(path)).isDirectory()) return
    await unlink(path)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return
    throw error
  }
  await folders.sync(await folders.prune(parentOf(key)))
}
