import { resolve } from 'node:path'
import { isAlias, isMap, isScalar, isSeq, type ParsedNode, type Scalar } from 'yaml'
import type { ConfigPath } from './mistake.ts'

/** What values may refer to. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readFile(path: string): Promise<string>
}

/** A value that had references in it. */
export interface Interpolated {
  readonly path: ConfigPath
  readonly node: Scalar
  /** As it is written in the file. */
  readonly written: string
  /** Why it could not be resolved, where it could not. */
  readonly problem: string | undefined
}

const REFERENCE = /\$\$\{|\$\{([^}]*)\}?/gu
const NAME = /^([A-Za-z_]\w*)(?::-([\s\S]*))?$/u

/**
 * Replaces `${NAME}`, `${NAME:-default}` and `${file:path}` in the values of the parsed file, in place; `$${` stands for `${`. It comes
 * after parsing, so what is put in is a value and nothing else, whatever it contains. File paths count from `folder`; one newline
 * at a file's end is left out.
 */
export async function interpolate(root: ParsedNode | null, folder: string, surroundings: Surroundings): Promise<Interpolated[]> {
  const found: Interpolated[] = []
  for (const { path, node } of scalarsOf(root, [])) {
    const written = node.value
    if (typeof written !== 'string' || !written.includes('${')) continue
    const problems: string[] = []
    let text = ''
    let end = 0
    for (const match of written.matchAll(REFERENCE)) {
      const resolved = await resolveReference(match, folder, surroundings)
      if (resolved.problem !== undefined) problems.push(resolved.problem)
      text += written.slice(end, match.index) + (resolved.text ?? '')
      end = match.index + match[0].length
    }
    node.value = text + written.slice(end)
    found.push({ path, node, written, problem: problems.length === 0 ? undefined : problems.join('; ') })
  }
  return found
}

/** Every value below a node with its path; keys are not values. */
function* scalarsOf(node: ParsedNode | null, path: ConfigPath): Generator<{ path: ConfigPath; node: Scalar }> {
  if (isScalar(node)) yield { path, node }
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      if (!isAlias(value)) yield* scalarsOf(value, [...path, isScalar(key) ? String(key.value) : String(key)])
    }
  }
  if (isSeq(node)) {
    for (const [i, item] of node.items.entries()) {
      if (!isAlias(item)) yield* scalarsOf(item, [...path, i])
    }
  }
}

interface Resolved {
  readonly text?: string
  readonly problem?: string
}

async function resolveReference(match: RegExpExecArray, folder: string, surroundings: Surroundings): Promise<Resolved> {
  const [whole, inner] = match
  if (inner === undefined) return { text: '${' }
  if (!whole.endsWith('}')) return { problem: 'a "${" has no "}"; where no reference is meant, write "$${"' }
  if (inner.startsWith('file:')) return readSecretFile(inner.slice('file:'.length), folder, surroundings)
  const named = NAME.exec(inner)
  if (named === null) return { problem: `"${whole}" is no reference; write \${NAME}, \${NAME:-default} or \${file:path}` }
  const [, name, standard] = named
  const value = surroundings.env[name!]
  if (standard !== undefined) return { text: value === undefined || value === '' ? standard : value }
  if (value === undefined)
    return { problem: `the environment variable ${name!} is not set; \${${name!}:-default} would give a default` }
  return { text: value }
}

async function readSecretFile(written: string, folder: string, surroundings: Surroundings): Promise<Resolved> {
  const path = resolve(folder, written)
  try {
    return { text: (await surroundings.readFile(path)).replace(/\r?\n$/u, '') }
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    return { problem: `cannot read the file ${path} (${reason})` }
  }
}
