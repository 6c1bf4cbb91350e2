import { createHmac, randomBytes } from 'node:crypto'
import type { AuditConfig } from '../../config/http-config.ts'
import { isMillpondError } from '../../errors.ts'
import type { LineFile } from './audit-file.ts'

/** What a route tells of a call beside what every call shows. */
export interface AuditNote {
  readonly topic?: string
  /** What was asked; nothing that came from a message, and no secret. */
  readonly what?: Readonly<Record<string, unknown>>
  /** What was asked that may be about a person, such as a key: only hashes of it are written. */
  readonly personal?: Readonly<Record<string, unknown>>
  /** How many messages were put, found or sent. */
  readonly count?: number
  /** The code of the error it was answered with. */
  readonly code?: string
}

const notes = new WeakMap<object, AuditNote>()

/** Adds to what the audit log will say of the request. */
export function noteForAudit(request: object, note: AuditNote): void {
  notes.set(request, { ...notes.get(request), ...note })
}

/** What was told of the request so far. */
export const auditNote = (request: object): AuditNote => notes.get(request) ?? {}

/** One line of the audit log. A call that changes something has two: `asked` before it does, and what became of it. */
export interface AuditRecord {
  readonly time: string
  readonly event: 'asked' | 'done' | 'refused' | 'failed'
  readonly requestId: string
  readonly caller: string | null
  readonly via: string | null
  readonly remote: string
  readonly method: string
  /** The address as the program knows it, with names in place of what callers put there. */
  readonly route: string | null
  readonly topic?: string
  readonly what?: Readonly<Record<string, unknown>>
  readonly status?: number
  readonly code?: string
  readonly count?: number
  readonly milliseconds?: number
}

/** Where calls are recorded. */
export interface Audit extends AsyncDisposable {
  readonly policy: Pick<AuditConfig, 'onFailure' | 'puts'>
  /** The value as it may be written. */
  hashed(value: unknown): string
  /** @throws MillpondError `AUDIT_UNAVAILABLE`. */
  before(record: AuditRecord): Promise<void>
  /** Records what has happened already: what cannot be written is counted. */
  after(record: AuditRecord): void
}

/** Told when the log could not be written, with how many records were lost, and when it can be again. */
export type AuditNews = (failure: string | undefined, lost: number) => void

/** Records into the file. */
export function createAudit(file: LineFile, config: AuditConfig, onNews: AuditNews): Audit {
  const key = config.hashKey === undefined ? randomBytes(32) : Buffer.from(config.hashKey.reveal())
  let failing = false
  const append = async (record: AuditRecord, lost: number): Promise<void> => {
    try {
      await file.append(JSON.stringify(record))
      if (failing) onNews(undefined, 0)
      failing = false
    } catch (error) {
      failing = true
      onNews(isMillpondError(error) ? error.message : String(error), lost)
      throw error
    }
  }
  return {
    policy: config,
    hashed: (value) => `hmac-sha256:${createHmac('sha256', key).update(plain(value)).digest('hex')}`,
    before: (record) => append(record, 0),
    after(record) {
      // It was told to readiness and the metrics.
      void append(record, 1).catch(() => undefined)
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  }
}

const plain = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
