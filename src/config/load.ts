import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
  type YAMLParseError,
  type YAMLWarning,
} from 'yaml'
import type { z } from 'zod'
import { MillpondError } from '../errors.ts'
import type { Config } from './config.ts'
import { interpolate, type Interpolated, type Surroundings } from './interpolate.ts'
import { schemaAt } from './json-schema.ts'
import { configInvalid, type ConfigPath, type Mistake, pathText } from './mistake.ts'
import { nearest } from '../nearest.ts'
import { resolveConfig } from './resolve.ts'
import { checkRules } from './rules.ts'
import { configSchema, type FileConfig } from './schema.ts'

/** The name that a configuration file has where none is given. */
export const CONFIG_FILE = 'millpond.yaml'

/** A checked configuration, once as the program uses it and once in the form of the file. */
export interface LoadedConfig {
  readonly config: Config
  readonly written: FileConfig
}

/** Which file to read: `file`, or `millpond.yaml` in `dir`, or in `workingFolder`; without one, all of it is defaults. */
export interface ConfigPlace {
  readonly file?: string | undefined
  readonly dir?: string | undefined
  readonly workingFolder: string
}

/**
 * Reads and checks the configuration. Nothing but it is opened.
 * @throws MillpondError `CONFIG_INVALID` with every mistake in `details.mistakes`; `USAGE` where a file is named that is not there.
 */
export async function loadConfig(place: ConfigPlace, env: Surroundings['env']): Promise<LoadedConfig> {
  const folder = resolve(place.workingFolder, place.dir ?? '.')
  const file = place.file === undefined ? resolve(folder, CONFIG_FILE) : resolve(place.workingFolder, place.file)
  const surroundings = { env, readFile: (path: string) => readFile(path, 'utf8') }
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (code === 'ENOENT' && place.file === undefined) return checkConfig('', { file: undefined, folder }, surroundings)
    throw new MillpondError('USAGE', `cannot read the configuration ${file}: ${code}`, { cause: error, details: { file } })
  }
  // `--dir` says where things lie even when `--config` takes the rest from elsewhere.
  return checkConfig(text, { file, folder: place.dir === undefined ? dirname(file) : folder }, surroundings)
}

/**
 * Checks the text of a configuration.
 * @throws MillpondError `CONFIG_INVALID` with every mistake in `details.mistakes`.
 */
export async function checkConfig(
  text: string,
  place: { readonly file: string | undefined; readonly folder: string },
  surroundings: Surroundings,
): Promise<LoadedConfig> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const located = createLocator(document, lines)
  const mistakes = [...document.errors, ...document.warnings].map((error) => syntaxMistake(error, text, lines))
  const name = place.file ?? CONFIG_FILE
  // What follows a broken line cannot be judged; a key that stands twice breaks nothing.
  if (document.errors.some((error) => error.code !== 'DUPLICATE_KEY')) throw configInvalid(name, mistakes)

  const interpolated = await interpolate(document.contents, place.folder, surroundings)
  const unresolved = interpolated.filter(({ problem }) => problem !== undefined)
  mistakes.push(...unresolved.map(({ path, problem }) => located(path, problem!)))
  const told = new Set(unresolved.map(({ path }) => pathText(path)))
  const values = expand(document, name)
  const parsed = configSchema.safeParse(values)
  for (const issue of parsed.success ? [] : lastOfEachPath(parsed.error.issues)) {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        mistakes.push(located([...path, key], unknownKey(path, key)))
        told.add(pathText([...path, key]))
      }
    } else if (!told.has(pathText(path))) {
      mistakes.push(located(path, `${issue.message}, not ${shown(path, values, interpolated)}`))
      told.add(pathText(path))
    }
  }
  const findings = checkRules(values, (path) => told.has(pathText(path)))
  mistakes.push(...findings.map(({ path, message }) => located(path, message)))
  if (mistakes.length > 0 || !parsed.success) throw configInvalid(name, mistakes)
  return { config: resolveConfig(parsed.data, place), written: parsed.data }
}

function expand(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS()
  } catch (error) {
    // Aliases of aliases that would unfold into more than any file needs.
    const message = `no valid YAML: ${error instanceof Error ? error.message : String(error)}`
    throw configInvalid(file, [{ path: [], line: 1, column: 1, message }])
  }
}

// A size that is no size fails its form and its range; the last says both.
function lastOfEachPath(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  const last = new Map<string, z.core.$ZodIssue>()
  for (const issue of issues) last.set(`${issue.code === 'unrecognized_keys'} ${pathText(issue.path.map(String))}`, issue)
  return [...last.values()]
}

function unknownKey(path: ConfigPath, key: string): string {
  const known = Object.keys(schemaAt(path)?.properties ?? {})
  const near = nearest(key, known)
  if (near !== undefined) return `there is no such key; did you mean ${pathText([...path, near])}?`
  const home = Object.entries(schemaAt([])?.properties ?? {}).find(([, section]) => Object.hasOwn(section.properties ?? {}, key))
  if (home !== undefined) return `there is no such key here; did you mean ${pathText([home[0], key])}?`
  return `there is no such key; ${path.length === 0 ? 'known sections' : `keys of ${pathText(path)}`}: ${known.join(', ')}`
}

/** Keys whose values are not shown, whatever is wrong with them. */
const SECRET_KEYS = new Set(
  ['token', 'key', 'hashKey', 'password', 'passphrase', 'clientSecret', 'secretAccessKey', 'sessionToken', 'accountKey'].concat([
    'credentialsJson',
    'connectionString',
    'sasToken',
    'sasUrl',
    'customerKey',
    'proxy',
  ]),
)

/** The value as it is written, where that may be shown. */
function shown(path: ConfigPath, values: unknown, interpolated: readonly Interpolated[]): string {
  if (SECRET_KEYS.has(String(path.at(-1)))) return 'what is there'
  const reference = interpolated.find((one) => pathText(one.path) === pathText(path))
  if (reference !== undefined) return `what ${reference.written} gives`
  let value = values
  for (const step of path) value = (value as Record<string | number, unknown> | null)?.[step]
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a section'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

function syntaxMistake(error: YAMLParseError | YAMLWarning, text: string, lines: LineCounter): Mistake {
  const { line, col } = lines.linePos(error.pos[0])
  if (error.code !== 'DUPLICATE_KEY') return { path: [], line, column: col, message: `no valid YAML: ${error.message}` }
  const key = /^[^:\r\n]*/u.exec(text.slice(error.pos[0]))![0].trim()
  return { path: [], line, column: col, message: `the key ${key} stands here a second time` }
}

/** Gives mistakes their line and column: those of the key for a key, those of the value for a list item. */
function createLocator(document: Document.Parsed, lines: LineCounter): (path: ConfigPath, message: string) => Mistake {
  return (path, message) => {
    let node: ParsedNode | null = document.contents
    let offset = node?.range[0] ?? 0
    for (const step of path) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : String(key)) === String(step))
        if (pair === undefined) break
        offset = pair.key.range[0]
        node = pair.value
      } else if (isSeq(node)) {
        node = node.items[Number(step)] ?? null
        offset = node?.range[0] ?? offset
      } else break
    }
    const { line, col } = lines.linePos(offset)
    return { path, line, column: col, message }
  }
}
