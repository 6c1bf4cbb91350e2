import type { Codec } from '../../encode/block.ts'
import { MillpondError } from '../../errors.ts'
import { laneName } from '../../source/lane.ts'
import { openDatabase } from './database.ts'
import { corrupt, logError } from './errors.ts'
import { type BlockRow, rowChecksum } from './rows.ts'
import { createStatements, integer, nameBlob, nameOf, type SqlRow } from './statements.ts'
import { type Topic, topicChecksum } from './topic.ts'

/** A topic with the keys of its partitions, by lane. */
export interface KnownTopic extends Topic {
  readonly topicKey: number
  readonly partitionKeys: readonly number[]
}

export interface PartitionRange {
  readonly oldest: number
  readonly next: number
}

/** What a partition holds, all of one moment. */
export interface PartitionRead extends PartitionRange {
  readonly rows: readonly BlockRow[]
}

/** Reads of the log, on the calling thread: each sees all that was durable when it was asked. */
export interface Reader {
  topics(): KnownTopic[]
  topic(name: string): KnownTopic | undefined
  /** Undefined where the partition is no more. */
  range(partitionKey: number): PartitionRange | undefined
  /**
   * Rows in order, from the one that holds `position` on, until they have `maxBytes`; always one where there is one. Undefined
   * where the partition is no more.
   */
  read(partitionKey: number, position: number, maxBytes: number): PartitionRead | undefined
  producerPosition(job: string, origin: string, topicKey: number): number | undefined
  /** Rises with every topic made or deleted, and with every change of the group's members and lanes. */
  groupVersion(group: string): string
  groupPosition(group: string, partitionKey: number): number | undefined
  /** Changes with every transaction of another connection. */
  dataVersion(): number
  lastBlockKey(): number
  /** Partitions that took rows since the row `afterBlockKey`, and the last row's key. */
  changedSince(afterBlockKey: number): { readonly partitionKeys: readonly number[]; readonly lastBlockKey: number }
  close(): void
}

const ROWS = `SELECT partition_key, first_position, count, codec, raw_bytes, min_timestamp, max_timestamp, crc32, filters, bytes
  FROM blocks WHERE partition_key = ? AND first_position >= ? ORDER BY first_position`

