import { spend } from './budget.ts'
import type { JqValue } from './value.ts'

/**
 * An error of the jq language on its way to `try`, with any value as its message. No Error: filters raise one for each message that does
 * not fit, and a stack trace costs more than all the rest. Those that leave the program become a MillpondError.
 */
export interface Raised {
  readonly raised: JqValue
}

export const isRaised = (error: unknown): error is Raised => typeof error === 'object' && error !== null && 'raised' in error

/** Throwing costs some microseconds. */
const STEPS_A_RAISE = 10

/** Raises an error of the language that says `message`. */
export function raise(message: JqValue): never {
  spend(STEPS_A_RAISE)
  const error: Raised = { raised: message }
  // oxlint-disable-next-line typescript/only-throw-error -- caught by `try` and by the run of the program, which makes an error of it
  throw error
}
