import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { archiveAll, postTaken, searched, verified } from '../live/messages.ts'
import { configure, runProgram, serve, type Served } from '../live/program.ts'
import { until } from '../live/until.ts'

const BATCHES = 60
const BATCH_COUNT = 20

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-two-'))
  await configure(dir, {
    archive: { rotate: { idle: '100ms', maxAge: '300ms', maxCount: 50 } },
    log: { level: 'warn' },
  })
})
afterEach(async () => {
  await rm(dir, { recursive: true })
})

async function committed({ url }: Served): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return [...metrics.matchAll(/^millpond_messages_archived_total\{[^}]*\} (\d+)/gmu)].reduce((sum, [, n]) => sum + Number(n), 0)
}

describe('two servers on one folder', () => {
  it(
    'take and archive every message once, and the second goes on alone when the first is killed',
    { timeout: 120_000 },
    async () => {
      const [first, second] = await Promise.all([serve(dir), serve(dir)])
      expect(first.url).not.toBe(second.url)
      const sent: string[] = []
      const post = async (served: Served, key: string, batches: number) => {
        for (let at = 0; at < batches; at++) {
          const ids = Array.from({ length: BATCH_COUNT }, (_, i) => `${key}-${String(at * BATCH_COUNT + i).padStart(5, '0')}`)
          await postTaken(
            served,
            'shared',
            ids.map((id) => ({ key, value: { at }, id })),
          )
          sent.push(...ids)
        }
      }
      await Promise.all(['a', 'b', 'c', 'd'].map((key, i) => post(i % 2 === 0 ? first : second, key, BATCHES)))
      await until(async () => (await committed(second)) > 0, 'the second server to archive', 60_000)
      await first.kill()
      await Promise.all(['e', 'f'].map((key) => post(second, key, BATCHES)))
      await second.stop()
      await archiveAll(dir)

      const found = await searched(dir, '--topic', 'shared')
      expect(found.map(({ id }) => String(id)).toSorted()).toEqual(sent.toSorted())
      for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
        const ids = found.filter((message) => message.key === key).map(({ id }) => String(id))
        expect(ids).toEqual(ids.toSorted())
      }
      expect(await verified(dir, '--against', 'local')).toMatchObject({ messages: sent.length, compared: sent.length })
    },
  )

  it('cannot have one port: the second ends with the exit code of ADDRESS_IN_USE, the first goes on', async () => {
    const first = await serve(dir)
    const { port } = new URL(first.url)
    const { exitCode, stderr } = await runProgram(['serve', '--dir', dir, '--port', port])
    expect([exitCode, stderr]).toEqual([8, expect.stringContaining('ADDRESS_IN_USE')])
    expect(stderr).toContain(port)
    await postTaken(first, 'after', [{ value: 1 }])
    expect((await first.stop()).exitCode).toBe(0)
  })
})
