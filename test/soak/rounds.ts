/**
 * Takes items round by round: in each round every one of them once, in a new order. `isFree` may put off some; then a later one of the
 * same round comes first, or none where all that is left of the round is not free.
 */
export function createRounds<T>(
  items: readonly T[],
  random: () => number,
): { readonly take: (isFree: (item: T) => boolean) => T | undefined } {
  let left: T[] = []
  return {
    take(isFree) {
      if (left.length === 0) left = shuffled(items, random)
      const at = left.findIndex(isFree)
      return at < 0 ? undefined : left.splice(at, 1)[0]
    },
  }
}

/** The items in an order that is as likely as any other. */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items]
  for (let at = order.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    ;[order[at], order[other]] = [order[other]!, order[at]!]
  }
  return order
}
