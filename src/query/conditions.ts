import type { MessageQuery } from '../search/query.ts'

/** What all messages have in common that a scan is to give: a part of a `MessageQuery`. It may let through more than is wanted, never less. */
export interface Conditions extends Pick<MessageQuery, 'lanes' | 'positions' | 'timestamps' | 'key' | 'id'> {
  /** Of what the layout put in paths the texts that may be, by columns of the scan. */
  readonly paths?: Readonly<Record<string, readonly string[]>>
}

interface Range {
  readonly from?: number
  readonly to?: number
}

/** A node of an expression as `json_serialize_sql` writes it. */
type Node = Readonly<Record<string, unknown>>

type Operator = '=' | '<' | '<=' | '>' | '>='

const operators: Readonly<Partial<Record<string, Operator>>> = {
  COMPARE_EQUAL: '=',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
}
const turned: Readonly<Record<Operator, Operator>> = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' }

/** What is known of a topic when conditions are made. */
export interface KnownTopic {
  readonly lanes: readonly string[]
  /** All texts that the layout put in paths, by columns of the scan. */
  readonly paths?: Readonly<Record<string, readonly string[]>>
  /** What names within casts stand for: columns of the scan. Plans show there what a column was called last. */
  readonly casts?: Readonly<Record<string, string>>
}

/**
 * What an expression over the columns of a scan demands of topic, lane, position, timestamp, key and id, as far as an index can use it; nothing
 * where it says something else.
 */
export function conditionsOf(expression: unknown, topic: KnownTopic): Conditions {
  const node = asNode(expression)
  const parts = asList(node['children'])
  switch (node['type']) {
    case 'CONJUNCTION_AND':
      return parts.map((part) => conditionsOf(part, topic)).reduce(both, {})
    case 'CONJUNCTION_OR':
      return eitherOf(parts.map((part) => conditionsOf(part, topic)))
    case 'COMPARE_BETWEEN':
      return both(compared(node['input'], '>=', node['lower'], topic), compared(node['input'], '<=', node['upper'], topic))
    case 'COMPARE_IN':
      return eitherOf(parts.slice(1).map((value) => compared(parts[0], '=', value, topic)))
    default:
      return comparison(node, topic)
  }
}

function comparison(node: Node, topic: KnownTopic): Conditions {
  const operator = operators[String(node['type'])]
  if (operator === undefined) return {}
  const found = compared(node['left'], operator, node['right'], topic)
  return Object.keys(found).length > 0 ? found : compared(node['right'], turned[operator], node['left'], topic)
}

/** What `column operator value` demands. */
function compared(left: unknown, operator: Operator, right: unknown, topic: KnownTopic): Conditions {
  const path = pathOf(left, topic)
  if (path !== undefined) return pathConditions(path, operator, right)
  const column = columnOf(left, topic)
  if (column === 'position') return ranged('positions', operator, wholeOf(right))
  if (column === 'timestamp') return ranged('timestamps', operator, timeOf(right))
  if (operator !== '=') return {}
  if (column === 'lane') return laneConditions(right, topic)
  if (column === 'laneNumber') return laneNumberConditions(right, topic)
  if (column === 'key_bytes') return keyConditions(blobOf(right))
  const text = textOf(right)
  // Text that is no UTF-8 is shown with escapes, which other text can have too.
  if (text === undefined || text.includes(String.raw`\x`)) return {}
  if (column === 'key') return keyConditions(new TextEncoder().encode(text))
  return column === 'id' ? { id: text } : {}
}

const keyConditions = (key: Uint8Array | undefined): Conditions => (key === undefined ? {} : { key })

function laneConditions(value: unknown, { lanes }: KnownTopic): Conditions {
  const text = textOf(value)
  return text === undefined ? {} : { lanes: lanes.filter((lane) => lane === text) }
}

/** A lane that is compared with a number is read as one. What is no plain number is left in: SQL has its own answer to it. */
function laneNumberConditions(value: unknown, { lanes }: KnownTopic): Conditions {
  const number = wholeOf(value)
  return number === undefined ? {} : { lanes: lanes.filter((lane) => !/^\d+$/u.test(lane) || Number(lane) === number) }
}

/** A column of what the layout put in paths, as text or as the number that it is compared as. */
interface PathColumn {
  readonly column: string
  readonly texts: readonly string[]
  readonly isNumber: boolean
}

