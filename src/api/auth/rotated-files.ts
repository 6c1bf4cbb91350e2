import { readdir, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** `audit.jsonl.2026-11-29T22-01-02.003Z`, or with a number behind it where that is taken. */
export async function rotatedName(path: string, nowMs: number): Promise<string> {
  const base = `${path}.${new Date(nowMs).toISOString().replaceAll(':', '-')}`
  for (let count = 1; ; count++) {
    const name = count === 1 ? base : `${base}.${count}`
    if ((await stat(name).catch(() => undefined)) === undefined) return name
  }
}

/** What `rotatedName` puts behind the name of a file. */
const ROTATED = /^\.(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z)(?:\.(\d+))?$/u

/**
 * Removes all but `keep` of the files that rotation made of `path`, the oldest by their names; never `newest`, whatever the clock says. Files with other names,
 * such as those that were packed or moved away, are nobody's business. Several processes may do it at once.
 */
export async function removeRotated(path: string, keep: number, newest: string | undefined): Promise<void> {
  const folder = dirname(path)
  const own = basename(path)
  const newestName = newest === undefined ? undefined : basename(newest)
  const rotated = (await readdir(folder)).flatMap((name) => {
    const [, time, count = '1'] = (name.startsWith(own) && ROTATED.exec(name.slice(own.length))) || []
    return time === undefined || name === newestName ? [] : [{ name, time, count: Number(count) }]
  })
  rotated.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : b.count - a.count))
  const old = rotated.slice(newest === undefined ? keep : keep - 1)
  const removed = await Promise.allSettled(old.map(({ name }) => removeIfThere(join(folder, name))))
  const failed = removed.find((one) => one.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}
