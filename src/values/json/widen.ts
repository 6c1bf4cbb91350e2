import { ANYTHING, type Shape, UNKNOWN } from '../shape.ts'

/** Objects with more names than this are taken for maps of anything. */
const MAX_FIELDS = 256
/** Deeper values are kept as text. */
const MAX_DEPTH = 16

const MIN_LONG = -(2n ** 63n)
const MAX_LONG = 2n ** 63n - 1n

/** Whether it is a whole number of 64 bits that is exact. */
export const isLong = (value: unknown): boolean =>
  typeof value === 'bigint' ? value >= MIN_LONG && value <= MAX_LONG : Number.isSafeInteger(value)

/**
 * The shape of all that `shape` is one of, and `value`: whole numbers become numbers, numbers text; what mixes otherwise becomes anything. Gives
 * `shape` itself where the value is one of it. Null is of every shape.
 */
export function widen(shape: Shape, value: unknown, depth = 0): Shape {
  if (value === null || value === undefined || shape.kind === 'json') return shape
  if (depth > MAX_DEPTH) return ANYTHING
  if (typeof value !== 'object') return widenScalar(shape, scalarKind(value))
  return Array.isArray(value) ? widenList(shape, value, depth) : widenRecord(shape, value as Record<string, unknown>, depth)
}

function scalarKind(value: unknown): 'boolean' | 'string' | 'int' | 'double' {
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'string') return 'string'
  if (isLong(value)) return 'int'
  // It has more digits than a number keeps.
  return typeof value === 'bigint' ? 'string' : 'double'
}

const widths: readonly string[] = ['int', 'double', 'string']

function widenScalar(shape: Shape, kind: ReturnType<typeof scalarKind>): Shape {
  if (shape.kind === kind) return shape
  if (shape.kind === 'unknown') return { kind }
  const [before, now] = [widths.indexOf(shape.kind), widths.indexOf(kind)]
  if (before < 0 || now < 0) return ANYTHING
  return now > before ? { kind } : shape
}

function widenList(shape: Shape, values: readonly unknown[], depth: number): Shape {
  if (shape.kind !== 'unknown' && shape.kind !== 'list') return ANYTHING
  const before = shape.kind === 'list' ? shape.items : UNKNOWN
  let items = before
  for (const value of values) items = widen(items, value, depth + 1)
  // Lists of which no item was seen have nothing to be written as.
  if (items.kind === 'unknown') return shape
  return items === before ? shape : { kind: 'list', items }
}

function widenRecord(shape: Shape, value: Record<string, unknown>, depth: number): Shape {
  if (shape.kind !== 'unknown' && shape.kind !== 'record') return ANYTHING
  const known = shape.kind === 'record' ? shape.fields : new Map<string, Shape>()
  let changed: Map<string, Shape> | undefined
  for (const name of Object.keys(value)) {
    const before = known.get(name) ?? UNKNOWN
    const after = widen(before, value[name], depth + 1)
    if (after === before) continue
    // Whoever has the old shape keeps it.
    changed ??= new Map(known)
    changed.set(name, after)
  }
  if ((changed ?? known).size > MAX_FIELDS) return ANYTHING
  return changed === undefined ? shape : { kind: 'record', fields: changed, isOpen: false }
}
