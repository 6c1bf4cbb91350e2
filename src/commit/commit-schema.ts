import { REMOVAL_FIELD } from './removal.ts'

const long = (name: string, doc: string) => ({ name, type: 'long', doc })
const text = (name: string, doc: string) => ({ name, type: 'string', doc })
const record = (name: string, fields: readonly object[]) => ({ type: 'record', name, fields })
const array = (name: string, items: object | string, doc: string) => ({ name, type: { type: 'array', items }, doc })

const block = record('Block', [
  long('offset', 'first byte of the block in the segment, its framing included'),
  long('bytes', 'bytes of the block in the segment, its framing included'),
  long('crc32c', 'CRC-32C of these bytes'),
  long('count', 'messages'),
  long('firstPosition', 'position of the first message'),
  long('lastPosition', 'position of the last message'),
  long('minTimestamp', 'smallest timestamp, milliseconds since 1970'),
  long('maxTimestamp', 'largest timestamp, milliseconds since 1970'),
])

const lookup = record('Lookup', [
  text('field', 'key, id, or header:<name>'),
  long('slices', 'parts of equal length that the filters are stored in'),
  array('buckets', 'long', 'buckets of the filter of each block: 1 or a multiple of 128'),
  long('offset', 'first byte of slice 0, counted from the beginning of lookupBytes'),
  long('bytes', 'bytes of all slices, each with the CRC-32C at its end'),
])

const sibling = record('Sibling', [
  text('role', 'keys or headers: what it holds of the same messages, in the same order'),
  text('key', 'key of the object'),
  long('bytes', 'bytes of the object'),
  long('crc32c', 'CRC-32C of the object'),
  text('sha256', 'SHA-256 of the object, lower-case hexadecimal'),
])

const segment = record('Segment', [
  text('key', 'key of the data object'),
  long('bytes', 'bytes of the data object'),
  long('crc32c', 'CRC-32C of the data object'),
  text('sha256', 'SHA-256 of the data object, lower-case hexadecimal'),
  text('format', 'how the data object is written'),
  text('codec', 'compression of its blocks'),
  long('count', 'messages'),
  long('firstPosition', 'position of the first message'),
  long('lastPosition', 'position of the last message'),
  long('minTimestamp', 'smallest timestamp, milliseconds since 1970'),
  long('maxTimestamp', 'largest timestamp, milliseconds since 1970'),
  { name: 'layout', type: { type: 'map', values: 'string' }, doc: 'what the layout put in the path' },
  array('blocks', block, 'in the order of the data object'),
  array('lookups', lookup, 'where the filters lie'),
  array('siblings', sibling, 'objects beside it that some layouts have'),
])

const gap = record('Gap', [
  long('firstPosition', 'where the gap begins'),
  long('nextPosition', 'the first position behind it'),
  long('missing', 'how many positions of this range hold no message'),
  text('reason', 'skipped: the broker went over them; expired: it no longer had them'),
])

const deadLetter = record('DeadLetter', [
  long('position', 'position of the message'),
  text('reason', 'why it could not be encoded'),
])

/** The Avro schema of a commit. `lookupBytes` is the last field, so that its bytes end where the object's last 16 bytes begin. */
export const COMMIT_SCHEMA = {
  type: 'record',
  name: 'Commit',
  namespace: 'millpond',
  doc: 'One commit of a lane; see docs/commit-chain.md.',
  fields: [
    { name: 'kind', type: { type: 'enum', name: 'CommitKind', symbols: ['genesis', 'data', 'rewrite'] } },
    text('topic', 'name of the topic'),
    text('topicId', "the broker's identity of the topic"),
    text('lane', 'name of the lane within the topic'),
    long('firstPosition', 'first position that is covered'),
    long('nextPosition', 'first position that is not covered'),
    text('writer', 'who wrote the commit; new with every run of a process'),
    { name: 'timeMs', type: { type: 'long', logicalType: 'timestamp-millis' }, doc: "by the writer's clock" },
    text(
      'previousSha256',
      'SHA-256 of the commit object before this one, lower-case hexadecimal; empty for genesis and the first rewrite',
    ),
    text(
      'replacedSha256',
      'of a rewrite: SHA-256 of the newest data commit that it replaces, lower-case hexadecimal; otherwise empty',
    ),
    array('segments', segment, 'by first position'),
    array('gaps', gap, 'by position'),
    array('deadLetters', deadLetter, 'by position'),
    { name: 'lookupBytes', type: 'bytes', doc: 'the filters of all segments' },
  ],
} as const

/** The Avro schema of a rewrite that removes messages: the same with one field more. */
export const REMOVAL_SCHEMA = {
  ...COMMIT_SCHEMA,
  fields: [...COMMIT_SCHEMA.fields.slice(0, -1), REMOVAL_FIELD, ...COMMIT_SCHEMA.fields.slice(-1)],
} as const
