/** A lane in the hands of a group's member, as its reader sees it. */
export interface HeldLane {
  /** Says that reading began; the returned function says that it ended, whatever was handed out before. */
  beginRead(): () => void
  handedOut(nextPosition: number): void
  acknowledged(nextPosition: number): void
}

/** Tells the holding of the lane what is read, so that it is not given up before its reader is done. */
export async function* watched<T>(
  items: AsyncIterable<T>,
  held: HeldLane | undefined,
  nextPosition: (item: T) => number,
): AsyncGenerator<T> {
  const end = held?.beginRead()
  try {
    for await (const item of items) {
      held?.handedOut(nextPosition(item))
      yield item
    }
  } finally {
    end?.()
  }
}
