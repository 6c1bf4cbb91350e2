import { randomInt } from 'node:crypto'
import { createReadStats, search } from '../../search/read.ts'
import type { SegmentIndex } from '../../index/segment-index.ts'
import type { MessageQuery } from '../../search/query.ts'
import type { Store } from '../../store/store.ts'
import { measure, rateFigures, spread } from './measure.ts'
import { FIRST_TIMESTAMP_MS, idOf, keyOf } from './messages.ts'

/** Look-ups of one case; each opens store and index anew, so that nothing of ours is warm. */
const LOOKUPS = 25

/** What one look-up asks for, by the number of a message that is there. */
export const lookups: Readonly<
  Record<'search-key' | 'search-id' | 'search-minute', (message: number, messagesPerMs: number) => MessageQuery>
> = {
  'search-key': (message) => ({ key: new TextEncoder().encode(keyOf(message)) }),
  'search-id': (message) => ({ id: idOf(message) }),
  'search-minute': (message, messagesPerMs) => {
    const minute = Math.floor(message / messagesPerMs / 60_000)
    const from = FIRST_TIMESTAMP_MS + minute * 60_000
    return { timestamps: { from, to: from + 60_000 } }
  },
}

interface Opened extends AsyncDisposable {
  readonly store: Store
  readonly index: SegmentIndex
}

/** Times look-ups of messages drawn at random; each must find what it looks for. */
export async function timeLookups(
  open: () => Promise<Opened>,
  topic: string,
  { messages, queryOf }: { readonly messages: number; readonly queryOf: (message: number) => MessageQuery },
) {
  const milliseconds: number[] = []
  let found = 0
  const total = createReadStats()
  const lookUp = async () => {
    const query = { topic, ...queryOf(randomInt(messages)) }
    const stats = createReadStats()
    const start = performance.now()
    await using archive = await open()
    let matched = 0
    for await (const { batch } of search(archive, query, { stats })) matched += batch.count
    milliseconds.push(performance.now() - start)
    if (matched === 0) throw new Error(`nothing was found by ${JSON.stringify(query)}`)
    found += matched
    total.bytesRead += stats.bytesRead
    total.bytesTotal += stats.bytesTotal
    total.blocksRead += stats.blocksRead
  }
  const measured = await measure(async () => {
    for (let i = 0; i < LOOKUPS; i++) await lookUp()
    return found
  })
  const { cpuMicrosPerMessage, peakMemoryMB } = rateFigures(measured)
  const { min, median, max } = spread(milliseconds)
  return {
    milliseconds: median,
    minMilliseconds: min,
    maxMilliseconds: max,
    cpuMicrosPerMessage,
    peakMemoryMB,
    lookups: LOOKUPS,
    foundPerLookup: found / LOOKUPS,
    blocksRead: total.blocksRead / LOOKUPS,
    bytesRead: Math.round(total.bytesRead / LOOKUPS),
    percentRead: Number(((total.bytesRead / total.bytesTotal) * 100).toFixed(3)),
  }
}
