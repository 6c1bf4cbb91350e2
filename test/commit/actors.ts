import { type ErrorCode, isMillpondError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import type { Simulation } from './simulation.ts'

/** Does something until nothing of what may come of a store that fails, or of a race, is in its way; a few times. */
export const againAfter =
  (passing: readonly ErrorCode[]) =>
  async (act: () => Promise<unknown>): Promise<void> => {
    for (let attempt = 0; attempt < 8; attempt++) {
      try {
        await act()
        return
      } catch (error) {
        if (!passing.some((code) => isMillpondError(error, code))) throw error
      }
    }
  }

/** Keeps an actor at work: one that crashed is started anew. */
export async function keep(simulation: Simulation, act: (store: Store) => Promise<void>): Promise<void> {
  for (let life = 0; life < 4; life++) if ((await simulation.start(act)) === 'done') return
}
