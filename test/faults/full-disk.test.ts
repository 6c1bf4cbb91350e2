import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fill, fillInodes } from '../live/filler.ts'
import { archiveAll, postLines, postTaken, type PrintedMessage, searched, succeed, verified } from '../live/messages.ts'
import { configure, jsonLines, runProgram, serve, type Served } from '../live/program.ts'
import { tmpfsMissing, withTmpfs } from '../live/tmpfs.ts'
import { until } from '../live/until.ts'

const MiB = 1024 * 1024
const ROTATE = { idle: '100ms', maxAge: '300ms' }

interface Ready {
  readonly status: number
  readonly parts: Readonly<Record<string, { readonly state: string; readonly why: string }>>
}

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-full-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true })
})

async function ready({ url }: Served): Promise<Ready> {
  const response = await fetch(`${url}/readyz`)
  return { status: response.status, parts: ((await response.json()) as Ready).parts }
}

/** Messages that no codec makes smaller. */
const messagesOf = (from: number, count: number, bytes = 10_000) =>
  Array.from({ length: count }, (_, i) => ({ id: `m${from + i}`, value: randomBytes(bytes / 2).toString('hex') }))

async function ingest(topic: string, messages: readonly object[]): Promise<void> {
  const input = messages.map((message) => JSON.stringify(message)).join('\n')
  await succeed(dir, ['ingest', topic], { input })
}

async function archivedCount({ url }: Served): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return [...metrics.matchAll(/^millpond_messages_archived_total\{[^}]*\} (\d+)/gmu)].reduce((sum, [, n]) => sum + Number(n), 0)
}

const idsOf = (messages: readonly { readonly id?: string | null }[]) =>
  messages.map(({ id }) => String(id)).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))