/** Opens a connection that only reads. */
export function openReader(path: string): Reader {
  const database = openDatabase(path, { readOnly: true })
  const sql = createStatements(database)
  const reading = <T>(read: () => T): T => {
    try {
      return read()
    } catch (error) {
      throw logError(error, path)
    }
  }
  const topicOf = (row: SqlRow): KnownTopic => {
    const partitions = sql.all(
      'SELECT partition_key FROM partitions WHERE topic_key = ? ORDER BY lane',
      row['topic_key'] as number,
    )
    return { ...topicFields(row, path), partitionKeys: partitions.map((partition) => integer(partition, 'partition_key')) }
  }
  const range = (partitionKey: number): PartitionRange | undefined => {
    const row = sql.get('SELECT oldest, next FROM partitions WHERE partition_key = ?', partitionKey)
    return row && { oldest: integer(row, 'oldest'), next: integer(row, 'next') }
  }
  const nameOfPartition = (partitionKey: number): string => {
    const row = sql.get('SELECT name, lane FROM partitions JOIN topics USING (topic_key) WHERE partition_key = ?', partitionKey)
    return row === undefined ? 'a partition' : laneName({ topic: nameOf(row['name']), lane: String(row['lane']) })
  }
  /** SQLite has no checksums of its own: rows are compared with theirs, and their positions with one another. */
  const rows = (partitionKey: number, position: number, end: number, maxBytes: number): BlockRow[] => {
    const holding = sql.get(
      'SELECT first_position FROM blocks WHERE partition_key = ? AND first_position <= ? ORDER BY first_position DESC LIMIT 1',
      partitionKey,
      position,
    )
    const found: BlockRow[] = []
    let bytes = 0
    let due = position
    for (const row of sql.iterate(ROWS, partitionKey, holding === undefined ? position : integer(holding, 'first_position'))) {
      const block = rowOf(row)
      if (rowChecksum(block) !== row['crc32']) {
        const { firstPosition } = block
        throw corrupt(path, `${nameOfPartition(partitionKey)}: the row at position ${firstPosition} is damaged`, {
          position: firstPosition,
        })
      }
      const blockEnd = block.firstPosition + block.count
      // The first row may begin before `position`; every other begins where the one before it ends.
      if (found.length === 0 ? block.firstPosition > due || blockEnd <= due : block.firstPosition !== due) break
      due = blockEnd
      found.push(block)
      bytes += block.bytes.byteLength + block.filters.byteLength
      if (bytes >= maxBytes || due >= end) return found
    }
    throw corrupt(path, `${nameOfPartition(partitionKey)}: positions from ${due} are missing`, { position: due })
  }
  const read = (partitionKey: number, position: number, maxBytes: number): PartitionRead | undefined => {
    const found = range(partitionKey)
    if (found === undefined) return undefined
    const isThere = position >= found.oldest && position < found.next
    return { ...found, rows: isThere ? rows(partitionKey, position, found.next, maxBytes) : [] }
  }
  return {
    topics: () => reading(() => sql.all('SELECT * FROM topics ORDER BY topic_key').map(topicOf)),
    topic: (name) =>
      reading(() => {
        const row = sql.get('SELECT * FROM topics WHERE name = ?', nameBlob(name))
        return row && topicOf(row)
      }),
    range: (partitionKey) => reading(() => range(partitionKey)),
    read: (partitionKey, position, maxBytes) =>
      reading(() => {
        database.exec('BEGIN')
        try {
          return read(partitionKey, position, maxBytes)
        } finally {
          database.exec('COMMIT')
        }
      }),
    producerPosition: (job, origin, topicKey) =>
      reading(() => {
        const key = [nameBlob(job), nameBlob(origin), topicKey] as const
        const row = sql.get('SELECT next_position FROM producers WHERE job = ? AND origin = ? AND topic_key = ?', ...key)
        return row && integer(row, 'next_position')
      }),
    groupVersion: (group) =>
      reading(() => {
        const row = sql.get('SELECT generation FROM groups WHERE name = ?', nameBlob(group))
        const topics = integer(sql.get('SELECT topics FROM versions')!, 'topics')
        return `${topics}/${row === undefined ? '' : integer(row, 'generation')}`
      }),
    groupPosition: (group, partitionKey) =>
      reading(() => {
        const row = sql.get(
          'SELECT next_position FROM group_positions JOIN groups USING (group_key) WHERE groups.name = ? AND partition_key = ?',
          nameBlob(group),
          partitionKey,
        )
        return row && integer(row, 'next_position')
      }),
    dataVersion: () => reading(() => integer(sql.get('PRAGMA data_version')!, 'data_version')),
    changedSince: (afterBlockKey) =>
      reading(() => {
        const changed = new Set<number>()
        let lastBlockKey = afterBlockKey
        for (const row of sql.iterate(
          'SELECT block_key, partition_key FROM blocks WHERE block_key > ? ORDER BY block_key',
          afterBlockKey,
        )) {
          changed.add(integer(row, 'partition_key'))
          lastBlockKey = integer(row, 'block_key')
        }
        return { partitionKeys: [...changed], lastBlockKey }
      }),
    lastBlockKey: () => reading(() => (sql.get('SELECT max(block_key) AS last FROM blocks')!['last'] as number | null) ?? 0),
    close: () => database.close(),
  }
}

function topicFields(row: SqlRow, path: string): Topic & { readonly topicKey: number } {
  const topic = {
    topicKey: integer(row, 'topic_key'),
    name: nameOf(row['name']),
    topicId: row['topic_id'] as string,
    partitions: integer(row, 'partitions'),
    retentionMs: row['retention_ms'] as number | null,
    retentionBytes: row['retention_bytes'] as number | null,
    createdMs: integer(row, 'created_ms'),
  }
  if (topicChecksum(topic) !== row['crc32'])
    throw corrupt(path, `the entry of topic ${topic.name} is damaged`, { topic: topic.name })
  return topic
}

const rowOf = (row: SqlRow): BlockRow => ({
  partitionKey: integer(row, 'partition_key'),
  firstPosition: integer(row, 'first_position'),
  count: integer(row, 'count'),
  codec: row['codec'] as Codec,
  rawBytes: integer(row, 'raw_bytes'),
  minTimestamp: integer(row, 'min_timestamp'),
  maxTimestamp: integer(row, 'max_timestamp'),
  filters: row['filters'] as Uint8Array,
  bytes: row['bytes'] as Uint8Array,
})

/** The error for a topic that the log does not have. */
export const topicUnknown = (name: string): MillpondError =>
  new MillpondError('TOPIC_UNKNOWN', `there is no topic ${name}`, { details: { topic: name } })

/** The error for a lane that the topic does not have. */
export const laneUnknown = (topic: string, lane: string | number): MillpondError =>
  new MillpondError('LANE_UNKNOWN', `topic ${topic} has no lane ${lane}`, { details: { topic, lane: String(lane) } })
