import { MillpondError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import { callerKey } from '../../replay/job-key.ts'
import type { ReplayOptions, ReplayTarget } from '../../replay/job.ts'
import type { ReplayOrder } from '../../replay/plan.ts'
import { isNoRemap } from '../../replay/remap.ts'
import { parseRequest } from '../search/request.ts'

/** A job as it was asked for, checked; `functionName` is a file in the folder of functions. */
export interface JobRequest {
  readonly order: Omit<ReplayOrder, 'isDetached' | 'requestedBy'>
  readonly functionName: string | undefined
}

type JsonObject = Readonly<Record<string, unknown>>
type Field = (value: unknown, path: string) => unknown

const MAX_TEXT_CHARACTERS = 4096

function invalid(path: string, why: string): MillpondError {
  return new MillpondError('INPUT_INVALID', `${path}: ${why}`, { details: { path } })
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

const text: Field = (value, path) => {
  if (typeof value === 'string' && value !== '' && value.length <= MAX_TEXT_CHARACTERS) return value
  throw invalid(path, `must be text of 1 to ${MAX_TEXT_CHARACTERS} characters`)
}
/** Reads a key of a job; `path` names where it was given. @throws MillpondError `INPUT_INVALID`. */
export const keyOf = (value: unknown, path: string): string => callerKey(text(value, path) as string, path)
const truth: Field = (value, path) => {
  if (typeof value === 'boolean') return value
  throw invalid(path, 'must be true or false')
}
const number: Field = (value, path) => {
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value
  throw invalid(path, 'must be a number above 0')
}
const oneOf =
  (...names: readonly string[]): Field =>
  (value, path) => {
    if (names.some((name) => name === value)) return value
    throw invalid(path, `must be one of ${names.join(', ')}`)
  }
const texts: Field = (value, path) => {
  if (Array.isArray(value)) return value.map((one: unknown, at) => text(one, `${path}[${at}]`))
  throw invalid(path, 'must be a list of texts')
}
const record: Field = (value, path) => {
  if (!isObject(value)) throw invalid(path, 'must be an object of texts')
  for (const [name, one] of Object.entries(value)) if (typeof one !== 'string') throw invalid(`${path}.${name}`, 'must be text')
  return value
}
const partitionNumber: Field = (value, path) => {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff) return value
  throw invalid(path, 'must be the number of a partition')
}
const partition: Field = (value, path) => {
  if (value === 'lane' || value === 'key') return value
  if (typeof value === 'number') return partitionNumber(value, path)
  if (isObject(value) && Object.keys(value).length === 1 && isObject(value['lanes'])) {
    for (const [lane, number] of Object.entries(value['lanes'])) partitionNumber(number, `${path}.lanes.${lane}`)
    return value
  }
  throw invalid(path, 'must be lane, key, a number, or {"lanes":{"0":3}}')
}

/** Every field of a request to make a job, beside `select` and `to`. */
const FIELDS: Readonly<Record<string, Field>> = {
  topics: record,
  partition,
  order: oneOf('lane', 'key', 'none'),
  split: number,
  rate: number,
  dryRun: truth,
  allowLoop: truth,
  marks: truth,
  keys: oneOf('keep', 'drop'),
  headers: oneOf('keep', 'drop'),
  timestamps: oneOf('original', 'now'),
  setHeaders: record,
  renameHeaders: record,
  dropHeaders: texts,
  function: text,
  note: text,
  key: keyOf,
}
const NAMES = ['select', 'to', ...Object.keys(FIELDS)]

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
    const check = FIELDS[name]
    if (check !== undefined) given[name] = check(value, name)
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
