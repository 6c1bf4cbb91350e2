import { isMillpondError, MillpondError } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'

/** What a call was about to do with which key, for the message. */
interface Attempt {
  readonly doing: 'write' | 'read' | 'delete' | 'list' | 'open'
  readonly key: string
  /** The store's root folder. */
  readonly root: string
}

interface Meaning {
  readonly code: ErrorCode
  readonly remedy: string
}

const full: Meaning = { code: 'STORE_FULL', remedy: 'free space or give the store a larger disk or quota' }
const closed: Meaning = { code: 'STORE_READ_ONLY', remedy: 'give this user the right to write there, or mount it writable' }
const unreadable: Meaning = { code: 'STORE_UNAVAILABLE', remedy: 'give this user the right to read there' }
const missing: Meaning = { code: 'OBJECT_MISSING', remedy: 'there is no such object' }
const unsuited: Meaning = { code: 'KEY_INVALID', remedy: 'an object or a folder of the same name is in the way' }
const tooLong: Meaning = { code: 'KEY_INVALID', remedy: 'this file system takes shorter names only' }
const linked: Meaning = { code: 'KEY_INVALID', remedy: 'it is a symbolic link, and those are not followed' }
const tooMany: Meaning = { code: 'STORE_UNAVAILABLE', remedy: 'raise the limit of open files (ulimit -n)' }
const broken: Meaning = { code: 'STORE_UNAVAILABLE', remedy: 'look at the disk and the system log' }

function meaningOf(errno: string, doing: Attempt['doing']): Meaning {
  const reads = doing === 'read' || doing === 'list' || doing === 'open'
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return full
    case 'EACCES':
    case 'EPERM':
      return reads ? unreadable : closed
    case 'EROFS':
      return closed
    case 'ENOENT':
      return doing === 'read' ? missing : broken
    case 'ENOTDIR':
    case 'EISDIR':
      return doing === 'read' ? missing : unsuited
    case 'ENAMETOOLONG':
      return tooLong
    case 'ELOOP':
    case 'EMLINK':
      return linked
    case 'EMFILE':
    case 'ENFILE':
      return tooMany
    default:
      return broken
  }
}

/** The system's name of what went wrong (`ENOSPC`), or undefined for what does not come from the system. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** The error in Millpond's terms: it names the key, the folder and what to do. What is not the system's stays as it is. */
export function fileStoreError(error: unknown, attempt: Attempt): unknown {
  const errno = errnoOf(error)
  if (isMillpondError(error) || errno === undefined) return error
  const { doing, key, root } = attempt
  const { code, remedy } = meaningOf(errno, doing)
  const message = `cannot ${doing} ${key === '' ? 'the store' : `"${key}"`} in ${root} (${errno}): ${remedy}`
  return new MillpondError(code, message, { cause: error, details: { key, root, errno } })
}
