import { assignLanes } from './assignment.ts'
import type { GroupPosition, Heartbeat, HeartbeatAnswer, OwnedLane } from './operations.ts'
import { isAlive } from './processes.ts'
import { integer, nameBlob, nameOf, type SqlRow, type Statements } from './statements.ts'
import { topicMatcher } from './topic.ts'

/** What the writing thread changes of consumer groups. Each call runs in a transaction of the caller. */
export interface GroupWriter {
  heartbeat(heartbeat: Heartbeat): HeartbeatAnswer
  acknowledge(position: GroupPosition): null
  leave(group: string, member: string, session: string): null
  deleteGroup(group: string): null
}

/**
 * Heartbeats carry the machine's monotonic clock. One that lies further ahead than a request may wait in a queue is from before
 * the machine was started again.
 */
const MAX_AHEAD_MS = 60_000

/** A writer on the connection. */
export function createGroupWriter(sql: Statements): GroupWriter {
  return {
    heartbeat: (heartbeat) => beat(sql, heartbeat),
    acknowledge({ group, partitionKey, nextPosition }) {
      // Only for a partition that is still there; a late acknowledgement never takes the group back.
      sql.run(
        `INSERT INTO group_positions SELECT ?, partition_key, ? FROM partitions WHERE partition_key = ?
         ON CONFLICT DO UPDATE SET next_position = max(next_position, excluded.next_position)`,
        groupKeyOf(sql, group),
        nextPosition,
        partitionKey,
      )
      return null
    },
    leave(group, member, session) {
      const groupKey = groupKeyOf(sql, group)
      const key = [groupKey, nameBlob(member)] as const
      if (sql.run('DELETE FROM members WHERE group_key = ? AND member = ? AND session = ?', ...key, session) === 0) return null
      sql.run('DELETE FROM owners WHERE group_key = ? AND member = ?', ...key)
      groupChanged(sql, groupKey)
      return null
    },
    deleteGroup(group) {
      const groupKey = groupKeyOf(sql, group)
      for (const table of ['members', 'owners', 'group_positions', 'groups']) {
        sql.run(`DELETE FROM ${table} WHERE group_key = ?`, groupKey)
      }
      return null
    },
  }
}

const groupChanged = (sql: Statements, groupKey: number) =>
  sql.run('UPDATE groups SET generation = generation + 1 WHERE group_key = ?', groupKey)

function groupKeyOf(sql: Statements, group: string): number {
  const name = nameBlob(group)
  const known = sql.get('SELECT group_key FROM groups WHERE name = ?', name)
  const row =
    known ?? sql.get('INSERT INTO groups (name, generation, topics_version) VALUES (?, 0, -1) RETURNING group_key', name)!
  return integer(row, 'group_key')
}

function beat(sql: Statements, heartbeat: Heartbeat): HeartbeatAnswer {
  const groupKey = groupKeyOf(sql, heartbeat.group)
  if (!stay(sql, groupKey, heartbeat)) return { kind: 'replaced' }
  expel(sql, groupKey, heartbeat)
  release(sql, groupKey, heartbeat)
  const topicsVersion = integer(sql.get('SELECT topics FROM versions')!, 'topics')
  const isBehind = 'UPDATE groups SET topics_version = ?, generation = generation + 1 WHERE group_key = ? AND topics_version <> ?'
  sql.run(isBehind, topicsVersion, groupKey, topicsVersion)
  const generation = integer(sql.get('SELECT generation FROM groups WHERE group_key = ?', groupKey)!, 'generation')
  if (generation === heartbeat.generation) return { kind: 'unchanged' }
  return { kind: 'owned', generation, lanes: share(sql, groupKey, heartbeat.member) }
}

/** Enters or renews the member; false where another process took its name since it joined. */
function stay(sql: Statements, groupKey: number, heartbeat: Heartbeat): boolean {
  const { member, session, joining, patterns, nowMs, sessionMs, scope, pid } = heartbeat
  const key = [groupKey, nameBlob(member)] as const
  const known = sql.get('SELECT session FROM members WHERE group_key = ? AND member = ?', ...key)
  if (known?.['session'] === session) {
    sql.run('UPDATE members SET heartbeat_ms = ? WHERE group_key = ? AND member = ?', nowMs, ...key)
    return true
  }
  if (known !== undefined && !joining) return false
  const values = [session, JSON.stringify(patterns), nowMs, sessionMs, scope, pid] as const
  sql.run('INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?)', ...key, ...values)
  groupChanged(sql, groupKey)
  return true
}

