import { MillpondError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'

/** A store whose writer dies at one of its calls: before it is done, or after it, and with it every later one. Calls take their time, by `random`. */
export function mortal(store: Store, lastCall: number, diesAfter: boolean, random: () => number): Store {
  let calls = 0
  const dead = () => new MillpondError('STORE_REFUSED', 'the writer is dead')
  const one = async <T>(act: () => Promise<T>): Promise<T> => {
    for (let waits = Math.floor(random() * (random() < 0.03 ? 200 : 3)); waits > 0; waits--)
      await new Promise((resolve) => setImmediate(resolve))
    calls++
    if (calls > lastCall || (calls === lastCall && !diesAfter)) throw dead()
    const result = await act()
    if (calls >= lastCall) throw dead()
    return result
  }
  return {
    ...store,
    putIfAbsent: (...args) => one(() => store.putIfAbsent(...args)),
    read: (...args) => one(() => store.read(...args)),
    size: (...args) => one(() => store.size(...args)),
    async openWriter(key, signal) {
      const writer = await one(() => store.openWriter(key, signal))
      return { ...writer, finish: () => one(() => writer.finish()) }
    },
  }
}
