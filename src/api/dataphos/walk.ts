import type { IndexedLane } from '../../index/segment-index.ts'
import { type ReadBlock, readBlocks } from '../../search/blocks.ts'
import type { ReadContext } from '../../search/context.ts'
import { planSegments, type SegmentPlan } from '../../search/plan.ts'
import type { MessageQuery } from '../../search/query.ts'
import { READ_AHEAD, reading } from '../../search/read.ts'
import { createSelection } from '../../search/selection.ts'
import { evaluate, rangeOf, type RowFilter, textsOf } from './row-filter.ts'
import { type BlockFacts, factsOfBlock, factsOfRow, type Row } from './rows.ts'
import type { IndexView } from './view.ts'

/** Positions of a lane: `from` is in, `to` is not. */
export interface LanePart {
  readonly lane: IndexedLane
  readonly from: number
  readonly to: number
}

/** A block in which rows are meant. */
export interface BlockRows {
  readonly part: LanePart
  readonly facts: BlockFacts
  /** Whether every message of it is meant; otherwise each is looked at. */
  readonly isWhole: boolean
  /** How many are meant; undefined until the block was read, where only that tells. */
  count: number | undefined
}

/**
 * The blocks in which rows pass the filter, in the one order of rows: by part as they are given, by first position of the block, by position. What
 * the index, the place and the commit of a block tell is enough for most; only blocks at the edges of what is asked are to be read.
 */
export async function planRows(
  view: IndexView,
  { filter, parts }: { readonly filter: RowFilter; readonly parts: readonly LanePart[] },
  signal?: AbortSignal,
): Promise<BlockRows[]> {
  const rows: BlockRows[] = []
  const asksForCommit = asksFor(filter, ['ingestion_time', 'indexer_ingestion_time'])
  const steps = reading(view.archive, options(signal), READ_AHEAD, async function* (context) {
    for (const part of parts) {
      if (!mayHold(view, filter, part)) continue
      const ofPart: BlockRows[] = []
      for await (const plan of planSegments(context, view.archive.index, createSelection(queryOf(filter, part)))) {
        const ingestionMs = asksForCommit ? await view.commitMs(plan.segment.commitKey, context.signal) : undefined
        ofPart.push(...blockRows(view, filter, { part, plan, ingestionMs }))
        yield undefined
      }
      // As blocks are read where segments lie across each other.
      rows.push(...ofPart.toSorted((a, b) => a.facts.block.firstPosition - b.facts.block.firstPosition))
    }
  })
  for await (const _ of steps);
  return rows
}

const options = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal })

function mayHold(view: IndexView, filter: RowFilter, { lane, from, to }: LanePart): boolean {
  if (from >= to) return false
  const brokerId = view.brokerId(lane.topic)
  return evaluate(filter, (field) => (field === 'broker_id' ? { value: brokerId } : undefined)) !== false
}

/** Whether the filter says something of one of the fields. */
export function asksFor(filter: RowFilter, fields: readonly string[]): boolean {
  if ('field' in filter) return fields.includes(filter.field)
  return ('and' in filter ? filter.and : filter.or).some((part) => asksFor(part, fields))
}

/** What of the filter the index and look-up filters can be asked. */
function queryOf(filter: RowFilter, { lane, from, to }: LanePart): MessageQuery {
  const headers = headerNames(filter).flatMap((field) => {
    const [only, ...others] = textsOf(filter, field) ?? []
    const name = field.replace(/^additional_metadata\./u, '')
    return only === undefined || only === '' || only.startsWith('base64:') || others.length > 0
      ? []
      : [{ name, equals: new TextEncoder().encode(only) }]
  })
  const [key, ...otherKeys] = textsOf(filter, 'ordering_key') ?? []
  return {
    topic: lane.topic,
    topicId: lane.topicId,
    lanes: [lane.lane],
    positions: { from, to },
    timestamps: rangeOf(filter, 'publish_time'),
    ...(headers.length === 0 ? {} : { headers }),
    ...(key === undefined || otherKeys.length > 0 ? {} : { key: new TextEncoder().encode(key) }),
  }
}

function headerNames(filter: RowFilter): readonly string[] {
  if (!('field' in filter)) return [...new Set(('and' in filter ? filter.and : filter.or).flatMap(headerNames))]
  return /^(?:additional_metadata\..|business_(?:source|object)_key$)/su.test(filter.field) ? [filter.field] : []
}

