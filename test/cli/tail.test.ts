import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, jsonLines, runProgram } from '../live/program.ts'
import { until } from '../live/until.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { type SchemaRegistry, startSchemaRegistry } from '../servers/schema-registry.ts'

const COUNT = 6000
const START_MS = Date.UTC(2026, 0, 1)
const DEADLINE_MS = 120_000

interface Line {
  readonly lane: string
  readonly position: number
  readonly id: string
  readonly value: { readonly n: number }
}

/** Message `n` as a line; `n` counts in the order of time. */
const line = (n: number) =>
  `${JSON.stringify({ key: `k${n % 100}`, value: { n, odd: n % 2 === 1 }, headers: { region: n % 3 === 0 ? 'eu' : 'us', ...(n % 1000 === 7 ? { rare: `r${n}` } : {}) }, timestamp: START_MS + n * 1000, id: `id-${n}` })}\n`

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-tail-'))
  await configure(dir, { data: '.', log: { level: 'error' }, archive: { lookups: { headers: ['rare'] } } })
  await writeFile(join(dir, 'all.jsonl'), Array.from({ length: COUNT }, (_, n) => line(n)).join(''))
  await succeed('ingest', 'orders', join(dir, 'all.jsonl'), '--partitions', '3')
  await succeed('archive', '--once')
})
afterAll(() => rm(dir, { recursive: true }))

async function succeed(...words: string[]): Promise<unknown[]> {
  const { exitCode, stdout, stderr } = await runProgram([...words, '--dir', dir, '--json'])
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
  return jsonLines(stdout)
}

const tail = async (...words: string[]) => (await succeed('tail', 'orders', ...words)) as Line[]
const numbersOf = (lines: readonly Line[]) => lines.map(({ value }) => value.n)
const newest = (count: number, isMeant: (n: number) => boolean) =>
  Array.from({ length: COUNT }, (_, n) => n)
    .filter(isMeant)
    .slice(-count)

/** A `tail --follow` until it is told to stop; words that are flags come last. */
function follow(...words: string[]) {
  const main = join(import.meta.dirname, '../../src/cli/main.ts')
  const child = spawn(process.execPath, [main, 'tail', ...words, '--follow', '--dir', dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let shown = ''
  child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()))
  return {
    child,
    lines: () => jsonLines(Buffer.from(shown.slice(0, shown.lastIndexOf('\n') + 1))) as Line[],
    /** The exit code; null where a signal ended it. */
    ended: once(child, 'close').then(([exitCode]: unknown[]) => exitCode),
  }
}

