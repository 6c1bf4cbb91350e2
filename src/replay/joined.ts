import { joinBatches } from '../batch/join.ts'
import type { SelectedBatch, SelectedStored } from '../search/read.ts'

type Selected = SelectedBatch | SelectedStored

const bytesOf = (item: Selected): number => ('stored' in item ? storedBytes(item) : item.batch.bytes.byteLength)

/** Bytes of a selection, as it is opened. */
export const storedBytes = ({ stored }: SelectedStored): number => stored.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)

/** The same messages of one lane in fewer items: of about `bytes` each, where those that come are smaller. */
export async function* joined(items: AsyncIterable<Selected>, bytes: number): AsyncGenerator<Selected> {
  let held: Selected[] = []
  let heldBytes = 0
  const take = (): Selected => {
    const item = joinAll(held)
    held = []
    heldBytes = 0
    return item
  }
  for await (const item of items) {
    const [first] = held
    const isOther = first !== undefined && 'stored' in first !== 'stored' in item
    if (first !== undefined && (isOther || heldBytes + bytesOf(item) > bytes)) yield take()
    held.push(item)
    heldBytes += bytesOf(item)
  }
  if (held.length > 0) yield take()
}

/** Items of one kind, one at the least, as one. */
function joinAll(items: readonly Selected[]): Selected {
  const last = items.at(-1)!
  if (items.length === 1) return last
  const stored = items.filter((item) => 'stored' in item)
  if (stored.length > 0) {
    const { lane, nextPosition } = last
    const count = stored.reduce((sum, item) => sum + item.count, 0)
    return { lane, stored: stored.flatMap((item) => item.stored), count, nextPosition }
  }
  const batches = items.filter((item) => 'batch' in item)
  return { ...batches.at(-1)!, batch: joinBatches(batches.map(({ batch }) => batch)) }
}
