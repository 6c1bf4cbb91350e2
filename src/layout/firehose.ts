import { createHash } from 'node:crypto'
import type { Escaping } from './escape.ts'
import type { ObjectStart } from './layout.ts'
import type { FirehoseLayoutConfig } from './layout-config.ts'
import { extensionPart, type LaneName, type Part, text, usualExtension } from './parts.ts'
import { checked, type LayoutPlan, layoutInvalid, zoneOf } from './plan.ts'
import { fieldTerm } from './term-value.ts'
import { createTimeFormat, type TimeFormat } from './time-pattern.ts'
import type { Zone } from './zone.ts'

const EXPRESSION = /!\{([^}]*)\}/gu
/** What Firehose adds to a prefix that says no time. */
const DEFAULT_TIME = '!{timestamp:yyyy/MM/dd/HH/}'
const SUFFIX_PATTERN = 'yyyy-MM-dd-HH-mm-ss'
const RANDOM_LETTERS = 11
/** Source: Amazon Data Firehose, "FileExtension" of the API reference, read 2026-11. */
const FILE_EXTENSION = /^$|^\.[0-9a-z!\-_.*'()]+$/u

/**
 * Names as Amazon Data Firehose writes them: the prefix with its expressions, then `<stream>-<version>-<time>-<uuid><extension>`. Times
 * are those of the first message of the object. Source: Firehose developer guide, "Amazon S3 object name format", read 2026-11.
 * @throws MillpondError `CONFIG_INVALID`.
 */
export function planFirehose(config: FirehoseLayoutConfig, strict: boolean): LayoutPlan {
  const { prefix, partitionKeys, deliveryStreamName, deliveryStreamVersion, fileExtension } = config
  if (fileExtension !== undefined && !FILE_EXTENSION.test(fileExtension))
    throw layoutInvalid('firehose.fileExtension', 'must be like .json.gz, in small letters')
  const isDynamic = Object.keys(partitionKeys).length > 0
  const hasTime = /!\{timestamp:/u.test(prefix)
  const whole = hasTime || isDynamic ? prefix : prefix + DEFAULT_TIME
  const used = new Set([...whole.matchAll(/!\{partitionKeyFrom(?:Query|Lambda):([^}]*)\}/gu)].map(([, name]) => name!))
  const unused = Object.keys(partitionKeys).find((name) => !used.has(name))
  if (unused !== undefined) throw layoutInvalid('firehose.partitionKeys', `${unused} does not stand in the prefix`)
  const zone = zoneOf('firehose.customTimeZone', config.customTimeZone)
  const suffixTime = createTimeFormat(SUFFIX_PATTERN, { zone: zoneOf('firehose', 'UTC'), locale: 'en', flavour: 'java' })
  return {
    parts: [
      ...parsePrefix(whole, config, { zone, strict }),
      text(`${deliveryStreamName}-${deliveryStreamVersion}-`),
      startTime(suffixTime),
      text('-'),
      { kind: 'object', write: (start, _end, lane) => uuidOf(start, lane) },
      extensionPart((own) => fileExtension ?? usualExtension(own)),
    ],
    fields: [...new Set([...used].map((name) => partitionKeys[name]!))],
    isUnique: false,
    tellsTopic: true,
  }
}

const startTime = (format: TimeFormat): Part => ({ kind: 'object', write: ({ timestampMs }) => format.text(timestampMs) })

function parsePrefix(
  prefix: string,
  { partitionKeys }: FirehoseLayoutConfig,
  { zone, strict }: { zone: Zone; strict: boolean },
): Part[] {
  const key = 'firehose.prefix'
  const parts: Part[] = []
  let end = 0
  let randoms = 0
  const literal = (written: string) => {
    if (written.includes('!{')) throw layoutInvalid(key, 'has "!{" where no expression is')
    if (written !== '') parts.push(text(written))
  }
  for (const match of prefix.matchAll(EXPRESSION)) {
    literal(prefix.slice(end, match.index))
    end = match.index + match[0].length
    const [, namespace, value] = /^([^:]*):([^]*)$/u.exec(match[1]!) ?? []
    if (namespace === 'timestamp') {
      parts.push(startTime(checked(key, () => createTimeFormat(value!, { zone, locale: 'en', flavour: 'java' }))))
    } else if (namespace === 'firehose' && value === 'random-string') {
      const which = (randoms += 1)
      parts.push({ kind: 'object', write: (start, _end, lane) => randomText(start, lane, which) })
    } else if (namespace === 'partitionKeyFromQuery' || namespace === 'partitionKeyFromLambda') {
      parts.push(partitionKeyPart(value!, partitionKeys[value!], { strict }))
    } else {
      throw layoutInvalid(
        key,
        `${match[0]} is no expression for a prefix; known: timestamp:…, firehose:random-string, partitionKeyFromQuery:…`,
      )
    }
  }
  literal(prefix.slice(end))
  return parts
}

// Firehose sends what has no such key, or an empty one, to its error prefix; here it goes to the dead letters.
function partitionKeyPart(name: string, field: string | undefined, escaping: Escaping): Part {
  if (field === undefined) throw layoutInvalid('firehose.partitionKeys', `name the field of the value that ${name} is`)
  return { kind: 'term', create: () => fieldTerm({ field, name, escaping, allowEmpty: false }) }
}

const digestOf = ({ position }: ObjectStart, { topic, lane }: LaneName, salt: string): Buffer =>
  createHash('sha256')
    .update(JSON.stringify([salt, topic, lane, position]))
    .digest()

/** A UUID (version 8, by a hash) of an object: the same messages always have the same, so that a crash leaves no second object. */
export function uuidOf(start: ObjectStart, lane: LaneName): string {
  const bytes = digestOf(start, lane, 'uuid').subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function randomText(start: ObjectStart, lane: LaneName, which: number): string {
  const letters = digestOf(start, lane, `random ${which}`).toString('base64').replaceAll(/[+/=]/gu, '')
  return letters.slice(0, RANDOM_LETTERS).padEnd(RANDOM_LETTERS, '0')
}
