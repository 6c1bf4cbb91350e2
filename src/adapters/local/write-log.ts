import { randomUUID } from 'node:crypto'
import { MillpondError } from '../../errors.ts'
import { corrupt } from './errors.ts'
import type { AppendOutcome, AppendUnit, NewTopic, ProducerStep, Removed, Retention } from './operations.ts'
import { type BlockRow, rowChecksum } from './rows.ts'
import { integer, nameBlob, type SqlRow, type Statements } from './statements.ts'
import { topicChecksum } from './topic.ts'

/** What the writing thread changes of topics and their messages. Each call runs in a transaction of the caller. */
export interface LogWriter {
  append(unit: AppendUnit): AppendOutcome
  createTopic(topic: NewTopic): null
  deleteTopic(name: string): null
  purge(maxRows: number): boolean
  retain(retention: Retention): Removed
  shrink(maxPages: number): boolean
}

const INSERT_BLOCK = `INSERT INTO blocks (partition_key, first_position, count, codec, raw_bytes, min_timestamp, max_timestamp,
  appended_ms, stored_bytes, crc32, filters, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** A writer on the connection; `path` is for errors. */
export function createLogWriter(sql: Statements, path: string): LogWriter {
  let refusedEpoch = -1
  const checked = new Set<number>()

  /** True where every partition ends where its first row begins. */
  const endsWhereAssumed = (rows: readonly BlockRow[]): boolean => {
    const next = new Map<number, number>()
    for (const { partitionKey, firstPosition, count } of rows) {
      const end = next.get(partitionKey) ?? endOf(partitionKey)
      if (end !== firstPosition) return false
      next.set(partitionKey, firstPosition + count)
    }
    return true
  }

  /** Where the partition ends; checked once against its last row, so that a damaged number does not give positions twice. */
  const endOf = (partitionKey: number): number | undefined => {
    const partition = sql.get('SELECT oldest, next FROM partitions WHERE partition_key = ?', partitionKey)
    if (partition === undefined) return undefined
    const end = integer(partition, 'next')
    if (checked.has(partitionKey)) return end
    const last = sql.get(
      'SELECT first_position + count AS "end" FROM blocks WHERE partition_key = ? ORDER BY first_position DESC LIMIT 1',
      partitionKey,
    )
    const rowsEnd = last === undefined ? integer(partition, 'oldest') : integer(last, 'end')
    if (rowsEnd !== end) throw corrupt(path, `a partition ends at position ${end}, its rows at ${rowsEnd}`, { partitionKey })
    checked.add(partitionKey)
    return end
  }

  const insert = (row: BlockRow, appendedMs: number) => {
    const storedBytes = row.bytes.byteLength + row.filters.byteLength
    const { partitionKey, firstPosition, count, codec, rawBytes, minTimestamp, maxTimestamp, filters, bytes } = row
    const checksum = rowChecksum(row)
    const head = [partitionKey, firstPosition, count, codec, rawBytes, minTimestamp, maxTimestamp] as const
    sql.run(INSERT_BLOCK, ...head, appendedMs, storedBytes, checksum, filters, bytes)
    const end = firstPosition + count
    sql.run('UPDATE partitions SET next = ?, bytes = bytes + ? WHERE partition_key = ?', end, storedBytes, partitionKey)
  }

  return {
    append(unit) {
      if (unit.epoch <= refusedEpoch) return 'moved'
      if (!endsWhereAssumed(unit.rows)) {
        refusedEpoch = unit.epoch
        return 'moved'
      }
      if (unit.producer) step(sql, unit.producer)
      for (const row of unit.rows) insert(row, unit.appendedMs)
      return 'done'
    },
    createTopic: (topic) => createTopic(sql, topic),
    deleteTopic: (name) => deleteTopic(sql, name),
    purge: (maxRows) => purge(sql, maxRows),
    retain: (retention) => retain(sql, retention),
    shrink: (maxPages) => shrink(sql, maxPages),
  }
}

/** Stores how far the producer got; refused where it, or another process for it, was further already. */
function step(sql: Statements, { job, origin, topicKey, firstPosition, nextPosition }: ProducerStep): void {
  const key = [nameBlob(job), nameBlob(origin), topicKey] as const
  const known = sql.get('SELECT next_position FROM producers WHERE job = ? AND origin = ? AND topic_key = ?', ...key)
  const reached = known === undefined ? 0 : integer(known, 'next_position')
  if (reached > firstPosition) {
    throw new MillpondError('JOB_CONFLICT', `job ${job} has delivered up to position ${reached} already, not ${firstPosition}`, {
      details: { reached, firstPosition },
    })
  }
  sql.run('INSERT OR REPLACE INTO producers VALUES (?, ?, ?, ?)', ...key, nextPosition)
}

const topicsChanged = (sql: Statements) => sql.run('UPDATE versions SET topics = topics + 1')

function createTopic(sql: Statements, topic: NewTopic): null {
  const { name, partitions, retentionMs, retentionBytes, createdMs } = topic
  const blob = nameBlob(name)
  if (sql.get('SELECT 1 FROM topics WHERE name = ?', blob) !== undefined) {
    if (topic.unlessThere) return null
    throw new MillpondError('TOPIC_INVALID', `topic ${name} is there already`, { details: { topic: name } })
  }
  const topicId = randomUUID()
  const checksum = topicChecksum({ name, topicId, partitions })
  const made = sql.get(
    `INSERT INTO topics (name, topic_id, partitions, retention_ms, retention_bytes, created_ms, crc32) VALUES (?, ?, ?, ?, ?, ?, ?)
     RETURNING topic_key`,
    blob,
    topicId,
    partitions,
    retentionMs,
    retentionBytes,
    createdMs,
    checksum,
  )!
  for (let lane = 0; lane < partitions; lane++) {
    sql.run(
      'INSERT INTO partitions (topic_key, lane, oldest, next, bytes) VALUES (?, ?, 0, 0, 0)',
      integer(made, 'topic_key'),
      lane,
    )
  }
  topicsChanged(sql)
  return null
}

/** Takes the topic away at once; its rows are removed by `purge`, in steps. */
function deleteTopic(sql: Statements, name: string): null {
  const topic = sql.get('DELETE FROM topics WHERE name = ? RETURNING topic_key', nameBlob(name))
  if (topic === undefined) throw new MillpondError('TOPIC_UNKNOWN', `there is no topic ${name}`, { details: { topic: name } })
  const topicKey = integer(topic, 'topic_key')
  const ofTopic = 'partition_key IN (SELECT partition_key FROM partitions WHERE topic_key = ?)'
  sql.run('INSERT INTO dropped SELECT partition_key FROM partitions WHERE topic_key = ?', topicKey)
  sql.run(`DELETE FROM owners WHERE ${ofTopic}`, topicKey)
  sql.run(`DELETE FROM group_positions WHERE ${ofTopic}`, topicKey)
  sql.run('DELETE FROM producers WHERE topic_key = ?', topicKey)
  sql.run('DELETE FROM partitions WHERE topic_key = ?', topicKey)
  topicsChanged(sql)
  return null
}

function purge(sql: Statements, maxRows: number): boolean {
  const partition = sql.get('SELECT partition_key FROM dropped LIMIT 1')
  if (partition === undefined) return false
  const partitionKey = integer(partition, 'partition_key')
  const removed = sql.run(
    'DELETE FROM blocks WHERE block_key IN (SELECT block_key FROM blocks WHERE partition_key = ? LIMIT ?)',
    partitionKey,
    maxRows,
  )
  if (removed < maxRows) sql.run('DELETE FROM dropped WHERE partition_key = ?', partitionKey)
  return sql.get('SELECT 1 FROM dropped LIMIT 1') !== undefined
}

/** Removes whole rows, oldest first, that are too old or too many, up to what the protecting groups have acknowledged. */
function retain(sql: Statements, retention: Retention): Removed {
  const partitions = sql.all(
    `SELECT partition_key, oldest, next, bytes, retention_ms, retention_bytes FROM partitions JOIN topics USING (topic_key)
     WHERE bytes > 0 AND (retention_ms IS NOT NULL OR retention_bytes IS NOT NULL)`,
  )
  let messages = 0
  let bytes = 0
  for (const partition of partitions) {
    const removed = retainPartition(sql, partition, retention)
    messages += removed.messages
    bytes += removed.bytes
  }
  return { messages, bytes }
}

function retainPartition(sql: Statements, partition: SqlRow, retention: Retention): Removed {
  const partitionKey = integer(partition, 'partition_key')
  const retentionMs = partition['retention_ms'] as number | null
  const retentionBytes = partition['retention_bytes'] as number | null
  const end = protectedFrom(sql, partitionKey, integer(partition, 'oldest'), retention.protectGroups)
  let left = integer(partition, 'bytes')
  let oldest = integer(partition, 'oldest')
  const expired: number[] = []
  const rows = sql.iterate(
    'SELECT block_key, first_position, count, stored_bytes, appended_ms FROM blocks WHERE partition_key = ? ORDER BY first_position',
    partitionKey,
  )
  for (const row of rows) {
    const next = integer(row, 'first_position') + integer(row, 'count')
    // Age counts from the arrival: a replay brings old timestamps, and one message from the future would keep all behind it.
    const isOld = retentionMs !== null && integer(row, 'appended_ms') < retention.nowMs - retentionMs
    const isTooMuch = retentionBytes !== null && left > retentionBytes
    if (next > end || !(isOld || isTooMuch)) break
    expired.push(integer(row, 'block_key'))
    left -= integer(row, 'stored_bytes')
    oldest = next
  }
  for (const blockKey of expired) sql.run('DELETE FROM blocks WHERE block_key = ?', blockKey)
  if (expired.length > 0)
    sql.run('UPDATE partitions SET oldest = ?, bytes = ? WHERE partition_key = ?', oldest, left, partitionKey)
  return { messages: oldest - integer(partition, 'oldest'), bytes: integer(partition, 'bytes') - left }
}

/** The first position that must stay because a group has not acknowledged it. */
function protectedFrom(sql: Statements, partitionKey: number, oldest: number, groups: readonly string[] | 'all'): number {
  if (groups === 'all') {
    const lowest = sql.get('SELECT min(next_position) AS lowest FROM group_positions WHERE partition_key = ?', partitionKey)
    return (lowest?.['lowest'] as number | null) ?? Infinity
  }
  const positionOf = (group: string) =>
    sql.get(
      'SELECT next_position FROM group_positions JOIN groups USING (group_key) WHERE groups.name = ? AND partition_key = ?',
      nameBlob(group),
      partitionKey,
    )
  return Math.min(Infinity, ...groups.map((group) => (positionOf(group)?.['next_position'] as number | undefined) ?? oldest))
}

/** A share of free pages stays, to be filled by the next appends. */
const KEPT_FREE_SHARE = 1 / 4

function shrink(sql: Statements, maxPages: number): boolean {
  const pages = integer(sql.get('PRAGMA page_count')!, 'page_count')
  const free = integer(sql.get('PRAGMA freelist_count')!, 'freelist_count')
  const spare = Math.floor(free - pages * KEPT_FREE_SHARE)
  if (spare <= 0) return false
  sql.all(`PRAGMA incremental_vacuum(${Math.min(spare, maxPages)})`)
  return spare > maxPages
}
