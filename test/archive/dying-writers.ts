import type { Store } from '../../src/store/store.ts'
import { mortal } from './mortal-store.ts'

const RUNS = 6

/** Writers one after the other, and two beside each other now and then, all of which die at one of their calls; the last does not. */
export async function runDyingWriters(
  store: Store,
  source: { reassign(lane: string): void },
  random: () => number,
  run: (through: Store, writer: string) => Promise<unknown>,
): Promise<void> {
  const start = async (writer: string) => {
    source.reassign('0')
    const through = mortal(store, 2 + Math.floor(random() * 25), random() < 0.5, random)
    await run(through, writer).catch(() => undefined)
  }
  for (let at = 0; at < RUNS; at++)
    await Promise.all((random() < 0.4 ? ['a', 'b'] : ['a']).map((name) => start(`w${at}-${name}`)))
  source.reassign('0')
  await run(store, 'last')
}
