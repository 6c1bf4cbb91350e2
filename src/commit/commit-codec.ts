import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { blockFrame, containerHeader, SYNC_BYTES } from '../encode/avro-container.ts'
import type { LookupField } from '../encode/block.ts'
import { isFormat, segmentFormat } from '../encode/formats.ts'
import { MillpondError } from '../errors.ts'
import type { Commit, Gap, StoredCommit } from './commit.ts'
import type { BlockEntry, SegmentEntry, SegmentLookup, SiblingEntry } from '../encode/segment.ts'
import { parseCommitKey, parseRewriteKey } from './commit-names.ts'
import { commitFault } from './commit-rules.ts'
import { COMMIT_SCHEMA, REMOVAL_SCHEMA } from './commit-schema.ts'
import { corruptCommit, RecordReader, RecordWriter } from './record-bytes.ts'
import { readRemoval, writeRemoval } from './removal.ts'

const KINDS = ['genesis', 'data', 'rewrite'] as const
const ROLES: readonly SiblingEntry['role'][] = ['keys', 'headers']
const REASONS: readonly Gap['reason'][] = ['skipped', 'expired', 'removed', 'forgotten']

const headerOf = (schema: object): Buffer =>
  Buffer.from(containerHeader({ 'avro.schema': JSON.stringify(schema), 'avro.codec': 'null' }))

const HEADER = headerOf(COMMIT_SCHEMA)
/** That of rewrites that remove messages. */
const REMOVAL_HEADER = headerOf(REMOVAL_SCHEMA)

/** The hash of everything in the object but its two markers; both markers are its beginning. */
function syncMarker(header: Buffer, block: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256').update(header)
  for (const part of block) hash.update(part)
  return hash.digest().subarray(0, SYNC_BYTES)
}

/**
 * The object of a commit: an Avro object container file with one record, whose last field is `lookupBytes`.
 * @throws MillpondError `POSITION_INVALID` where the commit breaks a rule, such as not accounting for every position it covers.
 */
export function encodeCommit(commit: Commit, lookupBytes: Uint8Array): Uint8Array {
  const fault = commitFault(commit, lookupBytes.length)
  if (fault !== undefined) {
    throw new MillpondError(
      'POSITION_INVALID',
      `the commit of ${commit.topic}/${commit.lane} from ${commit.firstPosition} on: ${fault}`,
    )
  }
  const record = new RecordWriter()
  writeCommit(record, commit)
  if (commit.removal !== undefined) writeRemoval(record, commit.removal)
  record.long(lookupBytes.length)
  const fields = record.build()
  const block = [blockFrame(1, fields.length + lookupBytes.length), fields, lookupBytes]
  const header = commit.removal === undefined ? HEADER : REMOVAL_HEADER
  const sync = syncMarker(header, block)
  return Buffer.concat([header, sync, ...block, sync])
}

/**
 * Reads a commit object. Every byte of it is checked: its content by the hash that is its sync marker, the two markers by each other.
 * @throws MillpondError `COMMIT_CORRUPT` naming the key and what is wrong; `FORMAT_UNSUPPORTED` where a newer Millpond wrote it.
 */
export function decodeCommit(key: string, bytes: Uint8Array): StoredCommit {
  const { reader, removes } = openRecord(key, bytes)
  const commit = { ...readCommit(key, reader), ...(removes ? removed(key, reader) : {}) }
  const lookupBytes = reader.length()
  const lookupStart = reader.at
  if (lookupStart + lookupBytes !== bytes.length - SYNC_BYTES)
    throw corruptCommit(key, 'its record does not end where its block does')
  const fault = commitFault(commit, lookupBytes) ?? keyFault(key, commit)
  if (fault !== undefined) throw corruptCommit(key, fault)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { ...commit, key, bytes: bytes.length, sha256, lookupStart, lookupBytes }
}

/** Checks the framing and the hash of the whole object; the reader stands at the record. */
function openRecord(key: string, bytes: Uint8Array): { readonly reader: RecordReader; readonly removes: boolean } {
  const header = [HEADER, REMOVAL_HEADER].find((one) => one.equals(bytes.subarray(0, one.length)))
  if (header === undefined) throw corruptCommit(key, 'it does not begin as a commit does')
  const blockStart = header.length + SYNC_BYTES
  const blockEnd = bytes.length - SYNC_BYTES
  if (blockEnd <= blockStart) throw corruptCommit(key, `it is cut off at ${bytes.length} bytes`)
  const sync = Buffer.from(bytes.buffer, bytes.byteOffset + header.length, SYNC_BYTES)
  if (!sync.equals(bytes.subarray(blockEnd))) throw corruptCommit(key, 'its two sync markers differ: it is cut off or damaged')
  if (!sync.equals(syncMarker(header, [bytes.subarray(blockStart, blockEnd)])))
    throw corruptCommit(key, 'its content is not what was hashed')
  const reader = new RecordReader(key, bytes.subarray(0, blockEnd), blockStart)
  const records = reader.long()
  const length = reader.length()
  if (records !== 1 || reader.at + length !== blockEnd) throw corruptCommit(key, 'it is not one record')
  return { reader, removes: header === REMOVAL_HEADER }
}

function keyFault(key: string, commit: Commit): string | undefined {
  const isRewriteKey = parseRewriteKey(key) !== undefined
  if (commit.kind === 'rewrite') return isRewriteKey ? undefined : 'its name is not that of a rewrite'
  const named = isRewriteKey ? undefined : parseCommitKey(key)
  const holds = commit.kind === 'genesis' ? 'genesis' : commit.firstPosition
  return named === holds
    ? undefined
    : `its name does not fit what it holds, the commit ${holds} of ${commit.topic}/${commit.lane}`
}

