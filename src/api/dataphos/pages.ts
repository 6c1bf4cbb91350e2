import type { IndexedLane } from '../../index/segment-index.ts'
import type { RowFilter } from './row-filter.ts'
import type { Row } from './rows.ts'
import type { IndexView } from './view.ts'
import { type BlockRows, countRows, type LanePart, pageOf, planRows } from './walk.ts'

/** One page of rows. */
export interface Page {
  /** Rows that pass the filter, exactly. */
  readonly total: number
  /** Rows on this page. */
  readonly returned: number
  readonly rows: AsyncIterable<Row>
}

/** What a page is asked of. */
export interface PageRequest {
  readonly filter: RowFilter
  /** The lanes that the caller may see. */
  readonly lanes: readonly IndexedLane[]
  readonly offset: number
  readonly limit: number
  /** Pages with the same name follow each other; undefined where what is asked is another thing each time. */
  readonly name: string | undefined
}

/** Pages of rows, in a total order to which what arrives is only appended while somebody asks for page after page. */
export interface Pages {
  page(request: PageRequest, signal?: AbortSignal): Promise<Page>
}

/** How long an order is kept that nobody asks for. */
const KEPT_MS = 10 * 60_000
const MAX_WALKS = 64
const MAX_KEPT_BLOCKS = 1_000_000

/** What was found for one question so far. A part ends where its lane ended when it was found, so that what comes later comes behind all of it. */
interface Walk {
  parts: LanePart[]
  rows: BlockRows[]
  /** Tells an index that was rewritten or made anew. */
  signature: string
  usedMs: number
  ready: Promise<void>
}

/** Pages over the archive. Between two pages the order is kept: offsets mean the same rows, whatever was archived meanwhile. */
export function createPages(view: IndexView, monotonicMs: () => number): Pages {
  const walks = new Map<string, Walk>()
  const forget = (): void => {
    for (const [name, { usedMs }] of walks) if (monotonicMs() - usedMs > KEPT_MS) walks.delete(name)
    while (walks.size > MAX_WALKS) walks.delete(walks.keys().next().value!)
  }
  const walkOf = (name: string | undefined): Walk => {
    forget()
    const known = name === undefined ? undefined : walks.get(name)
    const walk = known ?? { parts: [], rows: [], signature: '', usedMs: 0, ready: Promise.resolve() }
    walk.usedMs = monotonicMs()
    if (name === undefined) return walk
    // The one that was asked for last leaves last.
    walks.delete(name)
    walks.set(name, walk)
    return walk
  }
  return {
    async page({ filter, lanes, offset, limit, name }, signal) {
      const walk = walkOf(name)
      const extending = walk.ready.then(() => extend(view, walk, { filter, lanes }, signal))
      walk.ready = extending.then(
        () => undefined,
        () => undefined,
      )
      let rows: readonly BlockRows[]
      try {
        rows = await extending
      } catch (error) {
        if (name !== undefined) walks.delete(name)
        throw error
      }
      if (name !== undefined && rows.length > MAX_KEPT_BLOCKS) walks.delete(name)
      const total = rows.reduce((sum, { count = 0 }) => sum + count, 0)
      const returned = Math.max(0, Math.min(limit, total - offset))
      return { total, returned, rows: pageOf(view, { filter, rows, offset, limit: returned }, signal) }
    },
  }
}

/** Finds what is new behind what was found, and gives all of it. */
async function extend(
  view: IndexView,
  walk: Walk,
  { filter, lanes }: { readonly filter: RowFilter; readonly lanes: readonly IndexedLane[] },
  signal?: AbortSignal,
): Promise<readonly BlockRows[]> {
  // Lanes that are new change nothing of what was found.
  const signature = JSON.stringify(lanes.map(({ rewriteSha256 }) => rewriteSha256).filter((sha256) => sha256 !== ''))
  const ends = new Map<string, number>()
  const nameOf = ({ topic, topicId, lane }: IndexedLane): string => JSON.stringify([topic, topicId, lane])
  for (const { lane, to } of walk.parts) ends.set(nameOf(lane), Math.max(to, ends.get(nameOf(lane)) ?? 0))
  const isShorter = lanes.some((lane) => (ends.get(nameOf(lane)) ?? 0) > lane.nextPosition)
  const added = lanes
    .map((lane) => ({ lane, from: ends.get(nameOf(lane)) ?? lane.firstPosition, to: lane.nextPosition }))
    .filter(({ from, to }) => from < to)
  const isStale = isShorter || (walk.parts.length > 0 && walk.signature !== signature)
  const parts = isShorter
    ? lanes.map((lane) => ({ lane, from: lane.firstPosition, to: lane.nextPosition }))
    : [...walk.parts, ...added]
  const sought = isStale ? parts : added
  const found = await planRows(view, { filter, parts: sought }, signal)
  await countRows(view, filter, found, signal)
  walk.rows = isStale ? found : [...walk.rows, ...found]
  walk.parts = parts
  walk.signature = signature
  return walk.rows
}
