import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PreRenderedChunk, rolldown } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where the program lies below `dist/`. */
const PROGRAM = 'cli'

/** The files that something starts: the command line, by the user and as a thread for each archiver, and the threads of the local log and of queries. */
const started = {
  [`${PROGRAM}/main`]: 'src/cli/main.ts',
  [`${PROGRAM}/log-worker`]: 'src/adapters/local/log-worker.ts',
  [`${PROGRAM}/query-thread`]: 'src/adapters/duckdb/query-thread.ts',
}

interface Package {
  readonly dependencies: object
  readonly peerDependencies: object
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>
}

/** Of the package for Kafka; checks options of clients that are not used here, and takes longer to load than all the rest. */
const UNUSED = 'ajv/dist/2020.js'
const unusedStub = `export class Ajv2020 {
  addKeyword() { return this }
  addFormat() { return this }
  compile() { return () => { throw new Error('not part of this program') } }
}`

/**
 * Makes the program, and the modules that package.json exports, of all they are written in and of what they need from packages: a file for
 * each entry, and one for what is loaded together. What package.json names for whoever installs the program stays outside. The licenses of
 * what came in go beside the program.
 *
 * All but the exported modules lies in one folder, so that what a module looks for beside itself (the kernel, the file of a thread) is there
 * whichever file the module went into.
 * @throws Error where rolldown has anything to say.
 */
export async function bundleProgram(dist: string): Promise<void> {
  const { dependencies, peerDependencies, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package
  const bundle = await rolldown({
    cwd: root,
    input: { ...started, ...exportedModules(exports) },
    platform: 'node',
    external: Object.keys({ ...dependencies, ...peerDependencies }),
    treeshake: {
      // No module of this package does anything but define, which it does not say; others say it, or are kept whole.
      moduleSideEffects: [{ test: /[/\\]@platformatic[/\\]kafka[/\\]/u, sideEffects: false }],
    },
    plugins: [
      {
        name: 'leave out what checks options',
        resolveId: (id) => (id === UNUSED ? `\0${UNUSED}` : undefined),
        load: (id) => (id === `\0${UNUSED}` ? unusedStub : undefined),
      },
    ],
    onLog(_level, { message }) {
      throw new Error(message)
    },
  })
  const { output } = await bundle.write({
    dir: dist,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: (chunk) => `${PROGRAM}/${chunkName(chunk)}.js`,
    comments: { legal: true, annotation: false, jsdoc: false },
    // Names stay as they were written: stack traces are read.
    minifyInternalExports: false,
  })
  await bundle.close()
  const packages = new Set(output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : [])).flatMap(packageFolder))
  const licenses = [...packages].sort().map((folder) => `${nameOf(folder)}\n\n${licenseOf(folder).trim()}\n`)
  writeFileSync(join(dist, PROGRAM, 'LICENSES.txt'), licenses.join(`\n${'-'.repeat(80)}\n\n`))
}

/** The sources of the modules that `exports` names, by what they are called below `dist/`. */
function exportedModules(exports: Package['exports']): Record<string, string> {
  const files = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.default]))
  const names = files.map((file) => file.replace(/^\.\/dist\//u, '').replace(/\.js$/u, ''))
  return Object.fromEntries(names.map((name) => [name, `src/${name}.ts`]))
}

/** A name after the path of the module that the others of the chunk serve, so that a stack trace says where to look. */
function chunkName({ name: given, facadeModuleId, moduleIds }: PreRenderedChunk): string {
  const module = facadeModuleId ?? moduleIds.at(-1) ?? given
  const name = packageFolder(module).map((folder) => basename(folder))[0] ?? module.replace(join(root, 'src'), '')
  return name
    .replace(/\.[jt]s$/u, '')
    .replaceAll(/[^\w-]+/gu, ' ')
    .trim()
    .replaceAll(' ', '-')
}

/** The folder of the package that a module belongs to, if any. */
function packageFolder(module: string): string[] {
  const match = /^.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+(?=[/\\])/u.exec(module)
  return match === null ? [] : [match[0]]
}

function nameOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>
  return `${name} ${version} (${license})`
}

function licenseOf(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/iu.test(name))
  if (file === undefined) throw new Error(`${folder} comes without a license`)
  return readFileSync(join(folder, file), 'utf8')
}
