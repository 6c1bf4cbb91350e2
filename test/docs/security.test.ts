import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outputOf } from '../live/command.ts'
import { serve, type Served } from '../live/program.ts'
import { until } from '../live/until.ts'

const root = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/security.md'), 'utf8')
const steps = [...page.matchAll(/^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/gmsu)].map(([, commands, printed]) => ({
  commands: commands!,
  printed: printed?.trimEnd().split('\n') ?? [],
}))
const example = /^```yaml\n(.*?)^```/msu.exec(page.slice(page.indexOf('## An example')))![1]!

const asPattern = (line: string): RegExp =>
  new RegExp(
    line
      .split('…')
      .map((part) => RegExp.escape(part))
      .join('.*'),
    'u',
  )

describe('the commands of docs/security.md', { timeout: 180_000 }, () => {
  const serving = steps.findIndex(({ commands }) => commands === 'millpond serve\n')
  let folder: string
  let served: Served | undefined
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-security-'))
    await writeFile(join(folder, 'millpond.yaml'), example)
  })
  afterAll(async () => {
    await served?.stop()
    await rm(folder, { recursive: true })
  })

  const follow = async (commands: string): Promise<string> => {
    const millpond = `millpond() { ${JSON.stringify(process.execPath)} ${JSON.stringify(join(root, 'src/cli/main.ts'))} "$@"; }`
    const text = commands
      .replaceAll('https://localhost:7070', served?.url ?? 'nobody-listens-yet')
      .replaceAll('curl ', 'curl -sS ')
    return outputOf(folder, 'bash', ['-c', `set -e\n${millpond}\n${text}`])
  }

  it('are there', () => {
    expect(steps.length).toBeGreaterThan(5)
    expect(serving).toBeGreaterThan(0)
  })

  it.each(steps.map((step, index) => ({ ...step, index })))('are as it says: $commands', async ({ commands, printed, index }) => {
    if (index === serving) {
      served = await serve(folder)
      return
    }
    let output = await follow(commands)
    const isAsSaid = () => printed.every((line) => asPattern(line).test(output))
    // The audit log is written behind the answers.
    if (index > serving && !isAsSaid()) {
      await until(
        async () => {
          output = await follow(commands)
          return isAsSaid()
        },
        `${commands} to print ${printed.join('\n')}; it printed ${output}`,
      )
    }
    for (const line of printed) expect(output).toMatch(asPattern(line))
  })
})
