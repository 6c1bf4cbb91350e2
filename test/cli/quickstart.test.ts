import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { jsonLines, runProgram } from '../live/program.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-quickstart-'))
})
afterEach(() => rm(dir, { recursive: true }))

describe('quickstart', () => {
  it(
    'does the whole job on the real flights, and leaves a folder that the other commands work on',
    { timeout: 180_000 },
    async () => {
      const quickstart = await runProgram(['quickstart', '--dir', dir, '--json'])
      expect(quickstart).toMatchObject({ exitCode: 0, stderr: '' })
      const outcome = jsonLines(quickstart.stdout).at(-1)
      expect(outcome).toMatchObject({ messages: 200_000, archived: 200_000, verified: true, equal: true })
      expect(outcome).toMatchObject({ found: expect.any(Number), replayed: expect.any(Number), seconds: expect.any(Number) })

      const found = await runProgram(['search', '--dir', dir, '--topic', 'flights', '--id', 'flight-0123456', '--json'])
      expect(jsonLines(found.stdout)).toEqual([expect.objectContaining({ id: 'flight-0123456', value: expect.anything() })])
      const topics = await runProgram(['topics', '--dir', dir, '--json'])
      expect(topics.stdout.toString()).toContain('flights-late')
      const once = await runProgram(['archive', '--dir', dir, '--once', '--json'])
      expect(once.exitCode).toBe(0)
      const verified = await runProgram(['verify', '--dir', dir, '--against', 'local', '--json'])
      expect(verified.exitCode).toBe(0)

      const again = await runProgram(['quickstart', '--dir', dir, '--json'])
      expect(jsonLines(again.stdout).at(-1)).toMatchObject({ archived: 200_000, equal: true })
    },
  )

  it('leaves a folder alone that it did not make', async () => {
    await writeFile(join(dir, 'mine.txt'), 'mine')
    const refused = await runProgram(['quickstart', '--dir', dir])
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain('is not empty')
    expect(await readdir(dir)).toEqual(['mine.txt'])
  })
})
