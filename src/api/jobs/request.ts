import { MillpondError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import type { ReplayOptions, ReplayTarget } from '../../replay/job.ts'
import type { ReplayOrder } from '../../replay/plan.ts'
import { isNoRemap } from '../../replay/remap.ts'
import { MAX_SPLIT } from '../../replay/split.ts'
import { listOf, mapOf, oneOf, requestOf, type Schema, TEXT, told, TRUTH } from '../openapi/schema.ts'
import { parseRequest } from '../search/request.ts'

/** A job as it was asked for, checked; `functionName` is a file in the folder of functions. */
export interface JobRequest {
  readonly order: Omit<ReplayOrder, 'isDetached' | 'requestedBy'>
  readonly functionName: string | undefined
}

type JsonObject = Readonly<Record<string, unknown>>
/** A field of a request: how it is read, and what the description of the interface says of it. */
interface Field {
  readonly schema: Schema
  /** @throws MillpondError `INPUT_INVALID`. */
  read(value: unknown, path: string): unknown
}

const MAX_TEXT_CHARACTERS = 4096
const MAX_PARTITION = 0x7fff_ffff

function invalid(path: string, why: string): MillpondError {
  return new MillpondError('INPUT_INVALID', `${path}: ${why}`, { details: { path } })
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

const text: Field = {
  schema: { type: 'string', minLength: 1, maxLength: MAX_TEXT_CHARACTERS },
  read(value, path) {
    if (typeof value === 'string' && value !== '' && value.length <= MAX_TEXT_CHARACTERS) return value
    throw invalid(path, `must be text of 1 to ${MAX_TEXT_CHARACTERS} characters`)
  },
}
const truth: Field = {
  schema: TRUTH,
  read(value, path) {
    if (typeof value === 'boolean') return value
    throw invalid(path, 'must be true or false')
  },
}
const number: Field = {
  schema: { type: 'number', exclusiveMinimum: 0 },
  read(value, path) {
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value
    throw invalid(path, 'must be a number above 0')
  },
}
const splitNumber: Field = {
  schema: { type: 'integer', minimum: 1, maximum: MAX_SPLIT },
  read(value, path) {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_SPLIT) return value
    throw invalid(path, `must be a whole number from 1 to ${MAX_SPLIT}`)
  },
}
const wordOf = (...names: readonly string[]): Field => ({
  schema: oneOf(...names),
  read(value, path) {
    if (names.some((name) => name === value)) return value
    throw invalid(path, `must be one of ${names.join(', ')}`)
  },
})
const texts: Field = {
  schema: listOf(text.schema),
  read(value, path) {
    if (Array.isArray(value)) return value.map((one: unknown, at) => text.read(one, `${path}[${at}]`))
    throw invalid(path, 'must be a list of texts')
  },
}
const record: Field = {
  schema: mapOf(TEXT),
  read(value, path) {
    if (!isObject(value)) throw invalid(path, 'must be an object of texts')
    for (const [name, one] of Object.entries(value)) if (typeof one !== 'string') throw invalid(`${path}.${name}`, 'must be text')
    return value
  },
}
const partitionNumber: Field = {
  schema: { type: 'integer', minimum: 0, maximum: MAX_PARTITION },
  read(value, path) {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_PARTITION) return value
    throw invalid(path, 'must be the number of a partition')
  },
}
const partition: Field = {
  schema: {
    oneOf: [oneOf('lane', 'key'), partitionNumber.schema, requestOf({ lanes: mapOf(partitionNumber.schema) }, ['lanes'])],
  },
  read(value, path) {
    if (value === 'lane' || value === 'key') return value
    if (typeof value === 'number') return partitionNumber.read(value, path)
    if (isObject(value) && Object.keys(value).length === 1 && isObject(value['lanes'])) {
      for (const [lane, one] of Object.entries(value['lanes'])) partitionNumber.read(one, `${path}.lanes.${lane}`)
      return value
    }
    throw invalid(path, 'must be lane, key, a number, or {"lanes":{"0":3}}')
  },
}

const field = (known: Field, description: string): Field => ({ ...known, schema: told(known.schema, description) })

