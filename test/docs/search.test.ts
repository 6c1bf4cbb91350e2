import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outputOf } from '../live/command.ts'
import { configure, type Served, serve } from '../live/program.ts'
import { until } from '../live/until.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/search.md'), 'utf8')

/** Each block of commands, and what the page says that it prints; `…` stands for anything on the line. */
const steps = [...page.matchAll(/^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/gmsu)].map(([, commands, printed]) => ({
  commands: commands!,
  printed: printed?.trimEnd().split('\n') ?? [],
}))

const asPattern = (line: string): RegExp =>
  new RegExp(
    `^${line
      .split('…')
      .map((part) => RegExp.escape(part))
      .join('.*')}$`,
    'mu',
  )

describe('docs/search.md', { timeout: 120_000 }, () => {
  let folder: string
  let service: Served
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-search-doc-'))
    await configure(folder, { data: '.', log: { level: 'error' }, archive: { rotate: { maxAge: '200ms', idle: '50ms' } } })
    service = await serve(folder)
  }, 60_000)
  afterAll(async () => {
    await service?.stop()
    await rm(folder, { recursive: true })
  })

  it('shows commands that print what it says', async () => {
    expect(steps.length).toBeGreaterThan(5)
    for (const [at, { commands, printed }] of steps.entries()) {
      const script = `set -e\ncurl() { command curl -sS --fail-with-body "$@"; }\n${commands}`
      const output = await outputOf(folder, 'bash', ['-c', script.replaceAll('localhost:7070', service.url)])
      for (const line of printed) expect(output).toMatch(asPattern(line))
      if (at > 0) continue
      const count = async () => (await (await fetch(`${service.url}/search/count`)).json()) as { readonly count: number }
      await until(async () => (await count()).count === 3, 'three messages in the index', 60_000)
    }
  })
})
