import type { MessageInput } from '../../src/batch/builder.ts'

/** The plain reading of docs/formats.md, "JSON lines", over `JSON.parse`: what the kernel must agree with. */

interface TwinOptions {
  readonly nowMs: number
  readonly maxMessageBytes: number
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** The messages of the lines, or the number of the first line that is wrong. */
export function twinParseLines(input: Uint8Array, options: TwinOptions): MessageInput[] | { wrongLine: number } {
  const messages: MessageInput[] = []
  for (const [index, line] of linesOf(input).entries()) {
    try {
      const text = strict.decode(line)
      if (/^[ \t\r]*$/u.test(text)) continue
      messages.push(messageOf(text, messages.length, options))
    } catch {
      return { wrongLine: index + 1 }
    }
  }
  return messages
}

function linesOf(input: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = []
  let start = 0
  for (let at = 0; at <= input.length; at++) {
    if (at < input.length && input[at] !== 10) continue
    lines.push(input.subarray(start, at))
    start = at + 1
  }
  return lines
}

/** The field of a message that each property fills. */
const fieldOf: Readonly<Record<string, string>> = Object.fromEntries(
  ['key keyBase64', 'value valueText valueBase64', 'id idBase64', 'headers', 'timestamp', 'topic', 'lane', 'position'].flatMap(
    (names) => names.split(' ').map((name, _, [field]) => [name, field!]),
  ),
)

function messageOf(text: string, position: number, options: TwinOptions): MessageInput {
  JSON.parse(text)
  const fields = new Map<string, unknown>()
  for (const [name, raw] of membersOf(text)) {
    const field = Object.hasOwn(fieldOf, name) ? fieldOf[name]! : refuse(`unknown ${name}`)
    if (fields.has(field)) refuse(`${name} twice`)
    fields.set(field, contentOf(name, raw))
  }
  const content = (name: string) => (fields.get(name) as Uint8Array | null | undefined) ?? null
  const message = {
    position,
    timestamp: (fields.get('timestamp') as number | null | undefined) ?? options.nowMs,
    key: content('key'),
    value: content('value'),
    id: content('id') as unknown as string | null,
    headers: (fields.get('headers') as NonNullable<MessageInput['headers']> | undefined) ?? [],
  }
  const bytes = [message.key, message.value, content('id'), ...message.headers.flatMap(({ name, value }) => [name, value])]
  const sum = bytes.reduce((total, part) => total + (typeof part === 'string' ? encoder.encode(part) : (part ?? [])).length, 0)
  return sum <= options.maxMessageBytes ? message : refuse('too large')
}

function contentOf(name: string, raw: string): unknown {
  if (depthOf(raw) > 128) refuse('too deep')
  if (name === 'topic' || name === 'lane' || name === 'position') return raw
  if (name === 'headers') return headersOf(raw)
  if (raw === 'null') return null
  if (name === 'value') return encoder.encode(raw)
  if (name === 'timestamp') return timestampOf(raw)
  return name.endsWith('Base64') ? base64Of(raw) : textOf(raw)
}

function headersOf(raw: string): MessageInput['headers'] {
  if (raw === 'null') return []
  if (raw.startsWith('{')) {
    const members = membersOf(raw)
    if (new Set(members.map(([name]) => name)).size < members.length || members.length > 256) refuse('header twice')
    return members.map(([name, value]) => ({ name, value: nullable(value, textOf) }))
  }
  return raw.startsWith('[') ? elementsOf(raw).map(headerOf) : refuse('headers')
}

function headerOf(raw: string): { name: string; value: Uint8Array | null } {
  let name: Uint8Array | undefined
  let value: Uint8Array | null | undefined
  for (const [property, content] of membersOf(raw)) {
    if (property === 'name' || property === 'nameBase64') {
      if (name !== undefined) refuse('name twice')
      name = property === 'name' ? textOf(content) : base64Of(content)
    } else if (property === 'value' || property === 'valueBase64') {
      if (value !== undefined) refuse('value twice')
      value = nullable(content, property === 'value' ? textOf : base64Of)
    } else refuse(property)
  }
  return { name: (name as unknown as string | undefined) ?? refuse('no name'), value: value ?? null }
}

const nullable = (raw: string, read: (raw: string) => Uint8Array): Uint8Array | null => (raw === 'null' ? null : read(raw))

function textOf(raw: string): Uint8Array {
  return encoder.encode(wellFormed(raw))
}

function wellFormed(raw: string): string {
  const text: unknown = JSON.parse(raw)
  return typeof text === 'string' && text.isWellFormed() ? text : refuse('no text')
}

function base64Of(raw: string): Uint8Array {
  const text = wellFormed(raw)
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : refuse('no base64')
}

function timestampOf(raw: string): number {
  if (/^-?\d+$/u.test(raw)) return Number.isSafeInteger(Number(raw)) ? Number(raw) + 0 : refuse('unsafe')
  const text = wellFormed(raw)
  const match = /^(\d{4}-\d\d-\d\d)t(\d\d:\d\d:\d\d)(\.\d+)?(z|[+-]\d\d:\d\d)$/iu.exec(text) ?? refuse('no time')
  const [, day, time, fraction = '.0', zone] = match
  const utc = Date.parse(`${day}T${time}${fraction.slice(0, 4).padEnd(4, '0')}Z`)
  // Date takes February 30 for March 1, and 24:00 for the next day.
  if (Number.isNaN(utc) || !new Date(utc).toISOString().startsWith(`${day}T${time}`)) refuse('no such time')
  if (/z/iu.test(zone!)) return utc
  const hours = Number(zone!.slice(1, 3))
  const minutes = Number(zone!.slice(4))
  if (hours > 23 || minutes > 59) refuse('no such zone')
  return utc - (zone!.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

/** The properties of an object in valid JSON: the names as text, the values as they are written. */
function membersOf(raw: string): [string, string][] {
  if (!raw.trim().startsWith('{')) refuse('no object')
  return elementsOf(raw).map((member) => {
    const nameEnd = /^"(?:[^"\\]|\\.)*"/u.exec(member)![0].length
    return [wellFormed(member.slice(0, nameEnd)), member.slice(member.indexOf(':', nameEnd) + 1).trim()]
  })
}

/** What stands between the commas of a list or an object in valid JSON. */
function elementsOf(raw: string): string[] {
  const inner = raw.trim().slice(1, -1)
  const elements: string[] = []
  let depth = 0
  let start = 0
  for (const { 0: token, index } of inner.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},]/gu)) {
    if (token === '[' || token === '{') depth++
    else if (token === ']' || token === '}') depth--
    else if (token === ',' && depth === 0) {
      elements.push(inner.slice(start, index).trim())
      start = index + 1
    }
  }
  const last = inner.slice(start).trim()
  return last === '' ? elements : [...elements, last]
}

