import type Protobuf from 'protobufjs'
import { MillpondError } from '../../errors.ts'
import type { NamedText } from '../values.ts'
import { addFile, loadProtobuf } from './file.ts'
import { builtIn } from './built-in.ts'
import type { ProtobufField, ProtobufMessage, ProtobufScalar, ProtobufType } from './message.ts'

/** A schema of Protobuf: a file with its imports. */
export interface ProtobufSchema {
  /** The message of these indexes: the place among the file's messages, then among that one's own. Undefined where there is none. */
  message(path: readonly number[]): ProtobufMessage | undefined
}

/**
 * Reads a `.proto` file; `imports` are the files that it and they import, by the names by which they do.
 * @throws MillpondError `SCHEMA_INVALID`.
 */
export async function parseProtobufSchema(text: string, imports: readonly NamedText[]): Promise<ProtobufSchema> {
  const loaded = await loadProtobuf()
  const { library } = loaded
  try {
    const root = new library.Root()
    const given = new Set(imports.map(({ name }) => name))
    const wanted = new Set<string>()
    for (const one of [...imports.map((file) => file.text), text]) {
      for (const name of addFile(loaded, root, one).imports) if (!given.has(name)) wanted.add(name)
    }
    for (const name of wanted) {
      const known = library.common.get(name)?.nested ?? builtIn[name]
      if (known !== undefined) root.addJSON(known as Record<string, Protobuf.AnyNestedObject>)
    }
    root.resolveAll()
    // The order of messages is that of this file alone; others may add to its package.
    const alone = new library.Root()
    const { package: name } = addFile(loaded, alone, text)
    const own = name === undefined ? alone : alone.lookup(name)
    const read = createReader(library)
    return {
      message(path) {
        const name = nameAt(library, own, path)
        return name === undefined ? undefined : read(root.lookupType(name))
      },
    }
  } catch (cause) {
    if (cause instanceof MillpondError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MillpondError('SCHEMA_INVALID', `a Protobuf schema cannot be read: ${reason}`, { cause })
  }
}

function nameAt(library: typeof Protobuf, from: Protobuf.ReflectionObject | null, path: readonly number[]): string | undefined {
  let at = from
  for (const index of path) {
    const nested = at instanceof library.Namespace ? at.nestedArray : []
    const type = nested.filter((one) => one instanceof library.Type && !isGroup(one))[index]
    if (type === undefined) return undefined
    at = type
  }
  return at?.fullName
}

/** Types of groups are no messages that values may be of; the library says so without typing it. */
const isGroup = (type: Protobuf.Type): boolean => (type as { readonly group?: unknown }).group === true

/** Makes our messages of the library's types, each once. */
function createReader(library: typeof Protobuf): (type: Protobuf.Type) => ProtobufMessage {
  const known = new Map<Protobuf.Type, ProtobufMessage>()
  const read = (type: Protobuf.Type): ProtobufMessage => {
    const there = known.get(type)
    if (there !== undefined) return there
    const message: ProtobufMessage = { name: type.fullName.replace(/^\./u, ''), fields: new Map() }
    known.set(type, message)
    for (const field of type.fieldsArray) message.fields.set(field.id, readField(field))
    return message
  }
  const typeOf = (field: Protobuf.Field): ProtobufType => {
    const { resolvedType } = field.resolve()
    if (resolvedType instanceof library.Type) return { kind: 'message', message: read(resolvedType) }
    if (resolvedType instanceof library.Enum) {
      const values = new Map<number, string>()
      for (const [name, number] of Object.entries(resolvedType.values)) if (!values.has(number)) values.set(number, name)
      return { kind: 'enum', name: resolvedType.fullName.replace(/^\./u, ''), values }
    }
    return { kind: 'scalar', scalar: field.type as ProtobufScalar }
  }
  const readField = (field: Protobuf.Field): ProtobufField => {
    const type = typeOf(field)
    const rule = field instanceof library.MapField ? 'map' : field.repeated ? 'repeated' : 'single'
    const others = (field.partOf?.fieldsArray ?? []).filter((other) => other !== field).map(({ id }) => id)
    return {
      id: field.id,
      // The library's own files have theirs in camel case.
      name: field.declaringField ? field.name : field.protoName,
      jsonName: jsonNameOf(field),
      type,
      rule,
      key: field instanceof library.MapField ? (field.keyType as ProtobufScalar) : undefined,
      standard: rule === 'single' ? standardOf(field, type) : undefined,
      others,
      isImplicit: rule === 'single' && type.kind !== 'message' && !field.hasPresence,
      isGroup: field.delimited,
    }
  }
  return read
}

function jsonNameOf(field: Protobuf.Field): string {
  const given: unknown = field.options?.['json_name']
  return typeof given === 'string'
    ? given
    : field.name.replaceAll(/_+([a-zA-Z0-9])/gu, (_, letter: string) => letter.toUpperCase())
}

/** What a field is that is not there: of proto3 its zero, of proto2 the default that it names. */
function standardOf(field: Protobuf.Field, type: ProtobufType): string | number | boolean | undefined {
  if (type.kind === 'message') return undefined
  const written: unknown = field.options?.['default']
  if (written === undefined && field.hasPresence) return undefined
  const given = typeof written === 'number' || typeof written === 'boolean' ? String(written) : written
  if (type.kind === 'enum') {
    return typeof given === 'string' ? given : (type.values.get(0) ?? 0)
  }
  if (type.scalar === 'bytes') return undefined
  if (type.scalar === 'string') return typeof given === 'string' ? given : ''
  if (type.scalar === 'bool') return given === 'true'
  return given === undefined ? 0 : Number(given)
}
