import type { DatabaseSync } from 'node:sqlite'

/**
 * Says that a follower lives for so long, or with 0 that it leaves, and gives those that live. The table is made by the first that says
 * so: it is no part of the index's form, so that older programs go on with the file. All processes of a file share a machine and its clock.
 */
export function announceFollower(database: DatabaseSync, follower: string, leaseMs: number): readonly string[] {
  database.exec(
    'CREATE TABLE IF NOT EXISTS followers (follower TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID',
  )
  const nowMs = Date.now()
  database.prepare('DELETE FROM followers WHERE until_ms < ? OR follower = ?').run(nowMs, follower)
  if (leaseMs <= 0) return []
  database.prepare('INSERT INTO followers VALUES (?, ?)').run(follower, nowMs + leaseMs)
  return database
    .prepare('SELECT follower FROM followers ORDER BY follower')
    .all()
    .map((row) => String(row['follower']))
}
