import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outputOf } from '../live/command.ts'
import { configure, type Served, serve } from '../live/program.ts'
import { until } from '../live/until.ts'

const root = resolve(import.meta.dirname, '../..')

/** Each block of commands of a section, and what the page says that it prints; `…` stands for anything on the line. */
const stepsOf = (file: string, section: string) => {
  const page = readFileSync(join(root, 'docs', file), 'utf8')
  const text = page.split(/^## /mu).find((part) => part.startsWith(`${section}\n`)) ?? ''
  return [...text.matchAll(/^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/gmsu)].map(([, commands, printed]) => ({
    file,
    section,
    commands: commands!,
    printed: printed?.trimEnd().split('\n') ?? [],
  }))
}

const asPattern = (line: string): RegExp =>
  new RegExp(
    `^${line
      .split('…')
      .map((part) => RegExp.escape(part))
      .join('.*')}`,
    'mu',
  )

const steps = [
  ...stepsOf('http.md', 'OpenAPI'),
  ...stepsOf('http.md', 'Jobs'),
  ...stepsOf('http.md', 'Schedules'),
  ...stepsOf('replay.md', 'Schedules'),
]

describe('OpenAPI, jobs and schedules in the docs', { timeout: 240_000 }, () => {
  let folder: string
  let service: Served
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-jobs-doc-'))
    await configure(folder, { data: '.', log: { level: 'error' }, archive: { rotate: { maxAge: '200ms', idle: '50ms' } } })
    service = await serve(folder)
    const headers = { 'content-type': 'application/x-ndjson' }
    await fetch(`${service.url}/topics/orders/messages`, { method: 'POST', headers, body: '{"value":1}\n{"value":2}\n' })
    const count = async () => (await (await fetch(`${service.url}/search/count`)).json()) as { readonly count: number }
    await until(async () => (await count()).count === 2, 'two messages in the index', 60_000)
  }, 120_000)
  afterAll(async () => {
    await service?.stop()
    await rm(folder, { recursive: true })
  })

  it('have commands', () => {
    expect(steps.map(({ section }) => section)).toEqual(['OpenAPI', 'Jobs', 'Schedules', 'Schedules', 'Schedules'])
  })

  it.each(steps)('are as $file says: $commands', async ({ commands, printed }) => {
    const millpond = `millpond() { ${JSON.stringify(process.execPath)} ${JSON.stringify(join(root, 'src/cli/main.ts'))} "$@"; }`
    const curl = 'curl() { command curl -sS --fail-with-body "$@"; echo; }'
    const script = `set -e\n${millpond}\n${curl}\n${commands.replaceAll('localhost:7070', service.url)}`
    const output = await outputOf(folder, 'bash', ['-c', script])
    for (const line of printed) expect(output).toMatch(asPattern(line))
  })
})
