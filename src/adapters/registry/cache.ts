/** Gives what `load` gave for a key before, or has it loaded: once, where many ask at the same time. */
export type SchemaCache<T> = (key: string, load: () => Promise<T>) => Promise<T>

/**
 * A cache of `maxCount` answers that forgets what was not asked for longest. Failures are not remembered, nor what `isLasting` says may change.
 * A load is shared by those who ask meanwhile; where its first caller gave up, each of the others loads again.
 */
export function createSchemaCache<T>(maxCount: number, isLasting: (value: T) => boolean): SchemaCache<T> {
  const known = new Map<string, T>()
  const loading = new Map<string, Promise<T>>()
  const remember = (key: string, value: T) => {
    known.delete(key)
    known.set(key, value)
    if (known.size > maxCount) known.delete(known.keys().next().value!)
  }
  const start = async (key: string, load: () => Promise<T>): Promise<T> => {
    try {
      const value = await load()
      if (isLasting(value)) remember(key, value)
      return value
    } finally {
      loading.delete(key)
    }
  }
  return async (key, load) => {
    if (known.has(key)) {
      const value = known.get(key) as T
      remember(key, value)
      return value
    }
    const other = loading.get(key)
    if (other !== undefined) {
      try {
        return await other
      } catch {
        return load()
      }
    }
    const mine = start(key, load)
    loading.set(key, mine)
    return mine
  }
}
