/** Schemas of Protocol Buffers, as far as values are read by them. Source: protobuf.dev, "Protocol Buffers Language Specification", read 2026-11. */
import { MillpondError } from '../errors.ts'

/** Types of one value. */
export const protoScalars = [
  'double',
  'float',
  'int32',
  'int64',
  'uint32',
  'uint64',
  'sint32',
  'sint64',
  'fixed32',
  'fixed64',
  'sfixed32',
  'sfixed64',
  'bool',
  'string',
  'bytes',
] as const

/** A type of one value. */
export type ProtoScalar = (typeof protoScalars)[number]

/** What a field holds. */
export type ProtoType =
  | { readonly kind: 'scalar'; readonly scalar: ProtoScalar }
  | { readonly kind: 'enum'; readonly type: ProtoEnum }
  | { readonly kind: 'message'; readonly type: ProtoMessage }

/** Names of an enum's values by their numbers. */
export interface ProtoEnum {
  readonly name: string
  readonly values: Map<number, string>
}

/** A field of a message. */
export interface ProtoField {
  readonly name: string
  readonly number: number
  /** `implicit` is always there: with its default where it was not written. */
  readonly presence: 'implicit' | 'explicit' | 'repeated' | 'map'
  readonly type: ProtoType
  /** Of a map's keys. */
  readonly key: ProtoScalar | undefined
}

/** A message: its fields, which name each other. */
export interface ProtoMessage {
  readonly name: string
  readonly fields: ProtoField[]
}

/** Types that other schemas import. Source: github.com/protocolbuffers/protobuf, src/google/protobuf, read 2026-11. */
const wellKnown = `syntax = "proto3"; package google.protobuf;
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
message Any { string type_url = 1; bytes value = 2; }
message Empty {}
message FieldMask { repeated string paths = 1; }
message DoubleValue { double value = 1; } message FloatValue { float value = 1; }
message Int64Value { int64 value = 1; } message UInt64Value { uint64 value = 1; }
message Int32Value { int32 value = 1; } message UInt32Value { uint32 value = 1; }
message BoolValue { bool value = 1; } message StringValue { string value = 1; } message BytesValue { bytes value = 1; }
enum NullValue { NULL_VALUE = 0; }
message Struct { map<string, Value> fields = 1; }
message ListValue { repeated Value values = 1; }
message Value { oneof kind { NullValue null_value = 1; double number_value = 2; string string_value = 3; bool bool_value = 4;
  Struct struct_value = 5; ListValue list_value = 6; } }`

interface RawField {
  readonly name: string
  readonly number: number
  readonly typeName: string
  readonly label: 'optional' | 'required' | 'repeated' | 'oneof' | ''
  readonly key: ProtoScalar | undefined
}

interface RawMessage {
  readonly message: ProtoMessage
  readonly fields: RawField[]
}

interface Parsed {
  readonly messages: Map<string, RawMessage>
  readonly enums: Map<string, ProtoEnum>
}

/** The message `name` of a schema, or its first one. @throws MillpondError `FORMAT_UNSUPPORTED`. */
export function parseProto(text: string, name: string | undefined): ProtoMessage {
  const parsed: Parsed = { messages: new Map(), enums: new Map() }
  link(parseFile(wellKnown, parsed), parsed)
  const own = parseFile(text, parsed)
  link(own, parsed)
  const found = name === undefined ? own.messages[0]! : own.messages.find((path) => path === name || path.endsWith(`.${name}`))
  if (found === undefined) throw unsupported(`a Protobuf schema has no message ${name ?? 'at all'}`)
  return parsed.messages.get(found)!.message
}

const unsupported = (what: string) => new MillpondError('FORMAT_UNSUPPORTED', what)

interface File {
  readonly isProto3: boolean
  readonly messages: string[]
}

const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[\w.+-]+|[^\s\w]/gu

/** Takes tokens one by one. */
interface Tokens {
  peek(): string | undefined
  next(): string
  /** Goes behind the next `;`, over whatever stands in braces. */
  skipStatement(): void
}