function depthOf(raw: string): number {
  let depth = 0
  let deepest = 0
  for (const [token] of raw.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gu)) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++depth)
    else if (token === ']' || token === '}') depth--
  }
  return deepest
}

function refuse(reason: string): never {
  throw new Error(reason)
}

/** A message as bytes: `null` for what is null. */
export interface TwinMessage {
  readonly position: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly id: Uint8Array | null
  readonly headers: readonly { readonly name: Uint8Array; readonly value: Uint8Array | null }[]
}

/** The line of a message, its end included. */
export function twinWriteLine(message: TwinMessage, origin: { topic: string; lane: string }): string {
  const id = message.id === null ? '' : `,${property('id', message.id)}`
  const headers = message.headers.map(({ name, value }) => `{${property('name', name)},${property('value', value)}}`)
  return (
    `{"topic":${JSON.stringify(origin.topic)},"lane":${JSON.stringify(origin.lane)},"position":${message.position}` +
    `,"timestamp":${message.timestamp}${id},${property('key', message.key)}` +
    `${headers.length === 0 ? '' : `,"headers":[${headers.join(',')}]`},${valueProperty(message.value)}}\n`
  )
}

function property(name: string, bytes: Uint8Array | null): string {
  if (bytes === null) return `"${name}":null`
  try {
    return `"${name}":${quoted(strict.decode(bytes))}`
  } catch {
    return `"${name}Base64":"${Buffer.from(bytes).toString('base64')}"`
  }
}

// Backspace and form feed have letters too, which `JSON.stringify` uses and the kernel does not.
const quoted = (text: string): string =>
  JSON.stringify(text).replaceAll(/\\([bf\\])/gu, (all, letter) =>
    letter === 'b' ? '\\u0008' : letter === 'f' ? '\\u000c' : all,
  )

/** Whether an escape of the JSON text is half of a surrogate pair without the other one. */
const hasHalf = (text: string): boolean =>
  /\\u[dD][89a-fA-F]/u.test(text.replaceAll(/\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|[^u])/gu, ''))

function valueProperty(value: Uint8Array | null): string {
  if (value === null) return property('value', null)
  try {
    const text = strict.decode(value)
    try {
      if (text !== 'null' && text.trim() === text && !/[\n\r]/u.test(text) && depthOf(text) <= 128 && !hasHalf(text)) {
        JSON.parse(text)
        return `"value":${text}`
      }
    } catch {
      // No JSON: text then.
    }
    return property('valueText', value)
  } catch {
    return property('value', value)
  }
}
