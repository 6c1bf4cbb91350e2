import { noteForAudit } from '../auth/audit.ts'
import type { SearchRun } from './run.ts'

/** Parts of a search that are about no person. */
const PLAIN = new Set(['topic', 'topicId', 'lanes', 'positions', 'from', 'to', 'order', 'limit', 'format', 'fields', 'decode'])

/** What is longer is written as a hash too. */
const MAX_CHARACTERS = 1024

/** Tells the audit log what a search is of that came in a body and was understood; the rest may be about persons, and is written as hashes. */
export function noteSearch(request: object, json: unknown): void {
  if (typeof json !== 'object' || json === null) return
  const isPlain = ([name, value]: [string, unknown]): boolean => PLAIN.has(name) && JSON.stringify(value).length <= MAX_CHARACTERS
  const [what, personal] = [true, false].map((plain) =>
    Object.fromEntries(Object.entries(json).filter((entry) => isPlain(entry) === plain)),
  )
  const { topic } = what as { readonly topic?: unknown }
  noteForAudit(request, { ...(typeof topic === 'string' ? { topic } : {}), what: what!, personal: personal! })
}

/** The run; the audit log is told how many messages it has given. */
export function countForAudit(request: object, run: SearchRun): SearchRun {
  async function* found() {
    let count = 0
    for await (const some of run.found) {
      count += some.batch.count
      noteForAudit(request, { count })
      yield some
    }
  }
  return { ...run, found: found() }
}
