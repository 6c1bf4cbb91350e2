/** Values by name, of which only so many are kept as were used last. */
export interface Recent<Value> {
  readonly size: number
  get(name: string): Value | undefined
  set(name: string, value: Value): void
  delete(name: string): void
}

/** Keeps up to `maxCount` values. */
export function createRecent<Value>(maxCount: number): Recent<Value> {
  const values = new Map<string, Value>()
  return {
    get size() {
      return values.size
    },
    get(name) {
      const value = values.get(name)
      if (value === undefined) return undefined
      // The order of a map is that of putting in: the first is what was not used longest.
      values.delete(name)
      values.set(name, value)
      return value
    },
    set(name, value) {
      values.delete(name)
      values.set(name, value)
      if (values.size <= maxCount) return
      const [oldest] = values.keys()
      values.delete(oldest!)
    },
    delete(name) {
      values.delete(name)
    },
  }
}
