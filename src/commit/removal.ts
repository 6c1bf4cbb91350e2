import { type RecordReader, type RecordWriter } from './record-bytes.ts'

/** A data object that the archive no longer has. */
export interface RemovedSegment {
  readonly key: string
  readonly bytes: number
  /** SHA-256 (hex) of what it was. */
  readonly sha256: string
  readonly count: number
  readonly firstPosition: number
  readonly lastPosition: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
}

/** What a rewrite leaves out of what it replaces, who asked for it, and why. When is the rewrite's own time. */
export interface Removal {
  /** `expired`: kept for as long as was asked for; `forgotten`: removed for whose messages they were. */
  readonly kind: 'expired' | 'forgotten'
  /** Who asked, as far as is known. */
  readonly by: string
  readonly why: string
  /** Of forgotten messages: the salt (hex) of `subjects`; otherwise empty. */
  readonly salt: string
  /** What keys or ids the messages had: SHA-256 (hex) over the salt, the field's name, a zero byte and the value. Never the value itself. */
  readonly subjects: readonly string[]
  /** Messages that there were and now are not. */
  readonly messages: number
  /** Objects that go: those of which nothing is left, and those that others with fewer messages take the place of. */
  readonly segments: readonly RemovedSegment[]
}

const KINDS: readonly Removal['kind'][] = ['expired', 'forgotten']

const long = (name: string, doc: string) => ({ name, type: 'long', doc })
const text = (name: string, doc: string) => ({ name, type: 'string', doc })

/** The field of a removal in the schema of a commit. */
export const REMOVAL_FIELD = {
  name: 'removal',
  type: {
    type: 'record',
    name: 'Removal',
    fields: [
      { name: 'kind', type: { type: 'enum', name: 'RemovalKind', symbols: KINDS } },
      text('by', 'who asked for it'),
      text('why', 'the policy, or the reason that was given'),
      text('salt', 'of the subjects, lower-case hexadecimal; empty where there are none'),
      {
        name: 'subjects',
        type: { type: 'array', items: 'string' },
        doc: 'SHA-256 over the salt, the name of the field, a zero byte and its value, lower-case hexadecimal',
      },
      long('messages', 'messages that there were and now are not'),
      {
        name: 'segments',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'RemovedSegment',
            fields: [
              text('key', 'key of the data object'),
              long('bytes', 'bytes of the data object'),
              text('sha256', 'SHA-256 of the data object, lower-case hexadecimal'),
              long('count', 'messages'),
              long('firstPosition', 'position of the first message'),
              long('lastPosition', 'position of the last message'),
              long('minTimestamp', 'smallest timestamp, milliseconds since 1970'),
              long('maxTimestamp', 'largest timestamp, milliseconds since 1970'),
            ],
          },
        },
        doc: 'data objects that are removed, or that others with fewer messages take the place of',
      },
    ],
  },
} as const

/** Appends a removal as `REMOVAL_FIELD` has it. */
export function writeRemoval(writer: RecordWriter, removal: Removal): void {
  writer.long(KINDS.indexOf(removal.kind))
  writer.text(removal.by)
  writer.text(removal.why)
  writer.text(removal.salt)
  writer.list(removal.subjects, (subject) => writer.text(subject))
  writer.long(removal.messages)
  writer.list(removal.segments, (segment) => {
    writer.text(segment.key)
    writer.long(segment.bytes)
    writer.text(segment.sha256)
    writer.long(segment.count)
    writer.long(segment.firstPosition)
    writer.long(segment.lastPosition)
    writer.long(segment.minTimestamp)
    writer.long(segment.maxTimestamp)
  })
}

/** Reads what `writeRemoval` wrote; undefined for a kind that is none. */
export function readRemoval(reader: RecordReader): Removal | undefined {
  const kind = KINDS[reader.long()]
  if (kind === undefined) return undefined
  return {
    kind,
    by: reader.text(),
    why: reader.text(),
    salt: reader.text(),
    subjects: reader.list(() => reader.text()),
    messages: reader.long(),
    segments: reader.list(() => ({
      key: reader.text(),
      bytes: reader.long(),
      sha256: reader.text(),
      count: reader.long(),
      firstPosition: reader.long(),
      lastPosition: reader.long(),
      minTimestamp: reader.long(),
      maxTimestamp: reader.long(),
    })),
  }
}

const HASH = /^[0-9a-f]{64}$/u
const SALT = /^(?:[0-9a-f]{32})?$/u

/** What is wrong with a removal from positions `firstPosition` to before `nextPosition`, in words; undefined for one that may be trusted. */
export function removalFault(
  removal: Removal,
  { firstPosition, nextPosition }: { readonly firstPosition: number; readonly nextPosition: number },
): string | undefined {
  const { by, why, salt, subjects, messages, segments } = removal
  if (!by.isWellFormed() || !why.isWellFormed()) return 'who removes or why has half of a surrogate pair'
  if (!SALT.test(salt) || subjects.some((subject) => !HASH.test(subject)))
    return 'whose messages it removes is not told by hashes'
  if (removal.kind === 'forgotten' ? subjects.length === 0 || salt === '' : subjects.length > 0)
    return `it says of ${subjects.length} subjects that they are ${removal.kind}`
  if (!Number.isSafeInteger(messages) || messages < 1) return `it removes ${messages} messages`
  if (segments.reduce((sum, { count }) => sum + count, 0) < messages) return `its segments never had ${messages} messages`
  for (const segment of segments) {
    if (segment.key === '' || !HASH.test(segment.sha256)) return `the removed segment ${segment.key} has no name or no SHA-256`
    const numbers = [segment.bytes, segment.count, segment.firstPosition, segment.lastPosition]
    if (!numbers.every((number) => Number.isSafeInteger(number) && number >= 0))
      return `the removed segment ${segment.key} has numbers that are none`
    if (segment.firstPosition < firstPosition || segment.lastPosition >= nextPosition || segment.count < 1)
      return `the removed segment ${segment.key} leaves the positions of the record`
    if (!(segment.minTimestamp <= segment.maxTimestamp)) return `the removed segment ${segment.key} has timestamps that are none`
  }
  return undefined
}