/** Every field of a request to make a job, beside `select` and `to`. */
const FIELDS: Readonly<Record<string, Field>> = {
  topics: field(record, 'topics to write to, by topic of origin'),
  partition: field(
    partition,
    'where messages go: the number of their lane, by the hash of their key, one number, or a number for each lane',
  ),
  order: field(wordOf('lane', 'key', 'none'), 'what keeps its order; `lane` unless given'),
  split: field(splitNumber, 'parts of a lane at the most, where the order is that of keys or none'),
  rate: field(number, 'messages a second, over all lanes'),
  dryRun: field(truth, 'reads and counts, sends nothing'),
  allowLoop: field(truth, 'whether messages may go into a topic that the archive stores'),
  marks: field(truth, 'whether each message gets headers that name the job and where it was read from'),
  keys: field(wordOf('keep', 'drop'), '`keep` unless given'),
  headers: field(wordOf('keep', 'drop'), '`keep` unless given'),
  timestamps: field(wordOf('original', 'now'), '`original` unless given'),
  setHeaders: field(record, 'headers that each message gets, in place of those of their names'),
  renameHeaders: field(record, 'new names of headers, by their old ones'),
  dropHeaders: field(texts, 'names of headers that are left out'),
  function: field(text, 'a file in `jobs.functions` that each message goes through'),
  note: field(text, 'why, for people'),
  key: field(text, 'as the header `idempotency-key`: a second job with the same key is the first one'),
}
const NAMES = ['select', 'to', ...Object.keys(FIELDS)]

/** How `to` begins, or what it is. */
const TARGET = told(
  { type: 'string', pattern: '^(?:count$|(?:topic|local|kafka):|https?://)' },
  '`topic:NAME` of the broker that is archived (`topic:` alone keeps names), `local:NAME`, `kafka:NAME`, an http or https address, or `count`',
)

/** What a request to make a job has beside what it selects. */
export const jobSchemas: Readonly<Record<string, Schema>> = {
  to: TARGET,
  ...Object.fromEntries(Object.entries(FIELDS).map(([name, { schema }]) => [name, schema])),
}

/** What of the fields is an option under the same name. */
const OPTIONS = ['order', 'split', 'dryRun', 'allowLoop', 'marks', 'keys', 'headers', 'timestamps'] as const

/**
 * Reads a request to make a job: `{"select":{…as a search…},"to":"topic:orders-again",…}`. `sourceKind` is what `topic:` stands for.
 * @throws MillpondError `INPUT_INVALID` with the path of what is wrong.
 */
export function parseJobRequest(json: unknown, reading: { readonly nowMs: number; readonly sourceKind: string }): JobRequest {
  if (!isObject(json))
    throw new MillpondError('INPUT_INVALID', 'a job is a JSON object like {"select":{"topic":"orders"},"to":"topic:again"}')
  const given: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(json)) {
    if (!NAMES.includes(name)) {
      const near = nearest(name, NAMES)
      throw invalid(name.slice(0, 100), `is unknown${near === undefined ? '' : `; did you mean ${near}?`}`)
    }
    const known = FIELDS[name]
    if (known !== undefined) given[name] = known.read(value, name)
  }
  if (json['select'] === undefined) throw invalid('select', 'says which messages, as a search does; {} is all of them')
  const { query } = parseRequest(json['select'], reading)
  return {
    order: {
      query,
      target: targetOf(json['to'], given, reading.sourceKind),
      options: optionsOf(given),
      ...(given['note'] === undefined ? {} : { note: given['note'] as string }),
      ...(given['key'] === undefined ? {} : { key: given['key'] as string }),
    },
    functionName: given['function'] as string | undefined,
  }
}

function targetOf(to: unknown, given: JsonObject, sourceKind: string): ReplayTarget {
  const shared = {
    ...(given['topics'] === undefined ? {} : { topics: given['topics'] as Record<string, string> }),
    ...(given['partition'] === undefined ? {} : { partition: given['partition'] as NonNullable<ReplayTarget['partition']> }),
  }
  if (to === 'count') return { kind: 'count' }
  if (typeof to === 'string' && /^https?:\/\//u.test(to)) return { kind: 'http', url: to, format: 'json' }
  const [, kind, topic] = (typeof to === 'string' && /^(topic|local|kafka):(.*)$/su.exec(to)) || []
  if (kind !== undefined)
    return { kind: kind === 'topic' ? sourceKind : kind, ...(topic === '' ? {} : { topic: topic! }), ...shared }
  throw invalid(
    'to',
    'must be topic:NAME, local:NAME, kafka:NAME, count, or an http or https URL; topic: alone keeps the names of topics',
  )
}

function optionsOf(given: JsonObject): Partial<ReplayOptions> {
  const options = Object.fromEntries(OPTIONS.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]))
  const headerRemap = {
    ...(given['dropHeaders'] === undefined ? {} : { drop: given['dropHeaders'] as string[] }),
    ...(given['renameHeaders'] === undefined ? {} : { rename: given['renameHeaders'] as Record<string, string> }),
    ...(given['setHeaders'] === undefined ? {} : { set: given['setHeaders'] as Record<string, string> }),
  }
  return {
    ...(options as Partial<ReplayOptions>),
    ...(given['rate'] === undefined ? {} : { rateMessagesPerSecond: given['rate'] as number }),
    ...(isNoRemap(headerRemap) ? {} : { headerRemap }),
  }
}