function tokensOf(text: string): Tokens {
  const tokens = [...text.matchAll(TOKEN)].map(([token]) => token).filter((token) => !/^\/[/*]/u.test(token))
  let at = 0
  const next = () => {
    const token = tokens[at++]
    if (token === undefined) throw unsupported('a Protobuf schema ends too early')
    return token
  }
  return {
    peek: () => tokens[at],
    next,
    skipStatement() {
      for (let depth = 0; ;) {
        const token = next()
        if (token === '{') depth++
        if (token === '}' && --depth === 0) {
          if (tokens[at] === ';') at++
          return
        }
        if (token === ';' && depth === 0) return
      }
    },
  }
}

function parseFile(text: string, parsed: Parsed): File {
  const tokens = tokensOf(text)
  const messages: string[] = []
  let isProto3 = false
  let scope = ''
  while (tokens.peek() !== undefined) {
    const token = tokens.next()
    if (token === 'syntax') {
      tokens.next()
      isProto3 = tokens.next().includes('proto3')
      tokens.next()
    } else if (token === 'package') {
      scope = tokens.next()
      tokens.next()
    } else if (token === 'message') parseMessage(tokens, scope, parsed, messages)
    else if (token === 'enum') parseEnum(tokens, scope, parsed)
    else if (token !== ';') tokens.skipStatement()
  }
  return { isProto3, messages }
}

const within = (scope: string, name: string) => (scope === '' ? name : `${scope}.${name}`)

function parseEnum(tokens: Tokens, scope: string, { enums }: Parsed): void {
  const name = within(scope, tokens.next())
  const values = new Map<number, string>()
  tokens.next()
  for (let token = tokens.next(); token !== '}'; token = tokens.next()) {
    if (token === ';') continue
    if (tokens.peek() !== '=') {
      tokens.skipStatement()
      continue
    }
    tokens.next()
    const number = Number(tokens.next())
    // The first name of a number is the one that it is written by.
    if (!values.has(number)) values.set(number, token)
    tokens.skipStatement()
  }
  enums.set(name, { name, values })
}

function parseMessage(tokens: Tokens, scope: string, parsed: Parsed, messages: string[]): void {
  const name = within(scope, tokens.next())
  const raw: RawMessage = { message: { name, fields: [] }, fields: [] }
  parsed.messages.set(name, raw)
  messages.push(name)
  tokens.next()
  for (let token = tokens.next(); token !== '}'; token = tokens.next()) {
    if (token === ';') continue
    if (token === 'message') parseMessage(tokens, name, parsed, messages)
    else if (token === 'enum') parseEnum(tokens, name, parsed)
    else if (token === 'oneof') parseOneof(tokens, raw)
    else if (token === 'option' || token === 'reserved' || token === 'extensions' || token === 'extend') tokens.skipStatement()
    else raw.fields.push(parseField(tokens, token, ''))
  }
}

function parseOneof(tokens: Tokens, raw: RawMessage): void {
  tokens.next()
  tokens.next()
  for (let token = tokens.next(); token !== '}'; token = tokens.next()) {
    if (token === 'option') tokens.skipStatement()
    else if (token !== ';') raw.fields.push(parseField(tokens, token, 'oneof'))
  }
}

const isScalar = (name: string): name is ProtoScalar => (protoScalars as readonly string[]).includes(name)

function parseField(tokens: Tokens, first: string, label: RawField['label']): RawField {
  if (first === 'optional' || first === 'required' || first === 'repeated') return parseField(tokens, tokens.next(), first)
  if (first === 'group') throw unsupported('a Protobuf schema has a group')
  let key: ProtoScalar | undefined
  // A name that begins with a dot is whole.
  let typeName = first === '.' ? `.${tokens.next()}` : first
  if (first === 'map' && tokens.peek() === '<') {
    tokens.next()
    const name = tokens.next()
    if (!isScalar(name)) throw unsupported(`a Protobuf schema has a map by ${name}`)
    key = name
    tokens.next()
    typeName = tokens.next()
    if (typeName === '.') typeName += tokens.next()
    tokens.next()
  }
  const name = tokens.next()
  if (tokens.next() !== '=') throw unsupported(`a Protobuf schema has a field ${name} without a number`)
  const number = Number(tokens.next())
  tokens.skipStatement()
  return { name, number, typeName, label, key }
}

/** Finds the types of all fields, which may be defined behind them. */
function link({ isProto3, messages }: File, parsed: Parsed): void {
  for (const path of messages) {
    const { message, fields } = parsed.messages.get(path)!
    for (const { name, number, typeName, label, key } of fields) {
      const type = typeNamed(typeName, path, parsed)
      const isImplicit = isProto3 && label === '' && type.kind !== 'message'
      const single = isImplicit ? 'implicit' : 'explicit'
      const presence = key !== undefined ? 'map' : label === 'repeated' ? 'repeated' : single
      message.fields.push({ name, number, presence, type, key })
    }
  }
}

/** From the innermost scope outwards. */
function typeNamed(name: string, path: string, { messages, enums }: Parsed): ProtoType {
  if (isScalar(name)) return { kind: 'scalar', scalar: name }
  const scopes = path.split('.')
  const candidates = name.startsWith('.')
    ? [name.slice(1)]
    : [...scopes.map((_, i) => [...scopes.slice(0, scopes.length - i), name].join('.')), name]
  for (const candidate of candidates) {
    const message = messages.get(candidate)
    if (message !== undefined) return { kind: 'message', type: message.message }
    const found = enums.get(candidate)
    if (found !== undefined) return { kind: 'enum', type: found }
  }
  throw unsupported(`a Protobuf schema names ${name}, which it does not define`)
}
