import { MillpondError } from '../../errors.ts'
import { ANYTHING, type Shape } from '../shape.ts'

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The shape of values that a JSON Schema describes, of any draft. What it does not tell apart is anything: choices, recursion, and references to
 * elsewhere. @throws MillpondError `SCHEMA_INVALID` where it is no JSON.
 */
export function jsonSchemaShape(text: string): Shape {
  let root: unknown
  try {
    root = JSON.parse(text)
  } catch (error) {
    throw new MillpondError('SCHEMA_INVALID', 'a JSON Schema is no JSON', { cause: error })
  }
  return shapeOf(root, root, [])
}

function shapeOf(schema: unknown, root: unknown, stack: readonly unknown[]): Shape {
  if (!isObject(schema) || stack.includes(schema)) return ANYTHING
  const inner = [...stack, schema]
  if (typeof schema['$ref'] === 'string') return shapeOf(referenced(schema['$ref'], root), root, inner)
  for (const choice of ['oneOf', 'anyOf']) {
    const branches = schema[choice]
    if (!Array.isArray(branches)) continue
    const values = branches.filter((branch) => !isObject(branch) || branch['type'] !== 'null')
    return values.length === 1 ? shapeOf(values[0], root, inner) : ANYTHING
  }
  if (Array.isArray(schema['allOf'])) return schema['allOf'].length === 1 ? shapeOf(schema['allOf'][0], root, inner) : ANYTHING
  switch (typeName(schema)) {
    case 'boolean':
      return { kind: 'boolean' }
    case 'integer':
      return { kind: 'int' }
    case 'number':
      return { kind: 'double' }
    case 'string':
      return { kind: 'string' }
    case 'array':
      return isObject(schema['items']) ? { kind: 'list', items: shapeOf(schema['items'], root, inner) } : ANYTHING
    case 'object':
      return objectShape(schema, root, inner)
    default:
      return ANYTHING
  }
}

/** The one type that the schema allows beside null; undefined where there are several. */
function typeName({ type, properties, enum: values }: Json): unknown {
  const types = Array.isArray(type) ? type.filter((name) => name !== 'null') : [type]
  if (types.length === 2 && types.includes('integer') && types.includes('number')) return 'number'
  if (types.length !== 1) return undefined
  if (types[0] !== undefined) return types[0]
  if (isObject(properties)) return 'object'
  return Array.isArray(values) && values.every((value) => typeof value === 'string' || value === null) ? 'string' : undefined
}

function objectShape(
  { properties, additionalProperties, patternProperties }: Json,
  root: unknown,
  stack: readonly unknown[],
): Shape {
  if (isObject(properties) && Object.keys(properties).length > 0) {
    const fields = new Map(Object.entries(properties).map(([name, schema]) => [name, shapeOf(schema, root, stack)]))
    return { kind: 'record', fields, isOpen: additionalProperties !== false || isObject(patternProperties) }
  }
  if (!isObject(additionalProperties) || isObject(patternProperties)) return ANYTHING
  return { kind: 'map', items: shapeOf(additionalProperties, root, stack) }
}

/** What a reference within the same text names. Source: RFC 6901. */
function referenced(reference: string, root: unknown): unknown {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return undefined
  let found = root
  for (const part of reference.slice(2).split('/')) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    found = isObject(found) ? found[name] : undefined
  }
  return found
}