describe('tail', { timeout: 300_000 }, () => {
  const time = (n: number) => new Date(START_MS + n * 1000).toISOString()
  it.each([
    { words: ['-n', '4', '--key', 'k7', '--key', 'k8'], wanted: newest(4, (n) => n % 100 === 7 || n % 100 === 8) },
    { words: ['--id', 'id-2', '--id', 'id-4321'], wanted: [2, 4321] },
    { words: ['-n', '2', '--header', 'rare^=r1', '--header', '!none'], wanted: [1007] },
    {
      words: ['-n', '3', '--where', '.n < 100 and .odd', '--header', 'region=eu'],
      wanted: newest(3, (n) => n < 100 && n % 6 === 3),
    },
    { words: ['-n', '3', '--from', time(50), '--until', time(60)], wanted: [57, 58, 59] },
    {
      words: [
        '-n',
        '5',
        '--filter',
        '{"or":[{"field":"id","equals":"id-11"},{"jq":".n == 5990"},{"not":{"field":"key","exists":true}}]}',
      ],
      wanted: [11, 5990],
    },
    { words: ['--filter', '{"field":"topic","equals":"others"}'], wanted: [] },
  ])('shows the newest with $words, of the source and of the archive', async ({ words, wanted }) => {
    const [source, archive] = await Promise.all([tail(...words), tail(...words, '--of', 'archive')])
    expect(numbersOf(source)).toEqual(wanted)
    expect(archive).toEqual(source)
  })

  it('takes lanes and positions as search does', async () => {
    const words = ['--lane', '2', '--lane', '0', '--position', '10..500', '--where', '.odd']
    const found = ((await succeed('search', '-t', 'orders', '--order', 'time', ...words)) as Line[]).slice(-6)
    expect(found).toHaveLength(6)
    for (const of of ['source', 'archive']) expect(await tail(...words, '-n', '6', '--of', of)).toEqual(found)
  })

  it.each([
    { words: ['--lane', '9'], code: 'LANE_UNKNOWN' },
    { words: ['--where', '.n >'], code: 'JQ_INVALID' },
    { words: ['--filter', '{"field":"keys","equals":"x"}'], code: 'INPUT_INVALID' },
  ])('says what is wrong with $words', async ({ words, code }) => {
    const { exitCode, stderr } = await runProgram(['tail', 'orders', ...words, '--dir', dir, '--json'])
    expect([exitCode === 0, JSON.parse(stderr)]).toMatchObject([false, { error: { code } }])
  })

  it('goes on with what passes, and with nothing else; it ends by itself where the positions that are meant end', async () => {
    const input = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i)).join('')
    const add = async (from: number, to: number) => {
      await runProgram(['ingest', 'flow', '--dir', dir, '--partitions', '8'], { input: input(from, to) })
      await runProgram(['ingest', 'short', '--dir', dir, '--partitions', '1'], { input: input(from, to) })
      await succeed('archive', '--once')
    }
    await add(0, 2)
    const filter = ['--where', '.odd', '--header', 'region=us']
    const places = ['source', 'archive']
    const endless = places.map((of) => follow('flow', ...filter, '--of', of))
    const ending = places.map((of) => follow('short', '--position', '1..4', '--of', of))
    try {
      for (const one of [...endless, ...ending]) await until(() => one.lines().length === 1, 'the newest message', DEADLINE_MS)
      // All wait by now, or will read from where they found the end. What comes is in lanes that the archive did not have.
      await add(2, 9)
      await add(9, 30)
      const wanted = Array.from({ length: 30 }, (_, n) => n).filter((n) => n % 2 === 1 && n % 3 !== 0)
      for (const one of endless) {
        await until(() => one.lines().length >= wanted.length, 'what passes', DEADLINE_MS)
        expect(numbersOf(one.lines()).toSorted((a, b) => a - b)).toEqual(wanted)
      }
      for (const one of ending) expect([await one.ended, numbersOf(one.lines())]).toEqual([0, [1, 2, 3]])
    } finally {
      for (const { child } of [...endless, ...ending]) child.kill('SIGINT')
    }
    expect(await Promise.all(endless.map(({ ended }) => ended))).toEqual([0, 0])
  })
})

describe.skipIf(serverMissing('schema-registry') !== undefined)(
  'tail of values of registered schemas',
  { timeout: 300_000 },
  () => {
    let registry: SchemaRegistry
    beforeAll(async () => {
      registry = await startSchemaRegistry()
    }, GET_LIMIT_MS)
    afterAll(() => registry?.stop())

    it('reads them by the registry, and by what the archive keeps when it is gone', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'millpond-tail-values-'))
      try {
        await configure(folder, { data: '.', log: { level: 'error' }, registry: { urls: [registry.url], timeout: '1s' } })
        const schema = JSON.stringify({ type: 'record', name: 'N', fields: [{ name: 'n', type: 'long' }] })
        const id = await registry.register('pairs-value', { schema })
        const framed = (n: number) => Buffer.from([0, 0, 0, 0, id, n * 2])
        const lines = Array.from({ length: 40 }, (_, n) => JSON.stringify({ valueBase64: framed(n).toString('base64') }))
        await runProgram(['ingest', 'pairs', '--dir', folder, '--partitions', '1'], {
          input: [...lines, '{"value":{"n":41}}'].join('\n'),
        })
        const find = async (...words: string[]) => {
          const { exitCode, stdout, stderr } = await runProgram([
            'tail',
            'pairs',
            '--where',
            '.n > 36',
            ...words,
            '--dir',
            folder,
          ])
          expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
          return (jsonLines(stdout) as { position: number; value: unknown }[]).map(({ position, value }) => [position, value])
        }
        const shown = [37, 38, 39].map((n) => [n, { n }])
        // Nothing is archived yet.
        expect(await find('--decode')).toEqual([...shown, [40, { n: 41 }]])
        expect(await find('-n', '2')).toEqual([
          [39, undefined],
          [40, { n: 41 }],
        ])
        expect((await runProgram(['archive', '--once', '--dir', folder])).exitCode).toBe(0)
        await registry.stop()
        for (const of of ['source', 'archive']) expect(await find('--decode', '--of', of)).toEqual([...shown, [40, { n: 41 }]])
      } finally {
        await rm(folder, { recursive: true })
      }
    })
  },
)
