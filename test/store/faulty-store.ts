import { MillpondError } from '../../src/errors.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'

/** The methods of a store whose calls can be made to fail. */
export type FaultyCall = 'put' | 'putIfAbsent' | 'openWriter' | 'read' | 'size' | 'list' | 'folders' | 'delete'

/** What happens to one call: it fails before the store sees it, or the store does it and the answer is lost. */
export interface Fault {
  readonly code?: ErrorCode
  readonly when: 'before' | 'after'
}

/** A store whose calls fail as the plan says, one entry a call, undefined for those that succeed; what is behind the plan succeeds too. */
export function faultyStore(store: Store, plan: Readonly<Partial<Record<FaultyCall, readonly (Fault | undefined)[]>>>) {
  const calls: FaultyCall[] = []
  const next = (call: FaultyCall): Fault | undefined => {
    const fault = plan[call]?.[calls.filter((made) => made === call).length]
    calls.push(call)
    return fault
  }
  const broken = ({ code = 'STORE_UNAVAILABLE', when }: Fault) => new MillpondError(code, `the plan says so, ${when} the call`)

  const one = async <T>(call: FaultyCall, act: () => Promise<T>): Promise<T> => {
    const fault = next(call)
    if (fault?.when === 'before') throw broken(fault)
    const result = await act()
    if (fault !== undefined) throw broken(fault)
    return result
  }
  /** A sequence that fails before its first item, or after two. */
  async function* many<T>(call: FaultyCall, items: AsyncIterable<T>): AsyncGenerator<T> {
    const fault = next(call)
    let left = fault === undefined ? Infinity : fault.when === 'before' ? 0 : 2
    if (left === 0 && fault !== undefined) throw broken(fault)
    for await (const item of items) {
      yield item
      if (--left === 0 && fault !== undefined) throw broken(fault)
    }
  }

  const faulty: Store = {
    ...store,
    put: (...args) => one('put', () => store.put(...args)),
    putIfAbsent: (...args) => one('putIfAbsent', () => store.putIfAbsent(...args)),
    openWriter: (...args) => one('openWriter', () => store.openWriter(...args)),
    read: (...args) => one('read', () => store.read(...args)),
    size: (...args) => one('size', () => store.size(...args)),
    list: (...args) => many('list', store.list(...args)),
    folders: (...args) => many('folders', store.folders(...args)),
    delete: (...args) => one('delete', () => store.delete(...args)),
  }
  return { store: faulty, calls }
}
