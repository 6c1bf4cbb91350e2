import { type FileHandle, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const CHUNK_BYTES = [64 * 1024, 4096, 1]

const isFull = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOSPC'

/** Takes all the space of the folder's file system but `leaveBytes`; gives what gives it back. */
export async function fill(folder: string, leaveBytes = 0): Promise<() => Promise<void>> {
  const left = join(folder, 'left')
  if (leaveBytes > 0) await writeFile(left, Buffer.alloc(leaveBytes))
  const path = join(folder, 'filler')
  const file = await open(path, 'w')
  try {
    for (const bytes of CHUNK_BYTES) await writeUntilFull(file, Buffer.alloc(bytes))
  } finally {
    await file.close()
  }
  await rm(left, { force: true })
  return () => rm(path)
}

async function writeUntilFull(file: FileHandle, chunk: Buffer): Promise<void> {
  try {
    for (;;) await file.write(chunk)
  } catch (error) {
    if (!isFull(error)) throw error
  }
}

/** Makes empty files in the folder until its file system takes no more of them; gives their paths. */
export async function fillInodes(folder: string): Promise<string[]> {
  const paths: string[] = []
  for (;;) {
    const path = join(folder, `filler-${paths.length}`)
    try {
      await writeFile(path, '')
    } catch (error) {
      if (isFull(error)) return paths
      throw error
    }
    paths.push(path)
  }
}
