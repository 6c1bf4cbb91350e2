import { MillpondError } from '../errors.ts'

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

/** Java properties: `key=value` a line, comments, escapes, and lines that go on behind a backslash. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  const joined = text.replaceAll(/\r\n?/gu, '\n').replaceAll(/(?<!\\)((?:\\\\)*)\\\n[ \t\f]*/gu, '$1')
  for (const line of joined.split('\n')) {
    const written = line.replace(/^[ \t\f]+/u, '')
    if (written === '' || /^[#!]/u.test(written)) continue
    const [, key = '', value = ''] = /^((?:\\.|[^\\=: \t\f])*)(?:[ \t\f]*[=:][ \t\f]*|[ \t\f]+|$)([^]*)$/u.exec(written) ?? []
    properties.set(unescaped(key), unescaped(value))
  }
  return properties
}

const unescaped = (text: string): string =>
  text.replaceAll(/\\(?:u([0-9A-Fa-f]{4})|([^]))/gu, (_, hex: string | undefined, character: string) =>
    hex === undefined ? (ESCAPES[character] ?? character) : String.fromCharCode(Number.parseInt(hex, 16)),
  )

/** Variables of an environment file: `NAME=value` a line, `export` before it or not, quotes around the value or not. */
export function parseEnvironment(text: string): Map<string, string> {
  const variables = new Map<string, string>()
  for (const line of text.split(/\r?\n/u)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*([^]*?)\s*$/u.exec(line)
    if (match === null) continue
    const [, name = '', value = ''] = match
    const quotedText = /^(["'])([^]*)\1$/u.exec(value)
    variables.set(name, quotedText?.[2] ?? value.replace(/\s+#.*$/u, ''))
  }
  return variables
}

/**
 * A connector's configuration: properties, or JSON, flat or with its `name` and `config` as Connect's REST interface has it.
 * @throws MillpondError `INPUT_INVALID`.
 */
export function parseConnector(text: string): Map<string, string> {
  if (!text.trimStart().startsWith('{')) return parseProperties(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new MillpondError(
      'INPUT_INVALID',
      `the configuration is no JSON: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  }
  const { config, name } = value as { config?: unknown; name?: unknown }
  const inner =
    typeof config === 'object' && config !== null
      ? { ...(typeof name === 'string' ? { name } : {}), ...config }
      : (value as object)
  return new Map(Object.entries(inner).map(([key, one]) => [key, typeof one === 'string' ? one : JSON.stringify(one)]))
}
