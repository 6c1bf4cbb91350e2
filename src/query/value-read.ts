import type { BlockEntry } from '../encode/segment.ts'
import { MillpondError } from '../errors.ts'
import type { IndexedSegment, SegmentIndex } from '../index/segment-index.ts'
import { openBlocks } from '../search/blocks.ts'
import type { ReadContext } from '../search/context.ts'
import { planSegments, type SegmentPlan } from '../search/plan.ts'
import { createSelection, matchesNothing } from '../search/selection.ts'
import { type Archive, addTotals, lanesOf, type ReadOptions, reading } from '../search/read.ts'
import type { WireColumn } from './column-builder.ts'
import type { Conditions } from './conditions.ts'
import type { QueryPart } from './parts.ts'
import { lineColumn, pathColumn, valueColumn, type ValueTopic } from './value-columns.ts'
import {
  namingObject,
  openValueSegment,
  type ValueOptions,
  type ValueSegment,
  WHOLE_LINE,
  type WantedColumns,
} from './value-segment.ts'
import { type ColumnType, widerColumns } from './value-types.ts'

/** What of a topic of values is read. */
export interface ValueReading extends ValueOptions {
  readonly topic: string
  readonly values: ValueTopic
  readonly conditions: Conditions
  /** Columns of the scan that are wanted. */
  readonly columns: readonly string[]
}

/** Row groups can be large: few wait for whoever reads them. */
const READ_AHEAD = { blocks: 3, bytes: 16 * 1024 * 1024 }

/** Segments of a topic of which something may be wanted, as `planSegments`; what layouts put in paths is looked at too. */
export async function* planTopic(
  context: ReadContext,
  index: SegmentIndex,
  topic: string,
  { paths = {}, ...conditions }: Conditions,
  names: readonly string[] = [],
): AsyncGenerator<SegmentPlan> {
  const wanted = names.flatMap((name, at) =>
    paths[pathColumn(at)] === undefined ? [] : [{ name, texts: paths[pathColumn(at)]! }],
  )
  for await (const plan of planSegments(context, index, createSelection({ ...conditions, topic }))) {
    const { layout } = plan.segment
    // A name that a path does not have is null, of which no condition holds.
    if (wanted.every(({ name, texts }) => layout[name] !== undefined && texts.includes(layout[name]))) yield plan
  }
}

/**
 * The values of a topic that may fulfil the conditions, block by block. Where no more is wanted than what commits say, nothing is read.
 * @throws MillpondError as `search`; `QUERY_FAILED` where an object has columns that the topic's view does not.
 */
export function readValues(archive: Archive, asked: ValueReading, options: ReadOptions): AsyncIterable<QueryPart> {
  const { topic, conditions, values } = asked
  const query = { ...conditions, topic }
  const names = values.paths.map(({ name }) => name)
  return reading(archive, options, READ_AHEAD, async function* (context, stats) {
    addTotals(stats, await lanesOf(archive, query))
    if (matchesNothing(query)) return
    const plans = planTopic(context, archive.index, topic, conditions, names)
    const wanted = wantedOf(asked)
    if (wanted.types.size === 0 && !values.isRaw) {
      for await (const { segment, blocks } of plans)
        for (const block of blocks) yield partOf(segment, block, { names, count: block.count, columns: {} })
      return
    }
    const open = opening(context, asked)
    yield* openBlocks(context, plans, async ({ segment, block }, stored) => {
      const opened = await open(segment)
      const { count, columns } = await namingObject(segment, () => opened.read(stored, block, wanted))
      return partOf(segment, block, { names, count, columns: scanColumns(values, columns) })
    })
  })
}

/** The wanted columns by their names in objects. */
function wantedOf({ values, columns }: ValueReading): WantedColumns {
  const types = new Map<string, ColumnType>()
  for (const [at, { name, type }] of values.columns.entries()) if (columns.includes(valueColumn(at))) types.set(name, type)
  if (columns.includes(lineColumn)) types.set(WHOLE_LINE, { kind: 'text' })
  return { types, isRecord: values.isRecord }
}

function scanColumns({ columns: known }: ValueTopic, columns: ReadonlyMap<string, WireColumn>): Record<string, WireColumn> {
  const found: Record<string, WireColumn> = {}
  for (const [at, { name }] of known.entries()) {
    const column = columns.get(name)
    if (column !== undefined) found[valueColumn(at)] = column
  }
  const line = columns.get(WHOLE_LINE)
  if (line !== undefined) found[lineColumn] = line
  return found
}

interface PartContent {
  readonly names: readonly string[]
  readonly count: number
  readonly columns: Readonly<Record<string, WireColumn>>
}

function partOf(segment: IndexedSegment, block: BlockEntry, { names, count, columns }: PartContent): QueryPart {
  const { firstPosition, lastPosition, minTimestamp, maxTimestamp } = block
  const isDense = lastPosition - firstPosition + 1 === count
  const paths = Object.fromEntries(
    names.flatMap((name, at) => (segment.layout[name] === undefined ? [] : [[pathColumn(at), segment.layout[name]]])),
  )
  const position = isDense ? firstPosition : undefined
  const values = { object: segment.key, minTimestamp, maxTimestamp, firstPosition: position, paths, columns }
  return { lane: segment.lane.lane, count, values }
}

/** Objects that are being read; a few, for their blocks come one after the other. */
const OPEN_SEGMENTS = 8

/** Opens each object once, while its blocks are read. */
function opening(context: ReadContext, asked: ValueReading): (segment: IndexedSegment) => Promise<ValueSegment> {
  const open = new Map<string, Promise<ValueSegment>>()
  const fitting = new Set<unknown>()
  return (segment) => {
    const known = open.get(segment.key)
    if (known !== undefined) return known
    const opened = openValueSegment(context, segment, asked).then((made) => {
      checkColumns(segment, made, asked.values, fitting)
      return made
    })
    // Whoever reads a block of it is told.
    opened.catch(() => undefined)
    const [oldest] = open.keys()
    if (open.size >= OPEN_SEGMENTS && oldest !== undefined) open.delete(oldest)
    open.set(segment.key, opened)
    return opened
  }
}

/** @throws MillpondError `QUERY_FAILED` where the object has a column that the view does not have, or of another type. */
function checkColumns(
  segment: IndexedSegment,
  { columns = [] }: ValueSegment,
  { columns: known }: ValueTopic,
  fitting: Set<unknown>,
): void {
  const shape = JSON.stringify(columns)
  if (fitting.has(shape)) return
  const wider = widerColumns(known, columns)
  const other = wider.filter(({ type }, at) => JSON.stringify(type) !== JSON.stringify(known[at]?.type))
  if (other.length > 0) {
    const message = `object ${segment.key} has columns that those looked at before do not have so: ${other.map(({ name }) => name).join(', ')}; a larger --sample looks at more objects`
    throw new MillpondError('QUERY_FAILED', message, { details: { key: segment.key } })
  }
  fitting.add(shape)
}
