import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A small file system of its own, in memory. */
export interface Tmpfs {
  readonly path: string
  /** Lets writes fail with EROFS, or be again. No file may be open for writing. */
  readonly setReadOnly: (readOnly: boolean) => Promise<void>
}

export interface TmpfsOptions {
  readonly bytes: number
  /** How many files, folders and further hard links it takes, its root included. */
  readonly inodes?: number
}

function tryMount(): string | undefined {
  const path = mkdtempSync(join(tmpdir(), 'millpond-tmpfs-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'millpond-test', path], { stdio: 'pipe' })
    execFileSync('umount', [path], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return `tmpfs cannot be mounted here: ${error instanceof Error ? error.message.trim() : String(error)}`
  } finally {
    rmdirSync(path)
  }
}

/**
 * Why `withTmpfs` cannot work here (it takes Linux and root), for `describe.skipIf`; undefined where it can, and always under CI, where its
 * tests have to run.
 */
export const tmpfsMissing: string | undefined = process.env['CI'] === 'true' ? undefined : tryMount()
if (tmpfsMissing !== undefined) process.stderr.write(`tests of full and read-only disks are left out: ${tmpfsMissing}\n`)

/** Calls `act` with a new file system of that many bytes, which is gone afterwards. */
export async function withTmpfs<T>(size: number | TmpfsOptions, act: (tmpfs: Tmpfs) => Promise<T>): Promise<T> {
  const { bytes, inodes }: TmpfsOptions = typeof size === 'number' ? { bytes: size } : size
  const path = await mkdtemp(join(tmpdir(), 'millpond-tmpfs-'))
  const limits = `size=${bytes}${inodes === undefined ? '' : `,nr_inodes=${inodes}`}`
  try {
    await run('mount', ['-t', 'tmpfs', '-o', limits, 'millpond-test', path])
    try {
      return await act({
        path,
        setReadOnly: async (readOnly) => {
          await run('mount', ['-o', `remount,${readOnly ? 'ro' : 'rw'}`, path])
        },
      })
    } finally {
      // Lazily: a failed test may have left files open.
      await run('umount', ['--lazy', path])
    }
  } finally {
    await rmdir(path)
  }
}
