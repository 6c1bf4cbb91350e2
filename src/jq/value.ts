/** What a jq program works on: what JSON can say, as plain JavaScript. Never changed in place. */
export type JqValue = null | boolean | number | string | readonly JqValue[] | JqObject

/** An object as JSON.parse gives it: keys of any name, `__proto__` too, are plain own properties. */
export interface JqObject {
  readonly [key: string]: JqValue
}

export type Kind = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object'

/** The type's name, as `type` gives it. */
export function kindOf(value: JqValue): Kind {
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value as Kind
  return Array.isArray(value) ? 'array' : 'object'
}

export const isArray = (value: JqValue): value is readonly JqValue[] => Array.isArray(value)

export const isObject = (value: JqValue): value is JqObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether `if`, `select` and the like take it as true: all but false and null. */
export const isTruthy = (value: JqValue): boolean => value !== null && value !== false

/** Whether every object has a property of this name from its prototype, so that reading it needs a look at who owns it. */
export const isInherited = (key: string): boolean => key in Object.prototype

/** The value of a key; undefined where the object does not have it itself. */
export function ownField(object: JqObject, key: string): JqValue | undefined {
  return isInherited(key) && !Object.hasOwn(object, key) ? undefined : object[key]
}

export const hasField = (object: JqObject, key: string): boolean => Object.hasOwn(object, key)

/** Sets a key of an object that nobody else holds yet. */
export function setField(object: Record<string, JqValue>, key: string, value: JqValue): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
  } else {
    object[key] = value
  }
}

/** A copy that may be changed, its first level only. */
export const copyObject = (object: JqObject): Record<string, JqValue> => ({ ...object })
