import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Spill } from '../../store/spill.ts'
import { fileStoreError } from './errors.ts'

/**
 * Opens a file in `folder` for bytes that memory has no room for. It has no name from the first moment on, so that a crash leaves nothing; its space is
 * given back whenever nothing in it is wanted any more.
 */
export async function openFileSpill(folder: string): Promise<Spill> {
  const name = `spill-${process.pid}-${randomBytes(6).toString('hex')}`
  const attempt = { key: name, root: folder }
  const file = await openNameless(join(folder, name), folder).catch((error: unknown) => {
    throw fileStoreError(error, { ...attempt, doing: 'open' })
  })
  let end = 0
  let wanted = 0
  let emptied = Promise.resolve()
  return {
    async write(bytes) {
      const start = end
      // What is given keeps this number, and not the bytes that it is to free memory of.
      const { byteLength } = bytes
      end += byteLength
      wanted += byteLength
      try {
        await emptied
        await writeAt(file, bytes, start)
      } catch (error) {
        throw fileStoreError(error, { ...attempt, doing: 'write' })
      }
      let isFree = false
      return {
        bytes: byteLength,
        async read() {
          const buffer = Buffer.allocUnsafe(byteLength)
          await readAt(file, buffer, start)
          return buffer
        },
        readInto: (target, offset) => readAt(file, target, start + offset),
        free() {
          if (isFree) return
          isFree = true
          wanted -= byteLength
          if (wanted > 0) return
          end = 0
          // Only space is given back: what is written next lies over it in any case.
          emptied = emptied.then(() => file.truncate(0)).catch(() => undefined)
        },
      }
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

async function openNameless(path: string, folder: string): Promise<FileHandle> {
  await mkdir(folder, { recursive: true })
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

async function writeAt(file: FileHandle, bytes: Uint8Array, start: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;)
    done += (await file.write(bytes, done, bytes.byteLength - done, start + done)).bytesWritten
}

async function readAt(file: FileHandle, target: Uint8Array, start: number): Promise<void> {
  for (let done = 0; done < target.byteLength;)
    done += (await file.read(target, done, target.byteLength - done, start + done)).bytesRead
}