function pathOf(value: unknown, topic: KnownTopic): PathColumn | undefined {
  const { paths = {} } = topic
  const node = asNode(value)
  if (node['class'] === 'COLUMN_REF') {
    const column = lastName(node)
    return Object.hasOwn(paths, column) ? { column, texts: paths[column]!, isNumber: false } : undefined
  }
  if (node['class'] !== 'CAST' || node['try_cast'] === true || !wholeTypes.has(castType(node))) return undefined
  const column = castColumn(node, topic)
  return column === undefined || paths[column] === undefined ? undefined : { column, texts: paths[column], isNumber: true }
}

const wholeTypes: ReadonlySet<string> = new Set(['INTEGER', 'BIGINT'])

/** Texts are few and all known: those that the condition holds of may be. What is no plain number is left in, for SQL has its own answer to it. */
function pathConditions({ column, texts, isNumber }: PathColumn, operator: Operator, right: unknown): Conditions {
  const wanted = isNumber ? wholeOf(right) : textOf(right)
  if (wanted === undefined) return {}
  const holds = (text: string): boolean =>
    typeof wanted === 'number'
      ? !/^\d{1,15}$/u.test(text) || isOrdered(Number(text) - wanted, operator)
      : isOrdered(Buffer.compare(Buffer.from(text), Buffer.from(wanted)), operator)
  return { paths: { [column]: texts.filter(holds) } }
}

const isOrdered = (difference: number, operator: Operator): boolean =>
  (difference === 0 && operator.endsWith('=')) ||
  (difference < 0 && operator.startsWith('<')) ||
  (difference > 0 && operator.startsWith('>'))

function ranged(part: 'positions' | 'timestamps', operator: Operator, value: number | undefined): Conditions {
  if (value === undefined) return {}
  const above = part === 'positions' ? value + 1 : value
  const ranges: Readonly<Record<Operator, Range>> = {
    '=': { from: value, to: value + 1 },
    '<': { to: part === 'positions' ? value : value + 1 },
    '<=': { to: value + 1 },
    '>': { from: above },
    '>=': { from: value },
  }
  return { [part]: ranges[operator] }
}

type Column = 'lane' | 'laneNumber' | 'position' | 'timestamp' | 'key' | 'key_bytes' | 'id'

const lastName = (node: Node): string => String(asList(node['column_names']).at(-1))

/** The column of the scan that is cast. */
function castColumn(node: Node, { casts = {} }: KnownTopic): string | undefined {
  const child = asNode(node['child'])
  const name = child['class'] === 'COLUMN_REF' ? lastName(child) : undefined
  return name !== undefined && Object.hasOwn(casts, name) ? casts[name] : undefined
}

function columnOf(value: unknown, topic: KnownTopic): Column | undefined {
  const node = asNode(value)
  if (node['class'] === 'COLUMN_REF') {
    const name = lastName(node)
    // Of a block whose smallest or largest timestamp is in a range, the timestamps touch it.
    if (name === 'min_timestamp' || name === 'max_timestamp') return 'timestamp'
    const known: readonly unknown[] = ['lane', 'position', 'timestamp', 'key', 'key_bytes', 'id']
    return known.includes(name) ? (name as Column) : undefined
  }
  if (node['class'] !== 'CAST' || node['try_cast'] === true) return undefined
  const inner = castColumn(node, topic)
  const type = castType(node)
  // Sessions are in UTC, so that a timestamp with a zone is the same moment.
  if (inner === 'timestamp' && type === 'TIMESTAMP WITH TIME ZONE') return 'timestamp'
  return inner === 'lane' && (type === 'INTEGER' || type === 'BIGINT') ? 'laneNumber' : undefined
}

function wholeOf(value: unknown): number | undefined {
  const constant = constantOf(value)
  return typeof constant === 'number' && Number.isSafeInteger(constant) && constant < Number.MAX_SAFE_INTEGER
    ? constant
    : undefined
}

function textOf(value: unknown): string | undefined {
  const constant = constantOf(value)
  return typeof constant === 'string' ? constant : undefined
}

function constantOf(value: unknown): unknown {
  const node = asNode(value)
  const held = asNode(node['value'])
  return node['type'] === 'VALUE_CONSTANT' && held['is_null'] === false ? held['value'] : undefined
}