function writeCommit(writer: RecordWriter, commit: Commit): void {
  writer.long(KINDS.indexOf(commit.kind))
  writer.text(commit.topic)
  writer.text(commit.topicId)
  writer.text(commit.lane)
  writer.long(commit.firstPosition)
  writer.long(commit.nextPosition)
  writer.text(commit.writer)
  writer.long(commit.timeMs)
  writer.text(commit.previousSha256)
  writer.text(commit.replacedSha256 ?? '')
  writer.list(commit.segments, (segment) => writeSegment(writer, segment))
  writer.list(commit.gaps, (gap) => {
    writer.long(gap.firstPosition)
    writer.long(gap.nextPosition)
    writer.long(gap.missing)
    writer.text(gap.reason)
  })
  writer.list(commit.deadLetters, (letter) => {
    writer.long(letter.position)
    writer.text(letter.reason)
  })
}

function readCommit(key: string, reader: RecordReader): Commit {
  const kind = KINDS[reader.long()]
  if (kind === undefined) throw corruptCommit(key, 'it is neither genesis nor data nor rewrite')
  return {
    kind,
    topic: reader.text(),
    topicId: reader.text(),
    lane: reader.text(),
    firstPosition: reader.long(),
    nextPosition: reader.long(),
    writer: reader.text(),
    timeMs: reader.long(),
    previousSha256: reader.text(),
    ...replaced(reader.text()),
    segments: reader.list(() => readSegment(key, reader)),
    gaps: reader.list(() => ({
      firstPosition: reader.long(),
      nextPosition: reader.long(),
      missing: reader.long(),
      reason: known(key, REASONS, reader.text()),
    })),
    deadLetters: reader.list(() => ({ position: reader.long(), reason: reader.text() })),
  }
}

const replaced = (sha256: string): Pick<Commit, 'replacedSha256'> => (sha256 === '' ? {} : { replacedSha256: sha256 })

function removed(key: string, reader: RecordReader): Pick<Commit, 'removal'> {
  const removal = readRemoval(reader)
  if (removal === undefined) throw corruptCommit(key, 'what it removes is neither expired nor forgotten')
  return { removal }
}

function writeSegment(writer: RecordWriter, segment: SegmentEntry): void {
  writer.text(segment.key)
  writer.long(segment.bytes)
  writer.long(segment.crc32c)
  writer.text(segment.sha256)
  writer.text(segment.format)
  writer.text(segment.codec)
  writeExtent(writer, segment)
  writer.list(Object.entries(segment.layout), ([name, value]) => {
    writer.text(name)
    writer.text(value)
  })
  writer.list(segment.blocks, (block) => {
    writer.long(block.offset)
    writer.long(block.bytes)
    writer.long(block.crc32c)
    writeExtent(writer, block)
  })
  writer.list(segment.lookups, (lookup) => {
    writer.text(lookup.field)
    writer.long(lookup.slices)
    writer.list(lookup.buckets, (buckets) => writer.long(buckets))
    writer.long(lookup.offset)
    writer.long(lookup.bytes)
  })
  writer.list(segment.siblings, (sibling) => {
    writer.text(sibling.role)
    writer.text(sibling.key)
    writer.long(sibling.bytes)
    writer.long(sibling.crc32c)
    writer.text(sibling.sha256)
  })
}

function readSegment(key: string, reader: RecordReader): SegmentEntry {
  const object = { key: reader.text(), bytes: reader.long(), crc32c: reader.long(), sha256: reader.text() }
  const format = reader.text()
  if (!isFormat(format)) throw unsupported(key, format)
  return {
    ...object,
    format,
    codec: known(key, segmentFormat(format).codecs, reader.text()),
    ...readExtent(reader),
    layout: Object.fromEntries(reader.list(() => [reader.text(), reader.text()])),
    blocks: reader.list((): BlockEntry => ({
      offset: reader.long(),
      bytes: reader.long(),
      crc32c: reader.long(),
      ...readExtent(reader),
    })),
    lookups: reader.list((): SegmentLookup => ({
      field: lookupField(key, reader.text()),
      slices: reader.long(),
      buckets: reader.list(() => reader.long()),
      offset: reader.long(),
      bytes: reader.long(),
    })),
    siblings: reader.list((): SiblingEntry => ({
      role: known(key, ROLES, reader.text()),
      key: reader.text(),
      bytes: reader.long(),
      crc32c: reader.long(),
      sha256: reader.text(),
    })),
  }
}

type Extent = Pick<BlockEntry, 'count' | 'firstPosition' | 'lastPosition' | 'minTimestamp' | 'maxTimestamp'>

function writeExtent(writer: RecordWriter, extent: Extent): void {
  writer.long(extent.count)
  writer.long(extent.firstPosition)
  writer.long(extent.lastPosition)
  writer.long(extent.minTimestamp)
  writer.long(extent.maxTimestamp)
}

function readExtent(reader: RecordReader): Extent {
  return {
    count: reader.long(),
    firstPosition: reader.long(),
    lastPosition: reader.long(),
    minTimestamp: reader.long(),
    maxTimestamp: reader.long(),
  }
}

function known<T extends string>(key: string, names: readonly T[], name: string): T {
  const found = names.find((one) => one === name)
  if (found === undefined) throw unsupported(key, name)
  return found
}

function lookupField(key: string, field: string): LookupField {
  if (field === 'key' || field === 'id') return field
  if (field.startsWith('header:')) return `header:${field.slice('header:'.length)}`
  throw unsupported(key, field)
}

const unsupported = (key: string, name: string) =>
  new MillpondError('FORMAT_UNSUPPORTED', `commit ${key} names "${name}", which this version of Millpond does not know`)
