import { MillpondError } from '../errors.ts'

/** A reason why bytes are not what their schema says. */
export const fault = (reason: string): MillpondError => new MillpondError('INPUT_INVALID', reason)
