import { MillpondError } from '../errors.ts'
import type { FailedMessage } from './sink.ts'

/** What had become of a batch when its delivery broke off. */
export interface PartialDelivery {
  /** Messages of the batch before this position are dealt with: durable at the target, or in `failed`. */
  readonly nextPosition: number
  readonly delivered: number
  readonly failed: readonly FailedMessage[]
}

/** The error of a delivery that broke off; who repeats the batch begins at `partial.nextPosition`. */
export function deliveryBroken(message: string, partial: PartialDelivery, cause?: unknown): MillpondError {
  return new MillpondError('DELIVERY_FAILED', message, { cause, details: { partial } })
}

/** What an error of `Sink.write` says was dealt with before it; undefined where it says nothing, and nothing is known to be. */
export function partialOf(error: unknown): PartialDelivery | undefined {
  if (!(error instanceof MillpondError)) return undefined
  const partial = error.details['partial']
  return typeof partial === 'object' && partial !== null && 'nextPosition' in partial ? (partial as PartialDelivery) : undefined
}