/** The text of a constant that is cast to one of these types. */
function castText(value: unknown, types: readonly string[]): string | undefined {
  const node = asNode(value)
  return node['class'] === 'CAST' && types.includes(castType(node)) ? textOf(node['child']) : undefined
}

const TIME = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:\+00)?$/u

/** Whole milliseconds since 1970, rounded down. */
function timeOf(value: unknown): number | undefined {
  const text = castText(value, ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE'])
  const match = text === undefined ? null : TIME.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const time = new Date(0)
  time.setUTCFullYear(year, month - 1, day)
  time.setUTCHours(hour, minute, second, Math.floor(Number(`0.${match[7] ?? '0'}`) * 1000))
  return time.getTime()
}

/** The bytes of text in which SQL writes them: ASCII, and `\xFF` for any other byte. */
function blobOf(value: unknown): Uint8Array | undefined {
  const text = castText(value, ['BLOB'])
  if (text === undefined || !/^(?:[\u0020-\u005B\u005D-\u007E]|\\x[0-9A-Fa-f]{2})*$/u.test(text)) return undefined
  const parts = text.match(/\\x[0-9A-Fa-f]{2}|./gu) ?? []
  return Uint8Array.from(parts, (part) => (part.length === 1 ? part.charCodeAt(0) : Number.parseInt(part.slice(2), 16)))
}

const castType = (node: Node): string => String(asNode(node['cast_type'])['id'])

/** What holds where both do. */
export function both(a: Conditions, b: Conditions): Conditions {
  return {
    ...a,
    ...b,
    ...(a.lanes && b.lanes ? { lanes: a.lanes.filter((lane) => b.lanes!.includes(lane)) } : {}),
    ...(a.positions && b.positions ? { positions: narrowed(a.positions, b.positions) } : {}),
    ...(a.timestamps && b.timestamps ? { timestamps: narrowed(a.timestamps, b.timestamps) } : {}),
    ...(a.paths && b.paths ? { paths: bothPaths(a.paths, b.paths) } : {}),
  }
}

type Paths = NonNullable<Conditions['paths']>

const bothPaths = (a: Paths, b: Paths): Paths => ({
  ...a,
  ...Object.fromEntries(
    Object.entries(b).map(([column, texts]) => [column, a[column]?.filter((text) => texts.includes(text)) ?? texts]),
  ),
})

/** What either allows of the columns that both speak of. */
const eitherPaths = (a: Paths, b: Paths): Paths =>
  Object.fromEntries(
    Object.entries(a).flatMap(([column, texts]) =>
      b[column] === undefined ? [] : [[column, [...new Set([...texts, ...b[column]])]]],
    ),
  )

/** What holds where one of them does, or more. */
export function eitherOf(all: readonly Conditions[]): Conditions {
  const [first, ...rest] = all
  return first === undefined ? {} : rest.reduce(either, first)
}

function either(a: Conditions, b: Conditions): Conditions {
  const positions = a.positions && b.positions && widened(a.positions, b.positions)
  const timestamps = a.timestamps && b.timestamps && widened(a.timestamps, b.timestamps)
  return {
    ...(a.lanes && b.lanes ? { lanes: [...new Set([...a.lanes, ...b.lanes])] } : {}),
    ...(positions ? { positions } : {}),
    ...(timestamps ? { timestamps } : {}),
    ...(a.paths && b.paths ? { paths: eitherPaths(a.paths, b.paths) } : {}),
    ...(a.key && b.key && Buffer.compare(a.key, b.key) === 0 ? { key: a.key } : {}),
    ...(a.id !== undefined && a.id === b.id ? { id: a.id } : {}),
  }
}

const narrowed = (a: Range, b: Range): Range => rangeOf(greatest(a.from, b.from), least(a.to, b.to))

function widened(a: Range, b: Range): Range | undefined {
  const from = a.from === undefined || b.from === undefined ? undefined : Math.min(a.from, b.from)
  const to = a.to === undefined || b.to === undefined ? undefined : Math.max(a.to, b.to)
  return from === undefined && to === undefined ? undefined : rangeOf(from, to)
}

const greatest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)
const least = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
const rangeOf = (from: number | undefined, to: number | undefined): Range => ({
  ...(from === undefined ? {} : { from }),
  ...(to === undefined ? {} : { to }),
})

const asNode = (value: unknown): Node => (typeof value === 'object' && value !== null ? (value as Node) : {})
const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : [])
