import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { archiveAll, postTaken, searched, succeed } from '../live/messages.ts'
import { configure, runProgram, serve } from '../live/program.ts'
import { tmpfsMissing, type Tmpfs, withTmpfs } from '../live/tmpfs.ts'

const messages = Array.from({ length: 20 }, (_, n) => ({ id: `id-${n}`, value: { n } }))

/** A folder with an archive on a disk of its own. */
async function withArchive(act: (dir: string, disk: Tmpfs) => Promise<void>): Promise<void> {
  await withTmpfs(16 * 1024 * 1024, async (disk) => {
    const dir = join(disk.path, 'pond')
    await mkdir(dir)
    await configure(dir, { log: { level: 'warn' } })
    const served = await serve(dir)
    await postTaken(served, 'kept', messages)
    expect((await served.stop()).exitCode).toBe(0)
    await archiveAll(dir)
    await act(dir, disk)
  })
}

describe.skipIf(tmpfsMissing !== undefined)('a folder that can only be read', { timeout: 120_000 }, () => {
  it('is refused by every command that writes, with the exit code and what to do', async () => {
    await withArchive(async (dir, disk) => {
      await disk.setReadOnly(true)
      for (const words of [
        ['serve', '--port', '0'],
        ['ingest', 'kept'],
        ['archive', '--once'],
        ['index', 'rebuild'],
        ['topics'],
      ]) {
        const { exitCode, stdout, stderr } = await runProgram([...words, '--dir', dir], { input: '{"value":1}' })
        expect([words[0], exitCode, stdout.toString(), stderr]).toEqual([
          words[0],
          6,
          '',
          expect.stringMatching(/(LOG_UNAVAILABLE|STORE_READ_ONLY|INDEX_UNAVAILABLE)/u),
        ])
        expect([words[0], stderr.includes(dir), stderr.includes('next:')]).toEqual([words[0], true, true])
      }
    })
  })

  it('is verified and searched as before', async () => {
    await withArchive(async (dir, disk) => {
      const before = await searched(dir, '--topic', 'kept')
      expect(before).toHaveLength(messages.length)
      await disk.setReadOnly(true)
      expect(await searched(dir, '--topic', 'kept')).toEqual(before)
      expect(await searched(dir, '--id', 'id-7')).toMatchObject([{ value: { n: 7 } }])
      await succeed(dir, ['verify'])
    })
  })

  it('goes on where it stopped when it can be written to again', async () => {
    await withArchive(async (dir, disk) => {
      await disk.setReadOnly(true)
      expect((await runProgram(['archive', '--once', '--dir', dir])).exitCode).toBe(6)
      await disk.setReadOnly(false)
      await succeed(dir, ['ingest', 'kept'], { input: '{"id":"after","value":1}' })
      await archiveAll(dir)
      expect(await searched(dir, '--topic', 'kept')).toHaveLength(messages.length + 1)
    })
  })
})
