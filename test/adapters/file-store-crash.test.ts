import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'

const ROUNDS = 15

/** What a writer was answered about one key. */
interface Answer {
  readonly outcome: string
  readonly key: string
  readonly sha256: string
}

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millpond-crash-'))
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

/** Runs a writer and kills it, without warning, as soon as it has had that many answers. */
async function runAndKill(round: number, answers: number): Promise<Answer[]> {
  const script = join(import.meta.dirname, 'file-store-writer.ts')
  const child = spawn(process.execPath, [script, root, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const heard: Answer[] = []
  // A line that the kill cut short has no line feed; what is not whole was not heard.
  for await (const line of createInterface({ input: child.stdout })) {
    const [outcome = '', key = '', sha256 = ''] = line.split(' ')
    if (sha256.length === 64) heard.push({ outcome, key, sha256 })
    if (heard.length === answers) child.kill('SIGKILL')
  }
  expect(await exited).toEqual([null, 'SIGKILL'])
  return heard
}

describe('a file store whose writers are killed', () => {
  it(
    `has every object whole, and each that was answered, after ${2 * ROUNDS} kills of two that race`,
    { timeout: 180_000 },
    async () => {
      const answers: Answer[] = []
      for (let round = 0; round < ROUNDS; round++) {
        // One dies early, the other races on over what it left.
        const heard = await Promise.all([runAndKill(round, 1 + ((round * 5) % 40)), runAndKill(round, 20 + ((round * 11) % 60))])
        answers.push(...heard.flat())
      }
      const won = answers.filter(({ outcome }) => outcome === 'created')
      const created = new Map(won.map(({ key, sha256 }) => [key, sha256]))
      expect(won).toHaveLength(created.size)

      await using store = await openFileStore({ path: root })
      const broken: string[] = []
      const held = new Map<string, string>()
      for await (const { key } of store.list('')) {
        const bytes = await store.read(key)
        const sha256 = createHash('sha256').update(bytes.subarray(32)).digest('hex')
        if (Buffer.from(bytes.subarray(0, 32)).toString('hex') !== sha256) broken.push(key)
        held.set(key, sha256)
      }
      expect(broken).toEqual([])
      expect([...created].filter(([key, sha256]) => held.get(key) !== sha256)).toEqual([])
      // The test saw what it is about: races were lost, and kills hit writes that were under way.
      expect(created.size).toBeGreaterThan(10 * ROUNDS)
      expect(answers.length).toBeGreaterThan(won.length)
      expect((await readdir(join(root, '.millpond-tmp'))).length).toBeGreaterThan(0)
    },
  )
})
