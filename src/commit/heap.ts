/** Things of which the first is wanted again and again. */
export interface Heap<T> {
  /** One that none comes before; undefined where there is none. */
  readonly first: T | undefined
  add(item: T): void
  removeFirst(): void
}

/** A binary heap; what is in it must not change its place in the order. */
export function createHeap<T>(isBefore: (left: T, right: T) => boolean): Heap<T> {
  const items: T[] = []
  const swap = (a: number, b: number) => {
    const item = items[a]!
    items[a] = items[b]!
    items[b] = item
  }
  return {
    get first() {
      return items[0]
    },
    add(item) {
      let at = items.push(item) - 1
      for (let parent = (at - 1) >> 1; at > 0 && isBefore(items[at]!, items[parent]!); parent = (at - 1) >> 1) {
        swap(at, parent)
        at = parent
      }
    },
    removeFirst() {
      const last = items.pop()
      if (items.length === 0 || last === undefined) return
      items[0] = last
      for (let at = 0; ;) {
        const [left, right] = [2 * at + 1, 2 * at + 2]
        let least = at
        if (left < items.length && isBefore(items[left]!, items[least]!)) least = left
        if (right < items.length && isBefore(items[right]!, items[least]!)) least = right
        if (least === at) return
        swap(at, least)
        at = least
      }
    },
  }
}