describe.skipIf(tmpfsMissing !== undefined)('a disk that is full', { timeout: 120_000 }, () => {
  it('under the log: requests are answered 507 and take nothing, readiness is red, and space is all that it needs', async () => {
    await withTmpfs(4 * MiB, async ({ path }) => {
      await configure(dir, { local: { path: join(path, 'log.sqlite') }, archive: { rotate: ROTATE }, log: { level: 'warn' } })
      const served = await serve(dir)
      await postTaken(served, 'logged', messagesOf(0, 10))
      const giveBack = await fill(path)
      let taken = 10
      let full: Response | undefined
      while (full === undefined) {
        const response = await postLines(served, 'logged', messagesOf(taken, 10))
        if (response.status === 200) taken += 10
        else full = response
      }
      expect(await full.json()).toMatchObject({ error: { code: 'LOG_FULL' } })
      expect([full.status, full.headers.get('retry-after')]).toEqual([507, '1'])
      expect(await ready(served)).toMatchObject({ status: 503, parts: { log: { state: 'red' } } })
      expect((await fetch(`${served.url}/healthz`)).status).toBe(200)

      await giveBack()
      await postTaken(served, 'logged', messagesOf(taken, 10))
      expect(await ready(served)).toMatchObject({ status: 200, parts: { log: { state: 'green' } } })
      expect((await served.stop()).exitCode).toBe(0)
      await archiveAll(dir)
      expect(idsOf(await searched(dir, '--topic', 'logged'))).toEqual(idsOf(messagesOf(0, taken + 10, 2)))
      await verified(dir, '--against', 'local')
    })
  })

  it('under the log when ingest writes: the exit code says so', async () => {
    await withTmpfs(2 * MiB, async ({ path }) => {
      await configure(dir, { local: { path: join(path, 'log.sqlite') }, log: { level: 'warn' } })
      const file = join(dir, 'many.jsonl')
      await writeFile(
        file,
        messagesOf(0, 1000)
          .map((message) => JSON.stringify(message))
          .join('\n'),
      )
      const { exitCode, stderr } = await runProgram(['ingest', 'many', file, '--dir', dir])
      expect([exitCode, stderr]).toEqual([6, expect.stringContaining('LOG_FULL')])
      expect(stderr).toContain('next:')
    })
  })

  it('under the archive: what comes is taken, lanes try again, and everything is archived once when there is space', async () => {
    await withTmpfs(4 * MiB, async ({ path }) => {
      await configure(dir, {
        store: { path: join(path, 'archive') },
        local: { partitions: 2 },
        archive: { rotate: ROTATE },
        log: { level: 'warn' },
      })
      const served = await serve(dir)
      await postTaken(served, 'stored', messagesOf(0, 10))
      await until(async () => (await archivedCount(served)) === 10, 'the first messages to be archived')
      const giveBack = await fill(path)
      await postTaken(served, 'stored', messagesOf(10, 50))
      await until(async () => (await ready(served)).parts['archive']?.state === 'amber', 'the lane to say that it tries again')
      expect((await ready(served)).parts['archive']!.why).toContain('STORE_FULL')
      await postTaken(served, 'stored', messagesOf(60, 40))

      await giveBack()
      await until(async () => (await archivedCount(served)) === 100, 'the rest to be archived', 60_000)
      await until(async () => (await ready(served)).parts['archive']?.state === 'green', 'the lane to be well again')
      expect((await served.stop()).exitCode).toBe(0)
      expect(idsOf(await searched(dir, '--topic', 'stored'))).toEqual(idsOf(messagesOf(0, 100, 2)))
      expect(await verified(dir, '--against', 'local')).toMatchObject({ messages: 100, compared: 100 })
    })
  })

  it.each([
    { files: 0, fails: 'cannot write "_millpond/files/0/genesis.avro"' },
    { files: 4, fails: 'cannot write "_millpond/files/0/genesis.avro"' },
    { files: 5, fails: 'cannot write "files/0/0000000000000000-' },
    { files: 7, fails: 'cannot write "files/0/0000000000000000-' },
    { files: 8, fails: 'cannot write "_millpond/files/0/9007199254740991-0.avro"' },
  ])('that takes $files files more: $fails, and nothing is lost or doubled', async ({ files, fails }) => {
    await withTmpfs({ bytes: 4 * MiB, inodes: 60 }, async ({ path }) => {
      await configure(dir, {
        store: { path: join(path, 'archive') },
        local: { partitions: 1 },
        archive: { rotate: ROTATE },
        log: { level: 'warn' },
      })
      const served = await serve(dir)
      const fillers = await fillInodes(path)
      for (const filler of fillers.splice(0, files)) await rm(filler)
      await postTaken(served, 'files', messagesOf(0, 20, 100))
      await until(async () => (await ready(served)).parts['archive']?.state === 'amber', 'the lane to say that it tries again')
      expect((await ready(served)).parts['archive']!.why).toContain(fails)
      for (const filler of fillers) await rm(filler)
      await until(async () => (await archivedCount(served)) === 20, 'everything to be archived', 60_000)
      expect((await served.stop()).exitCode).toBe(0)
      expect(idsOf(await searched(dir, '--topic', 'files'))).toEqual(idsOf(messagesOf(0, 20, 2)))
      expect(await verified(dir, '--against', 'local')).toMatchObject({ messages: 20, compared: 20 })
    })
  })

  it('under the index: archiving goes on, readiness tells, and the index catches up', async () => {
    await withTmpfs(2 * MiB, async ({ path }) => {
      await configure(dir, { index: { path: join(path, 'index.sqlite') }, archive: { rotate: ROTATE }, log: { level: 'warn' } })
      const served = await serve(dir)
      await postTaken(served, 'indexed', messagesOf(0, 10, 100))
      await until(async () => (await archivedCount(served)) === 10, 'the first messages to be archived')
      const giveBack = await fill(path)
      let posted = 10
      // The index has room of its own for a while.
      await until(
        async () => {
          await postTaken(served, 'indexed', messagesOf(posted, 10, 100))
          posted += 10
          return (await ready(served)).parts['index']?.state === 'amber'
        },
        'the index to be full',
        60_000,
      )
      expect(await ready(served)).toMatchObject({ status: 200, parts: { index: { why: expect.stringContaining('INDEX_') } } })
      await until(async () => (await archivedCount(served)) === posted, 'archiving to go on')

      await giveBack()
      await until(async () => (await ready(served)).parts['index']?.state === 'green', 'the index to catch up', 60_000)
      expect(idsOf(await searched(dir, '--topic', 'indexed', '--no-follow'))).toEqual(idsOf(messagesOf(0, posted, 2)))
      expect((await served.stop()).exitCode).toBe(0)
      await verified(dir)
    })
  })

  it('under the target of a replay: it stops with what was delivered whole, and goes on when there is space', async () => {
    await withTmpfs(4 * MiB, async ({ path }) => {
      await configure(dir, { log: { level: 'warn' } })
      const messages = messagesOf(0, 300)
      await ingest('replayed', messages)
      await archiveAll(dir)
      const target = join(path, 'out.jsonl')
      const giveBack = await fill(path, 2 * MiB)
      const first = await runProgram(['replay', '--topic', 'replayed', '--to', `file:${target}`, '--json', '--dir', dir])
      const { error } = JSON.parse(first.stderr) as { error: { code: string; details: { job: string; state: string } } }
      expect([first.exitCode, error]).toMatchObject([7, { code: 'DELIVERY_FAILED', details: { state: 'interrupted' } }])
      const before = await readFile(target, 'utf8')
      expect([before.length > MiB, before.endsWith('\n')]).toEqual([true, true])

      await giveBack()
      await succeed(dir, ['replay', '--resume', error.details.job])
      const lines = jsonLines(await readFile(target)) as PrintedMessage[]
      // Lanes flow side by side: the order is that of each lane.
      const byLane = (all: readonly PrintedMessage[]) => Object.groupBy(all, ({ lane }) => lane)
      expect(byLane(lines)).toEqual(byLane(await searched(dir, '--topic', 'replayed')))
      expect(idsOf(lines)).toEqual(idsOf(messages))
    })
  })

  it('under the replay jobs: the exit code says so, nothing is sent, and it works when there is space', async () => {
    await withTmpfs(512 * 1024, async ({ path }) => {
      await configure(dir, { jobs: { path: join(path, 'jobs.sqlite') }, log: { level: 'warn' } })
      await ingest('jobbed', messagesOf(0, 10, 100))
      await archiveAll(dir)
      await succeed(dir, ['jobs'])
      const giveBack = await fill(path)
      const target = join(dir, 'out.jsonl')
      const words = ['replay', '--topic', 'jobbed', '--to', `file:${target}`]
      const refused = await runProgram([...words, '--dir', dir])
      expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringContaining('JOBS_UNAVAILABLE')])
      expect(existsSync(target)).toBe(false)
      await giveBack()
      await succeed(dir, words)
      expect(idsOf(jsonLines(await readFile(target)) as PrintedMessage[])).toEqual(idsOf(messagesOf(0, 10, 2)))
    })
  })

  it.each(['store', 'local', 'index', 'jobs'])('when the program starts: the error names the place (%s)', async (part) => {
    await withTmpfs(64 * 1024, async ({ path }) => {
      await configure(dir, { [part]: { path: join(path, part === 'store' ? 'archive' : `${part}.sqlite`) } })
      const giveBack = await fill(path)
      const { exitCode, stderr } = await runProgram(['serve', '--port', '0', '--dir', dir])
      expect([exitCode, stderr]).toEqual([6, expect.stringContaining(path)])
      expect(stderr).not.toContain('INTERNAL')
      await giveBack()
    })
  })
})
