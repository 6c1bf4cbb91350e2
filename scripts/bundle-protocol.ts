import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const source = fileURLToPath(new URL('../src/adapters/kafka/protocol.ts', import.meta.url))

/** Checks options of clients that are not used here, and takes longer to load than all the rest. */
const UNUSED = 'ajv/dist/2020.js'
const unusedStub = `export class Ajv2020 {
  addKeyword() { return this }
  addFormat() { return this }
  compile() { return () => { throw new Error('not part of this program') } }
}`

/**
 * Makes one file of `protocol.ts` and of what it needs from packages, which then are no dependencies of who installs the program; their licenses
 * go beside it.
 */
export async function bundleProtocol(file: string): Promise<void> {
  const bundle = await rolldown({
    input: source,
    platform: 'node',
    // No module of the package does anything but define; what is not asked for is left out.
    treeshake: { moduleSideEffects: false },
    plugins: [
      {
        name: 'leave out what checks options',
        resolveId: (id) => (id === UNUSED ? `\0${UNUSED}` : undefined),
        load: (id) => (id === `\0${UNUSED}` ? unusedStub : undefined),
      },
    ],
  })
  const { output } = await bundle.write({ file, format: 'esm' })
  await bundle.close()
  const packages = new Set(output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : [])).flatMap(packageFolder))
  const licenses = [...packages].sort().map((folder) => `${nameOf(folder)}\n\n${licenseOf(folder).trim()}\n`)
  writeFileSync(join(dirname(file), 'protocol.LICENSES.txt'), licenses.join(`\n${'-'.repeat(80)}\n\n`))
}

/** The folder of the package that a module belongs to, if any. */
function packageFolder(module: string): string[] {
  const match = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/u.exec(module)
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