/** Members go that were silent for too long, and at once those whose process is known to be no more. */
function expel(sql: Statements, groupKey: number, { nowMs, scope }: Heartbeat): void {
  const isGone = (row: SqlRow) => {
    const heartbeatMs = integer(row, 'heartbeat_ms')
    if (heartbeatMs + integer(row, 'session_ms') < nowMs || heartbeatMs > nowMs + MAX_AHEAD_MS) return true
    return row['scope'] === scope && !isAlive(integer(row, 'pid'))
  }
  const members = sql.all('SELECT member, heartbeat_ms, session_ms, scope, pid FROM members WHERE group_key = ?', groupKey)
  const silent = members.filter(isGone)
  for (const { member } of silent) {
    sql.run('DELETE FROM members WHERE group_key = ? AND member = ?', groupKey, member as Uint8Array)
    sql.run('DELETE FROM owners WHERE group_key = ? AND member = ?', groupKey, member as Uint8Array)
  }
  if (silent.length > 0) groupChanged(sql, groupKey)
}

function release(sql: Statements, groupKey: number, { member, released }: Heartbeat): void {
  let count = 0
  for (const partitionKey of released) {
    count += sql.run(
      'DELETE FROM owners WHERE group_key = ? AND partition_key = ? AND member = ?',
      groupKey,
      partitionKey,
      nameBlob(member),
    )
  }
  if (count > 0) groupChanged(sql, groupKey)
}

const LANES = `SELECT p.partition_key, p.lane, p.oldest, t.name, t.topic_id, t.topic_key, o.member
  FROM partitions p JOIN topics t USING (topic_key) LEFT JOIN owners o ON o.group_key = ? AND o.partition_key = p.partition_key
  ORDER BY p.partition_key`

/** Gives the member what is its and nobody else has; answers all that it owns then. */
function share(sql: Statements, groupKey: number, member: string): OwnedLane[] {
  const rows = sql.all(LANES, groupKey)
  const candidatesOf = candidatesByTopic(sql, groupKey)
  const lanes = rows.map((row) => ({
    lane: integer(row, 'partition_key'),
    candidates: candidatesOf(row),
    owner: row['member'] === null ? undefined : nameOf(row['member']),
  }))
  const assigned = assignLanes(lanes)
  const owned: OwnedLane[] = []
  for (const [i, row] of rows.entries()) {
    const { lane, owner } = lanes[i]!
    const wanted = assigned.get(lane) === member
    if (owner !== member && (owner !== undefined || !wanted)) continue
    if (owner === undefined) take(sql, groupKey, member, row)
    owned.push({
      partitionKey: lane,
      topic: nameOf(row['name']),
      topicId: row['topic_id'] as string,
      lane: integer(row, 'lane'),
      oldest: integer(row, 'oldest'),
      wanted,
    })
  }
  return owned
}

/** From its first lane on a group holds back what it has not acknowledged. */
function take(sql: Statements, groupKey: number, member: string, row: SqlRow): void {
  const partitionKey = integer(row, 'partition_key')
  sql.run('INSERT INTO owners VALUES (?, ?, ?)', groupKey, partitionKey, nameBlob(member))
  sql.run('INSERT OR IGNORE INTO group_positions VALUES (?, ?, ?)', groupKey, partitionKey, integer(row, 'oldest'))
}

function candidatesByTopic(sql: Statements, groupKey: number): (row: SqlRow) => readonly string[] {
  const members = sql.all('SELECT member, patterns FROM members WHERE group_key = ? ORDER BY member', groupKey).map((row) => ({
    member: nameOf(row['member']),
    matches: topicMatcher(JSON.parse(row['patterns'] as string) as string[]),
  }))
  const known = new Map<number, readonly string[]>()
  return (row) => {
    const topicKey = integer(row, 'topic_key')
    let candidates = known.get(topicKey)
    if (candidates === undefined) {
      const name = nameOf(row['name'])
      candidates = members.filter(({ matches }) => matches(name)).map(({ member }) => member)
      known.set(topicKey, candidates)
    }
    return candidates
  }
}
