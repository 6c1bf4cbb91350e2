import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../src')

/** What each part of `src/` may import: the layers of docs/architecture.md, top to bottom. Itself is always allowed. */
const ground = ['errors', 'nearest', 'batch', 'kernel']
const rules = [
  ...ground,
  'secret',
  'values',
  'jq',
  'encode',
  'layout',
  'source',
  'store',
  'sink',
  'commit',
  'iceberg',
  'schemas',
  'index',
  'search',
  'query',
  'import',
  'functions',
  'replay',
]
const edges: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  secret: [],
  nearest: [],
  batch: ['errors'],
  kernel: ['errors', 'batch'],
  values: ground,
  jq: ['errors'],
  encode: [...ground, 'values', 'store'],
  layout: [...ground, 'values', 'store'],
  source: [...ground, 'encode', 'store'],
  store: ['errors', 'kernel', 'batch'],
  sink: ['errors', 'batch', 'encode'],
  commit: [...ground, 'encode', 'layout', 'source', 'store'],
  iceberg: [...ground, 'values', 'encode', 'layout', 'source', 'store', 'commit'],
  schemas: [...ground, 'values', 'store', 'commit'],
  index: ['errors', 'encode', 'source', 'store', 'commit'],
  search: [...ground, 'jq', 'values', 'encode', 'source', 'store', 'commit', 'index'],
  import: ['errors', 'kernel', 'encode', 'source', 'store', 'commit'],
  query: ['errors', 'batch', 'values', 'encode', 'index', 'search'],
  functions: ['errors', 'batch'],
  replay: [...ground, 'encode', 'source', 'store', 'sink', 'commit', 'index', 'search', 'functions'],
  archive: [...ground, 'values', 'encode', 'layout', 'source', 'store', 'sink', 'commit'],
  adapters: rules,
  compact: ['errors', 'batch', 'encode', 'layout', 'source', 'store', 'commit'],
  expire: ['errors', 'batch', 'encode', 'layout', 'source', 'store', 'commit', 'compact'],
  config: ['errors', 'nearest', 'secret', 'encode', 'layout', 'iceberg'],
  migrate: ['errors', 'nearest'],
  wiring: [...rules, 'archive', 'adapters', 'config'],
  api: [...rules, 'archive', 'expire', 'config', 'wiring'],
  cli: [...rules, 'archive', 'compact', 'expire', 'config', 'migrate', 'wiring', 'api'],
}

/** Every package that is used, and the only parts that may import it. */
const packages: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/client-s3': ['adapters'],
  '@azure/identity': ['adapters'],
  '@azure/storage-blob': ['adapters'],
  '@duckdb/node-api': ['adapters'],
  '@google-cloud/storage': ['adapters'],
  '@platformatic/kafka': ['adapters'],
  croner: ['replay'],
  fastify: ['api'],
  pg: ['adapters'],
  jose: ['api'],
  'prom-client': ['api'],
  commander: ['cli'],
  hyparquet: ['adapters', 'cli'],
  'hyparquet-compressors': ['cli'],
  mongodb: ['adapters'],
  pino: ['api', 'cli'],
  protobufjs: ['values'],
  'protobufjs/ext/descriptor.js': ['values'],
  yaml: ['config', 'migrate'],
  zod: ['config'],
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith(join('kernel', 'assembly')))
  .map((file) => file.split(sep).join('/'))

const partOf = (file: string): string => file.split('/')[0]!.replace(/\.ts$/u, '')

/** Every module that a file names in an import, `import()` and type-only ones included. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found = text.matchAll(
    /^(?:import|export) (?:type )?(?:(?:\w+|\* as \w+|(?:\w+, )?\{[^}]*\}) from )?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gmu,
  )
  return [...found].map((match) => match[1] ?? match[2]!)
}

const imports = files.flatMap((file) =>
  importsOf(file).map((name) => ({
    file,
    name,
    target: name.startsWith('.')
      ? relative(root, resolve(root, dirname(file), name))
          .split(sep)
          .join('/')
      : undefined,
  })),
)
const local = imports.filter((edge) => edge.target !== undefined && !edge.target.startsWith('..')) as {
  file: string
  name: string
  target: string
}[]

describe('the layers', () => {
  it('are all there to be looked at', () => {
    expect(files.length).toBeGreaterThan(60)
    expect(local.length).toBeGreaterThan(150)
    expect(new Set(files.map(partOf))).toEqual(new Set(Object.keys(edges)))
  })

  it('import downwards only', () => {
    const wrong = local.filter(({ file, target }) => {
      const from = partOf(file)
      const to = partOf(target)
      return from !== to && !edges[from]!.includes(to)
    })
    expect(wrong.map(({ file, target }) => `${file} imports ${target}`)).toEqual([])
  })

  it('keep every adapter apart from the others', () => {
    const vendorOf = (file: string) => file.split('/').slice(0, 2).join('/')
    const wrong = local.filter(
      ({ file, target }) => partOf(file) === 'adapters' && partOf(target) === 'adapters' && vendorOf(file) !== vendorOf(target),
    )
    expect(wrong.map(({ file, target }) => `${file} imports ${target}`)).toEqual([])
  })

  it('name an adapter in the wiring alone, and load it there when the config asks for it', () => {
    const wrong = local.filter(
      ({ file, target }) => partOf(target) === 'adapters' && !['adapters', 'wiring'].includes(partOf(file)),
    )
    expect(wrong.map(({ file, target }) => `${file} imports ${target}`)).toEqual([])
    const wiring = files.filter((file) => partOf(file) === 'wiring')
    expect(wiring.length).toBeGreaterThan(3)
    const eager = wiring.filter((file) =>
      /^import (?!type)[^']*'(?:\.\.?\/)+adapters/mu.test(readFileSync(join(root, file), 'utf8')),
    )
    expect(eager).toEqual([])
  })

  it('use a package only where it belongs', () => {
    const used = imports.filter(({ name }) => !name.startsWith('.') && !name.startsWith('node:'))
    const wrong = used.filter(({ file, name }) => packages[name]?.includes(partOf(file)) !== true)
    expect(wrong.map(({ file, name }) => `${file} imports ${name}`)).toEqual([])
    expect(new Set(used.map(({ name }) => name))).toEqual(new Set(Object.keys(packages)))
  })

  it('have no cycle of files, type-only imports included', () => {
    const graph = new Map(files.map((file) => [file, local.filter((edge) => edge.file === file).map(({ target }) => target)]))
    const state = new Map<string, 'open' | 'done'>()
    const cycles: string[] = []
    const walk = (file: string, path: readonly string[]) => {
      if (state.get(file) === 'done') return
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
        return
      }
      state.set(file, 'open')
      for (const next of graph.get(file) ?? []) walk(next, [...path, file])
      state.set(file, 'done')
    }
    for (const file of files) walk(file, [])
    expect(cycles).toEqual([])
  })

  it('have no file that only passes on what others export', () => {
    const wrong = files.filter(
      (file) => file.endsWith('/index.ts') || /^export (?:\*|\{[^}]*\}) from/mu.test(readFileSync(join(root, file), 'utf8')),
    )
    expect(wrong.filter((file) => !file.startsWith('adapters/'))).toEqual([])
    // Adapters are named by their role, and "index" is one of the roles.
    expect(wrong.filter((file) => !file.endsWith('/index.ts'))).toEqual([])
  })
})
