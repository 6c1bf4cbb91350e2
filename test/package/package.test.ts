import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { join, posix, relative, resolve, sep } from 'node:path'
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

interface Manifest {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
}

const readManifest = async (folder: string) => JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest

/** Every module that a file names in an import, `import()` and type-only ones included. */
function importsOf(text: string): string[] {
  const found = text.matchAll(
    /^(?:import|export) (?:type )?(?:(?:\w+|\* as \w+|(?:\w+, )?\{[^}]*\}) from )?['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)/gmu,
  )
  return [...found].map((match) => match[1] ?? match[2]!)
}

/** What `files` of a folder and the files that they import name: files of the folder, themselves among them, and packages. */
async function reachedFrom(folder: string, files: readonly string[]) {
  const reached = new Set(files)
  const packages = new Set<string>()
  for (const file of reached) {
    for (const name of importsOf(await readFile(join(folder, file), 'utf8'))) {
      if (!name.startsWith('.')) packages.add(name)
      else reached.add(posix.join(posix.dirname(file), name))
    }
  }
  return { files: [...reached], packages: [...packages] }
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

  const exportedFiles = async () => Object.values((await readManifest(root)).exports).filter((entry) => typeof entry !== 'string')

  /** What the files that are started, and the modules that package.json names, load. */
  const loaded = async () => {
    const modules = (await exportedFiles()).map((entry) => posix.normalize(entry.default))
    return reachedFrom(installed, ['dist/cli/main.js', 'dist/cli/log-worker.js', 'dist/cli/query-thread.js', ...modules])
  }

  it('holds what its entries load, their types and its documentation, and nothing else', async () => {
    const { files } = await loaded()
    const sources = (await exportedFiles()).map(({ types }) => types.replace('./dist/', 'src/').replace(/\.d\.ts$/u, '.ts'))
    const types = (await reachedFrom(root, sources)).files.map((file) => file.replace('src/', 'dist/').replace(/\.ts$/u, '.d.ts'))
    const documents = (await filesBelow(join(root, 'docs'))).map((file) => `docs/${file}`)
    const expected = [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bench/results.md',
      'package.json',
      ...documents,
      'dist/cli/LICENSES.txt',
      'dist/cli/kernel.wasm',
      ...files,
      ...types,
    ]
    expect((await filesBelow(installed)).toSorted()).toEqual(expected.toSorted())
    const commands = await readdir(join(root, 'src/cli/commands'))
    expect(commands.length).toBeGreaterThan(10)
    for (const command of commands) expect(files).toContain(`dist/cli/cli-commands-${command.replace(/\.ts$/u, '.js')}`)
  })

  it('loads no package but those that whoever installs it gets, or is asked to install', async () => {
    const { dependencies, peerDependencies } = await readManifest(installed)
    const packages = (await loaded()).packages.filter((name) => !isBuiltin(name))
    expect(packages).toEqual(expect.arrayContaining(Object.keys(dependencies)))
    expect(Object.keys({ ...dependencies, ...peerDependencies })).toEqual(expect.arrayContaining(packages))
  })

  it('starts with a file that loads nothing before Node is known to be new enough, and what is compiled to be kept', async () => {
    expect(await readFile(join(installed, 'dist/cli/main.js'), 'utf8')).not.toMatch(/^(?:import|export) (?!\{\s*\};)/mu)
  })

  it('brings the licenses of what is built into it', async () => {
    const text = await readFile(join(installed, 'dist/cli/LICENSES.txt'), 'utf8')
    const named = [...text.matchAll(/^(\S+) \d+\.\d+\.\d+ \([^)]+\)$/gmu)].map((match) => match[1])
    expect(named).toEqual([
      '@platformatic/dynamic-buffer',
      '@platformatic/kafka',
      'commander',
      'debug',
      'has-flag',
      'long',
      'ms',
      'protobufjs',
      'supports-color',
      'yaml',
      'zod',
    ])
  })

  it('leaves out what only its development needs', async () => {
    const names = await readdir(join(folder, 'node_modules'))
    expect(names).toContain('fastify')
    for (const name of Object.keys((await readManifest(root)).devDependencies)) expect(names).not.toContain(name.split('/')[0])
  })

  it('gives every entry of its exports, as modules and as types', async () => {
    const names = Object.keys((await readManifest(installed)).exports)
      .filter((entry) => entry !== './package.json')
      .map((entry) => `millpond${entry.slice(1)}`)
    expect(names).toContain('millpond/source')
    await writeFile(join(folder, 'load.js'), names.map((entry) => `await import('${entry}')\n`).join(''))
    await outputOf(folder, process.execPath, ['load.js'])

    const lines = names.map((entry, i) => `import * as entry${i} from '${entry}'\nexport const given${i} = entry${i}\n`)
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
    const { version } = await readManifest(root)
    expect((await outputOf(folder, 'npx', ['--no-install', 'millpond', '--version'])).trim()).toBe(version)
  })

  it('takes, archives, finds and verifies messages', async () => {
    await millpond('config', 'init')
    await millpond('config', 'check')
    await writeFile(join(folder, 'orders.jsonl'), '{"key":"a","value":{"n":1}}\n{"key":"b","value":{"n":2}}\n')
    await millpond('ingest', 'orders', 'orders.jsonl')
    await millpond('archive', '--once', '--threads', '2')
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

  it('says of a mistake what the program says that is not built', async () => {
    await writeFile(
      join(folder, 'wrong.yaml'),
      'data: 7\nhttp: { port: many, hots: x }\narchive: { rotate: { maxAge: 3 parsecs } }\n',
    )
    const words = ['--config', 'wrong.yaml', 'config', 'check']
    const built = await runCommand(folder, process.execPath, ['node_modules/.bin/millpond', ...words])
    expect(built).toEqual(await runCommand(folder, process.execPath, [join(root, 'src/cli/main.ts'), ...words]))
    expect(built).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('wrong.yaml') })
  })

  it('says what to install where a command needs a package of its own', async () => {
    const { exitCode, stderr } = await runCommand(folder, process.execPath, ['node_modules/.bin/millpond', 'quickstart'])
    expect([exitCode, stderr]).toEqual([3, expect.stringMatching(/npm install vega-datasets.*\(DEPENDENCY_MISSING\)/u)])
  })
})
