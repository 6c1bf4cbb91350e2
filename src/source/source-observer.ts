import type { MillpondError } from '../errors.ts'
import type { LaneId } from './lane.ts'

/** What of a source has trouble: the reading of a lane, or the membership of the group that gives lanes. */
export type SourceSubject = LaneId | 'group'

/** Told of what goes wrong in a source and is tried again there, before a reader hears of it. */
export interface SourceObserver {
  /** Told at each failure. */
  retrying(subject: SourceSubject, error: MillpondError): void
  /** It works, or is no longer tried; told where nothing was wrong too. */
  settled(subject: SourceSubject): void
}
