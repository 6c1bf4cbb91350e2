/** A schema of JSON Schema 2020-12, which OpenAPI 3.1 uses, as data. */
export type Schema = Readonly<Record<string, unknown>>

/** The properties of a type that may be left out. */
type OptionalOf<T> = { [Name in keyof T]-?: Partial<Pick<T, Name>> extends Pick<T, Name> ? Name : never }[keyof T]
type RequiredOf<T> = Exclude<keyof T, OptionalOf<T>>

/** The same schema with a text that says what the value is. */
export const told = (schema: Schema, description: string): Schema => ({ ...schema, description })

/** A schema of the components, by its name. */
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })

export const TEXT: Schema = { type: 'string' }
export const WHOLE: Schema = { type: 'integer' }
export const COUNT: Schema = { type: 'integer', minimum: 0 }
export const TRUTH: Schema = { type: 'boolean' }
/** Milliseconds since 1970. */
export const MOMENT: Schema = { type: 'integer', description: 'milliseconds since 1970' }

/** Base64 with padding, of which one text stands for the same bytes. */
export const BASE64: Schema = {
  type: 'string',
  contentEncoding: 'base64',
  pattern: '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$',
}

export const listOf = (items: Schema): Schema => ({ type: 'array', items })
export const mapOf = (values: Schema): Schema => ({ type: 'object', additionalProperties: values })
export const oneOf = (...words: readonly string[]): Schema => ({ type: 'string', enum: words })
export const orNull = (schema: Schema): Schema =>
  typeof schema['type'] === 'string' && schema['enum'] === undefined
    ? { ...schema, type: [schema['type'], 'null'] }
    : { anyOf: [schema, { type: 'null' }] }

/**
 * The schema of what an answer holds, by its type in the program: the compiler refuses one that lacks a property of the type, has another, or takes
 * for certain what may be left out.
 */
export function answerOf<T extends object>(
  required: Readonly<Record<RequiredOf<T>, Schema>>,
  optional: Readonly<Record<OptionalOf<T>, Schema>>,
): Schema {
  return { type: 'object', required: Object.keys(required), properties: { ...required, ...optional } }
}

/** The schema of what a request holds: properties without a name in it are refused. */
export function requestOf(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { type: 'object', ...(required.length === 0 ? {} : { required }), properties, additionalProperties: false }
}