interface PlannedPart {
  readonly part: LanePart
  readonly plan: SegmentPlan
  readonly ingestionMs: number | undefined
}

function blockRows(view: IndexView, filter: RowFilter, { part, plan, ingestionMs }: PlannedPart): BlockRows[] {
  const { segment } = plan
  const shared = { segment, brokerId: view.brokerId(segment.lane.topic), locationKey: view.locationKey(segment.key), ingestionMs }
  const planned = new Set(plan.blocks)
  const rows: BlockRows[] = []
  let before = 0
  for (const block of segment.blocks) {
    const facts = { ...shared, block, before }
    before += block.count
    if (!planned.has(block)) continue
    const held = evaluate(filter, factsOfBlock(facts))
    if (held === false) continue
    const isWhole = held === true && block.firstPosition >= part.from && block.lastPosition < part.to
    rows.push({ part, facts, isWhole, count: isWhole ? block.count : undefined })
  }
  return rows
}

/** Reads the blocks whose rows nobody could count, and counts them. */
export async function countRows(
  view: IndexView,
  filter: RowFilter,
  rows: readonly BlockRows[],
  signal?: AbortSignal,
): Promise<void> {
  const unknown = rows.filter(({ count }) => count === undefined)
  for await (const { rows: block, batch } of readRowBlocks(view, unknown, signal)) {
    let count = 0
    for (let at = 0; at < batch.count; at++) if (isMeant(filter, block, { facts: block.facts, batch, at })) count++
    block.count = count
  }
}

/** Whether the row is meant. */
export const isMeant = (filter: RowFilter, { isWhole, part }: BlockRows, row: Row): boolean => {
  if (isWhole) return true
  const position = row.batch.positions[row.at]!
  return position >= part.from && position < part.to && evaluate(filter, factsOfRow(row)) === true
}

/** The blocks with their messages, in their order. */
export function readRowBlocks(
  view: IndexView,
  rows: readonly BlockRows[],
  signal?: AbortSignal,
): AsyncIterable<{ readonly rows: BlockRows; readonly batch: ReadBlock['batch'] }> {
  const byBlock = new Map(rows.map((one) => [one.facts.block, one]))
  return reading(view.archive, options(signal), READ_AHEAD, async function* (context: ReadContext) {
    for await (const { block, batch } of readBlocks(context, plansOf(rows))) yield { rows: byBlock.get(block)!, batch }
  })
}

/** The blocks by part and segment, as they are read. */
async function* plansOf(rows: readonly BlockRows[]): AsyncGenerator<SegmentPlan> {
  const parts = new Map<LanePart, Map<BlockFacts['segment'], BlockFacts['block'][]>>()
  for (const { part, facts } of rows) {
    const segments = parts.get(part) ?? new Map<BlockFacts['segment'], BlockFacts['block'][]>()
    parts.set(part, segments)
    const blocks = segments.get(facts.segment)
    if (blocks === undefined) segments.set(facts.segment, [facts.block])
    else blocks.push(facts.block)
  }
  for (const segments of parts.values()) {
    const plans = [...segments].map(([segment, blocks]) => ({ segment, blocks }))
    yield* plans.toSorted((a, b) => a.segment.firstPosition - b.segment.firstPosition)
  }
}

/** The rows from `offset` on, `limit` of them, of blocks that are counted; blocks before them are not read. */
export async function* pageOf(
  view: IndexView,
  {
    filter,
    rows,
    offset,
    limit,
  }: { readonly filter: RowFilter; readonly rows: readonly BlockRows[]; readonly offset: number; readonly limit: number },
  signal?: AbortSignal,
): AsyncGenerator<Row> {
  if (limit <= 0) return
  const [first, end] = [offset, offset + limit]
  let before = 0
  let toSkip = 0
  const meant = rows.filter((block) => {
    const from = before
    before += block.count ?? 0
    if (from <= first && first < before) toSkip = first - from
    return block.count !== 0 && from < end && before > first
  })
  let left = limit
  for await (const { rows: block, batch } of readRowBlocks(view, meant, signal)) {
    for (let at = 0; at < batch.count; at++) {
      const row = { facts: block.facts, batch, at }
      if (!isMeant(filter, block, row)) continue
      if (toSkip > 0) toSkip--
      else {
        yield row
        if (--left === 0) return
      }
    }
  }
}
