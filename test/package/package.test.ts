import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outputOf, runCommand } from '../live/command.ts'

const root = resolve(import.meta.dirname, '../..')
const INSTALL_DEADLINE_MS = 300_000

/** The files below a folder, with `/` between the names of folders. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
}

describe('the package, installed in an empty folder', { timeout: 180_000 }, () => {
  let folder: string
  let installed: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-package-'))
    // npm builds before it packs.
    await outputOf(root, 'npm', ['pack', '--pack-destination', folder])
    const tarball = (await readdir(folder)).find((file) => file.endsWith('.tgz'))
    await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}')
    await outputOf(folder, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`])
    installed = join(folder, 'node_modules/millpond')
  }, INSTALL_DEADLINE_MS)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const millpond = (...words: string[]) => outputOf(folder, process.execPath, ['node_modules/.bin/millpond', ...words])

  it('holds the built program, its types and its documentation, and nothing else', async () => {
    const sources = (await filesBelow(join(root, 'src'))).filter(
      (file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !file.startsWith('kernel/assembly/'),
    )
    const built = sources.flatMap((file) => [file.replace(/\.ts$/u, '.js'), file.replace(/\.ts$/u, '.d.ts')])
    const documents = (await filesBelow(join(root, 'docs'))).map((file) => `docs/${file}`)
    const expected = [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bench/results.md',
      'package.json',
      ...documents,
      ...[...built, 'kernel/kernel.wasm'].map((file) => `dist/${file}`),
    ]
    expect((await filesBelow(installed)).toSorted()).toEqual(expected.toSorted())
  })

  it('leaves out what only its development needs', async () => {
    const names = await readdir(join(folder, 'node_modules'))
    expect(names).toContain('fastify')
    for (const name of ['@aws-sdk', 'assemblyscript', 'azurite', 'kafkajs', 'typescript', 'vega-datasets', 'vitest'])
      expect(names).not.toContain(name)
  })

  it('gives every entry of its exports, as modules and as types', async () => {
    const { exports } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
      exports: Record<string, unknown>
    }
    const entries = Object.keys(exports)
      .filter((entry) => entry !== './package.json')
      .map((entry) => `millpond${entry.slice(1)}`)
    expect(entries).toContain('millpond/source')
    await writeFile(join(folder, 'load.js'), entries.map((entry) => `await import('${entry}')\n`).join(''))
    await outputOf(folder, process.execPath, ['load.js'])

    const lines = entries.map((entry, i) => `import * as entry${i} from '${entry}'\nexport const given${i} = entry${i}\n`)
    const use = `import type { Source } from 'millpond/source'\nexport const close = (source: Source) => source[Symbol.asyncDispose]()\n`
    await writeFile(join(folder, 'use.ts'), [...lines, use].join(''))
    const compilerOptions = {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
    }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }))
    await outputOf(folder, join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.json'])
  })

  it('starts by its name', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    expect((await outputOf(folder, 'npx', ['--no-install', 'millpond', '--version'])).trim()).toBe(version)
  })

  it('takes, archives, finds and verifies messages', async () => {
    await millpond('config', 'init')
    await millpond('config', 'check')
    await writeFile(join(folder, 'orders.jsonl'), '{"key":"a","value":{"n":1}}\n{"key":"b","value":{"n":2}}\n')
    await millpond('ingest', 'orders', 'orders.jsonl')
    await millpond('archive', '--once')
    expect(JSON.parse(await millpond('search', '--topic', 'orders', '--key', 'b', '--json'))).toMatchObject({
      key: 'b',
      value: { n: 2 },
    })
    expect(JSON.parse(await millpond('verify', '--against', 'local', '--json'))).toMatchObject({
      clean: true,
      messages: 2,
      compared: 2,
    })
  })

  it('says what to install where a command needs a package of its own', async () => {
    const { exitCode, stderr } = await runCommand(folder, process.execPath, ['node_modules/.bin/millpond', 'quickstart'])
    expect([exitCode, stderr]).toEqual([3, expect.stringMatching(/npm install vega-datasets.*\(DEPENDENCY_MISSING\)/u)])
  })
})
