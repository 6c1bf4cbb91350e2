import { type ErrorCode, isMillpondError, MillpondError } from '../../errors.ts'

// Primary result codes of SQLite, https://sqlite.org/rescode.html, read 2026-11.
const SQLITE_BUSY = 5
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_TOOBIG = 18
const SQLITE_NOTADB = 26
/** The shared-memory file beside the log could not be made longer: no space is the usual cause, and no other code says so. */
const SQLITE_IOERR_SHMSIZE = SQLITE_IOERR | (19 << 8)

const meanings: Readonly<Record<number, { readonly code: ErrorCode; readonly says: string }>> = {
  [SQLITE_BUSY]: { code: 'LOG_UNAVAILABLE', says: 'another process holds the write lock' },
  [SQLITE_READONLY]: {
    code: 'LOG_UNAVAILABLE',
    says: 'it cannot be written to; give this user the right to write to it and its folder',
  },
  [SQLITE_CORRUPT]: {
    code: 'LOG_CORRUPT',
    says: 'it is damaged; move it away and start a new log: what is archived stays in the archive',
  },
  [SQLITE_FULL]: { code: 'LOG_FULL', says: 'no space is left on its disk' },
  [SQLITE_CANTOPEN]: { code: 'LOG_UNAVAILABLE', says: 'it cannot be opened; its folder must be there and writable' },
  [SQLITE_TOOBIG]: { code: 'MESSAGE_TOO_LARGE', says: 'a message is too large for it' },
  [SQLITE_NOTADB]: { code: 'LOG_CORRUPT', says: 'it is no log of Millpond or is damaged; move it away or name another path' },
}

/** The error of ours for one of SQLite; what is ours already stays as it is. */
export function logError(error: unknown, path: string): MillpondError {
  if (isMillpondError(error)) return error
  const reason = error instanceof Error ? error.message : String(error)
  const errcode = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined
  const meaning = errcode === SQLITE_IOERR_SHMSIZE ? meanings[SQLITE_FULL] : meanings[(errcode ?? 0) & 0xff]
  const { code, says } = meaning ?? { code: 'LOG_UNAVAILABLE' as const, says: 'it cannot be used' }
  return new MillpondError(code, `local log ${path}: ${says} (${reason})`, { cause: error, details: { path, errcode } })
}

/** What is found wrong in the log's content; the file is named so that a person can act. */
export function corrupt(path: string, what: string, details: Record<string, unknown> = {}): MillpondError {
  const remedy = 'move the file away and start a new log: what is archived stays in the archive'
  return new MillpondError('LOG_CORRUPT', `local log ${path}: ${what}; ${remedy}`, { details: { path, ...details } })
}
