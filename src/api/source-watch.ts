import type { MillpondError } from '../errors.ts'
import { laneName } from '../source/lane.ts'
import type { SourceObserver, SourceSubject } from '../source/source-observer.ts'
import type { Readiness } from './readiness.ts'

/** A line for the log. */
export interface SourceNews {
  readonly level: 'warn' | 'info'
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface SourceWatchParts {
  /** Told what is worth a line. */
  readonly onNews: (news: SourceNews) => void
  readonly readiness?: Readiness
  readonly monotonicMs: () => number
}

const PART = 'source'
const FIRST_PAUSE_MS = 15_000
const LONGEST_PAUSE_MS = 10 * 60_000

/** What is wrong with lanes, or with the group, from its first failure until all of it works again. */
interface Trouble {
  readonly sinceMs: number
  readonly subjects: Set<string>
  readonly reasons: Set<string>
  nextMs: number
  pauseMs: number
}

const kindOf = (subject: SourceSubject) => (subject === 'group' ? 'the group' : 'reading')
const nameOf = (subject: SourceSubject) => (subject === 'group' ? subject : laneName(subject))

function reasonOf({ code, details }: MillpondError): string {
  const { reason } = details
  return typeof reason === 'string' ? reason : code
}

/**
 * Turns the trouble of a source into readiness, lane by lane, and into few lines for the log, however many lanes fail and however often: each
 * reason is told once, then what is wrong last at growing intervals, and once that all of it is over.
 */
export function watchSource({ onNews, readiness, monotonicMs }: SourceWatchParts): SourceObserver {
  const troubles = new Map<string, Trouble>()
  return {
    retrying(subject, error) {
      const [kind, name, reason] = [kindOf(subject), nameOf(subject), reasonOf(error)]
      readiness?.tell(PART, { state: 'amber', why: `${name} tries again: ${error.code}: ${error.message}` }, name)
      const nowMs = monotonicMs()
      const begun = {
        sinceMs: nowMs,
        subjects: new Set<string>(),
        reasons: new Set<string>(),
        nextMs: nowMs,
        pauseMs: FIRST_PAUSE_MS,
      }
      const trouble: Trouble = troubles.get(kind) ?? begun
      troubles.set(kind, trouble)
      trouble.subjects.add(name)
      if (trouble.reasons.has(reason) && nowMs < trouble.nextMs) return
      trouble.reasons.add(reason)
      if (nowMs >= trouble.nextMs) {
        trouble.nextMs = nowMs + trouble.pauseMs
        trouble.pauseMs = Math.min(LONGEST_PAUSE_MS, trouble.pauseMs * 2)
      }
      const seconds = Math.round((nowMs - trouble.sinceMs) / 1000)
      const lanes = subject === 'group' ? {} : { lane: name, lanes: trouble.subjects.size }
      onNews({
        level: 'warn',
        text: `${kind} is tried again: ${error.message}`,
        fields: { ...lanes, code: error.code, reason, seconds },
      })
    },
    settled(subject) {
      const [kind, name] = [kindOf(subject), nameOf(subject)]
      readiness?.settle(PART, name)
      const trouble = troubles.get(kind)
      if (trouble === undefined || !trouble.subjects.delete(name) || trouble.subjects.size > 0) return
      troubles.delete(kind)
      const seconds = Math.round((monotonicMs() - trouble.sinceMs) / 1000)
      onNews({ level: 'info', text: `${kind} goes on; its trouble is over after ${seconds} s`, fields: { seconds } })
    },
  }
}
