import { fstatSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'

interface OpenFile {
  readonly opened: Promise<FileHandle>
  users: number
  usedMs: number
  /** No longer in the cache: the last user closes it. */
  retired: boolean
}

/** Files held open for reading, so that many ranged reads of one object cost one `open`. */
export interface OpenFiles {
  /** Calls `act` with the open file and its size. The file stays open until `act` is done. */
  use<T>(key: string, act: (file: FileHandle, bytes: number) => Promise<T>): Promise<T>
  /** Forgets the file: what lies under its key has changed. */
  forget(key: string): void
  /** Closes all files, those in use after their use. */
  close(): Promise<void>
}

export interface OpenFilesOptions {
  readonly maxCount: number
  /** Files that nobody used for so long are closed, so that deleted ones give their space back. */
  readonly idleMs: number
  open(key: string): Promise<FileHandle>
}

/** A cache of open files, the least recently used of which are closed. */
export function createOpenFiles(options: OpenFilesOptions): OpenFiles {
  const files = new Map<string, OpenFile>()
  const closing = new Set<Promise<void>>()
  let sweeper: NodeJS.Timeout | undefined

  const closeUnused = (file: OpenFile): void => {
    if (!file.retired || file.users > 0) return
    const closed: Promise<void> = file.opened
      .then((opened) => opened.close())
      // A file that never opened needs no closing, and one read from cannot lose anything.
      .catch(() => undefined)
      .finally(() => closing.delete(closed))
    closing.add(closed)
  }

  const retire = (key: string, file: OpenFile): void => {
    if (files.get(key) === file) files.delete(key)
    if (file.retired) return
    file.retired = true
    closeUnused(file)
  }

  const sweep = (): void => {
    sweeper = undefined
    const oldestMs = performance.now() - options.idleMs
    for (const [key, file] of files) if (file.users === 0 && file.usedMs < oldestMs) retire(key, file)
    if (files.size > 0) startSweeper()
  }
  const startSweeper = (): void => {
    sweeper ??= setTimeout(sweep, options.idleMs).unref()
  }

  const acquire = (key: string): OpenFile => {
    const known = files.get(key)
    const file = known ?? { opened: options.open(key), users: 0, usedMs: 0, retired: false }
    file.users++
    files.delete(key)
    files.set(key, file)
    for (const [oldKey, old] of files) {
      if (files.size <= options.maxCount) break
      retire(oldKey, old)
    }
    startSweeper()
    return file
  }

  const release = (file: OpenFile): void => {
    file.users--
    file.usedMs = performance.now()
    closeUnused(file)
  }

  return {
    async use(key, act) {
      for (;;) {
        const fresh = !files.has(key)
        const file = acquire(key)
        try {
          const opened = await file.opened
          // Of an open file the system answers at once (1 µs); a thread of the pool would cost twenty times that.
          const { nlink, size } = fstatSync(opened.fd)
          if (nlink > 0 || fresh) return await act(opened, size)
          // Somebody deleted or replaced it: what its key names now is another file, or none.
          retire(key, file)
        } catch (error) {
          retire(key, file)
          throw error
        } finally {
          release(file)
        }
      }
    },
    forget(key) {
      const file = files.get(key)
      if (file !== undefined) retire(key, file)
    },
    async close() {
      clearTimeout(sweeper)
      for (const [key, file] of files) retire(key, file)
      await Promise.all(closing)
    },
  }
}
