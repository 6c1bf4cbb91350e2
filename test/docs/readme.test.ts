import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outputOf } from '../live/command.ts'
import { type Served, serve } from '../live/program.ts'

const root = resolve(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const section = (title: string): string => readme.split(/^## /mu).find((part) => part.startsWith(title)) ?? ''

/** One block of commands of the tour, and what the page says that it prints; `…` stands for anything on the line. */
interface Step {
  readonly commands: string
  readonly printed: readonly string[]
}

const [first, ...steps] = [...section('A tour').matchAll(/^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/gmsu)].map(
  ([, commands, printed]): Step => ({ commands: commands!, printed: printed?.trimEnd().split('\n') ?? [] }),
)

/** What commands print to a shell that stops at the first that fails; curl fails where the answer says so. */
const shell = (folder: string, commands: string): Promise<string> => {
  const curl = 'curl() { command curl -sS --fail-with-body "$@"; }'
  return outputOf(folder, 'bash', ['-c', `set -e\n${curl}\n${first!.commands}\n${commands}`])
}

const asPattern = (line: string): RegExp =>
  new RegExp(
    `^${line
      .split('…')
      .map((part) => RegExp.escape(part))
      .join('.*')}$`,
    'mu',
  )

describe('the tour of the README', { timeout: 180_000 }, () => {
  const serving = steps.findIndex(({ commands }) => commands === 'millpond serve\n')
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-tour-'))
    // As from a checkout, but in a folder of its own.
    const millpond = `node ${JSON.stringify(join(root, 'src/cli/main.ts'))}`
    await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, scripts: { millpond } }))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const follow = async ({ commands, printed }: Step, address: string) => {
    const output = await shell(folder, commands.replaceAll('localhost:7070', address))
    for (const line of printed) expect(output).toMatch(asPattern(line))
  }

  it('says what the command is, and goes the whole way', () => {
    expect(first?.commands).toContain('npm run -s millpond -- "$@"')
    expect(serving).toBeGreaterThan(0)
    for (const word of ['ingest', 'archive', 'verify', 'search', 'replay']) {
      expect(steps.some(({ commands }) => commands.includes(`millpond ${word} `))).toBe(true)
    }
  })

  it.each(steps.slice(0, serving))('is as it says: $commands', (step) => follow(step, 'nobody-listens-yet'))

  describe('with `millpond serve` in another terminal', () => {
    let served: Served
    beforeAll(async () => {
      served = await serve(folder)
    })
    afterAll(() => served.stop())

    it.each(steps.slice(serving + 1))('is as it says: $commands', (step) => follow(step, served.url))
  })
})

describe('the commands of the README', () => {
  it('are two, set everything up, and exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
    const commands = [...section('Two commands').matchAll(/^npm ci && npm (?:run )?(\S+)/gmu)].map(([, script]) => script)
    expect(commands).toEqual(['start', 'check'])
    for (const script of commands) expect(scripts).toHaveProperty(script!)
  })
})

describe('the links of the documentation', () => {
  const pages = [
    'README.md',
    'CHANGELOG.md',
    ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((file) => `docs/${file}`),
  ]
  const links = pages
    .filter((page) => page.endsWith('.md'))
    .flatMap((page) =>
      [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:)([^)#\s]+)/gu)].map(([, target]) => ({
        page,
        target: target!,
      })),
    )

  it('are found', () => {
    expect(links.length).toBeGreaterThan(15)
  })

  it('lead to files that are there', () => {
    const missing = links.filter(({ page, target }) => !existsSync(join(root, dirname(page), target)))
    expect(missing).toEqual([])
  })
})
