/** What a body is read into: Go's names of it, which errors show. */
export interface BodyShape {
  /** `indexer.GetAllRequestBody`. */
  readonly type: string
  readonly fields: readonly BodyField[]
}

export interface BodyField {
  readonly name: string
  /** As Go calls it. */
  readonly goName: string
  readonly required: boolean
  /** Why the value is not of the field's type, in Go's words: undefined where it is. `at` is the name of the field. */
  readonly refuse: (value: unknown, at: string) => string | undefined
}

/** A body, or why it is none. */
export type Bound = { readonly values: Readonly<Record<string, unknown>> } | { readonly error: string }

/** Reads the first JSON value of a body as Go's decoder and gin's validation do: further keys and what follows are not looked at. */
export function bindBody(body: Uint8Array, { type, fields }: BodyShape): Bound {
  const parsed = parseFirst(new TextDecoder().decode(body))
  if ('error' in parsed) return parsed
  const { value } = parsed
  const shortType = type.slice(type.indexOf('.') + 1)
  if (value !== null && (typeof value !== 'object' || Array.isArray(value)))
    return { error: `json: cannot unmarshal ${goKind(value)} into Go value of type ${type}` }
  const given = Object.entries(value ?? {})
  const values: Record<string, unknown> = {}
  for (const { name, refuse } of fields) {
    for (const [key, one] of given) if (key.toLowerCase() === name) values[name] = one
    const mistake = values[name] === undefined || values[name] === null ? undefined : refuse(values[name], `${shortType}.${name}`)
    if (mistake !== undefined) return { error: mistake }
  }
  const missing = fields.filter(({ name, required }) => required && isMissing(values[name]))
  if (missing.length === 0) return { values }
  const told = missing.map(
    ({ goName }) => `Key: '${shortType}.${goName}' Error:Field validation for '${goName}' failed on the 'required' tag`,
  )
  return { error: told.join('\n') }
}

const isMissing = (value: unknown): boolean => value === undefined || value === null || value === ''

/** What Go calls a JSON value. */
export function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  return typeof value
}

/** What Go says of a value that is not of the field's type. */
export const notOfType = (value: unknown, at: string, type: string): string =>
  `json: cannot unmarshal ${goKind(value)} into Go struct field ${at} of type ${type}`

function parseFirst(text: string): { readonly value: unknown } | { readonly error: string } {
  const start = text.search(/[^\s]/u)
  if (start === -1) return { error: 'EOF' }
  const first = text[start]!
  if (!/["[{tfn\d-]/u.test(first)) return { error: `invalid character '${first}' looking for beginning of value` }
  const end = endOfValue(text, start)
  if (end === undefined) return { error: 'unexpected EOF' }
  try {
    return { value: JSON.parse(text.slice(start, end)) as unknown }
  } catch {
    return { error: 'invalid character in the JSON of the request body' }
  }
}

/** Behind the value that begins at `start`; undefined where the text ends before it does. */
function endOfValue(text: string, start: number): number | undefined {
  if (!/["[{]/u.test(text[start]!)) {
    const end = text.slice(start).search(/[\s,\]}]/u)
    return end === -1 ? text.length : start + end
  }
  let depth = 0
  let inText = false
  for (let at = start; at < text.length; at++) {
    const character = text[at]!
    if (inText && character === '\\') at++
    else if (character === '"') inText = !inText
    else if (!inText && (character === '{' || character === '[')) depth++
    else if (!inText && (character === '}' || character === ']')) depth--
    if (depth === 0 && !inText) return at + 1
  }
  return undefined
}
