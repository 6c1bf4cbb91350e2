import { callDepth, restoreDepth } from './budget.ts'
import type { Emit } from './code.ts'
import { type Raised, isRaised } from './raised.ts'

/** Runs a generator; gives the error that it raised itself, or whether it was stopped. */
export function catching(run: (emit: Emit) => boolean, emit: Emit): boolean | Raised {
  const depth = callDepth()
  let isOutside = false
  try {
    return run((value, path) => {
      isOutside = true
      const stopped = emit(value, path)
      isOutside = false
      return stopped
    })
  } catch (error) {
    if (isOutside || !isRaised(error)) throw error
    restoreDepth(depth)
    return error
  }
}
