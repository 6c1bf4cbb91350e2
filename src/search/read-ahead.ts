/** How much may be under way at once; one thing always may. */
export interface ReadAheadLimit<T> {
  readonly count: number
  readonly weight: number
  readonly weightOf: (item: T) => number
}

type Arrival<T> = { readonly item: T } | { readonly end: true; readonly error?: unknown }

/**
 * Starts work on the items that are to come while the results are given in the order of the items. A failure, of an item or of the
 * source, is thrown in its place, after the results before it. Nothing is started while nobody asks.
 */
export async function* readAhead<T, U>(
  source: AsyncIterable<T>,
  start: (item: T) => Promise<U>,
  limit: ReadAheadLimit<T>,
): AsyncGenerator<U> {
  const iterator = source[Symbol.asyncIterator]()
  const queue: { readonly result: Promise<U>; readonly settled: Promise<undefined>; readonly weight: number }[] = []
  let weight = 0
  let coming: Promise<Arrival<T>> | undefined
  let end: Extract<Arrival<T>, { end: true }> | undefined
  try {
    for (;;) {
      while (end === undefined && (queue.length === 0 || (queue.length < limit.count && weight < limit.weight))) {
        coming ??= nextOf(iterator)
        // A result that is ready must not wait for the source.
        const arrived: Arrival<T> | undefined = await (queue.length === 0 ? coming : Promise.race([coming, queue[0]!.settled]))
        if (arrived === undefined) break
        coming = undefined
        if ('end' in arrived) {
          end = arrived
          break
        }
        const result = start(arrived.item)
        const itemWeight = limit.weightOf(arrived.item)
        queue.push({ result, settled: result.then(nothing, nothing), weight: itemWeight })
        weight += itemWeight
      }
      const head = queue.shift()
      if (head === undefined) break
      const result = await head.result
      weight -= head.weight
      yield result
    }
    if (end !== undefined && 'error' in end) throw end.error
  } finally {
    // Not awaited: the source may be waiting for what the caller is about to abort.
    if (end === undefined) Promise.resolve(iterator.return?.()).then(nothing, nothing)
  }
}

const nothing = (): undefined => undefined

async function nextOf<T>(iterator: AsyncIterator<T>): Promise<Arrival<T>> {
  try {
    const next = await iterator.next()
    return next.done === true ? { end: true } : { item: next.value }
  } catch (error) {
    return { end: true, error }
  }
}
