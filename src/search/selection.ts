import type { MessageBatch } from '../batch/batch.ts'
import type { SegmentRange } from '../index/segment-directory.ts'
import type { SegmentQuery } from '../index/segment-index.ts'
import type { LaneId } from '../source/lane.ts'
import type { ReadValue } from '../values/decoded.ts'
import { and, type Condition, conditionOf, equals, headerCondition, NONE, type Range, within } from './condition.ts'
import type { FieldTest, MessageFilter } from './filter.ts'
import type { LookupQuestion } from './lookup-question.ts'
import { byPosition, selectInTurns, selectMatching } from './match.ts'
import type { MessageQuery } from './query.ts'
import { readsValues, type RowTest, rowTestOf } from './row-test.ts'
import { hullOf, intersection, type MayHold, type Verdict, verdictOf } from './verdict.ts'

/** A part of a lane that is to be read: positions from `from` to before `to`. */
export interface LaneSpan {
  readonly lane: LaneId
  readonly from: number
  readonly to: number
}

/** Reads the values of a batch. */
export type OpenValues = (batch: MessageBatch) => Promise<ReadValue>

/** What a query means of one lane. */
export interface LaneSelection {
  /** What look-up filters can be asked, each once. */
  readonly questions: readonly LookupQuestion[]
  verdict(range: SegmentRange, mayHold?: MayHold): Verdict
  /** The messages of a batch, which lie within `range`, that are meant; the batch itself where all are, undefined where none is. */
  match(batch: MessageBatch, range: SegmentRange, open: OpenValues, signal: AbortSignal): Promise<MessageBatch | undefined>
}

/** What a query means, lane by lane. */
export interface Selection {
  /** What the index is asked: nothing that is meant lies outside. */
  readonly segments: SegmentQuery
  /** Whether nothing can be meant, whatever the archive holds. */
  readonly isNothing: boolean
  /** Whether look-up filters are asked. */
  readonly asksLookups: boolean
  /** Undefined where nothing of the lane is meant. */
  of(lane: LaneId): LaneSelection | undefined
}

const nameOf = ({ topic, topicId, lane }: LaneId): string => JSON.stringify([topic, topicId, lane])

/** What the query means; where `spans` are given, of those parts of lanes alone. */
export function createSelection(query: MessageQuery, spans?: readonly LaneSpan[]): Selection {
  const all = and(conditionsOf(query, undefined))
  const segments = segmentQuery(query, all, spans)
  const spanOf = spans && new Map(spans.map((span) => [nameOf(span.lane), span]))
  const known = new Map<string, LaneSelection | undefined>()
  return {
    segments,
    isNothing: isEmpty(segments.positions) || isEmpty(segments.timestamps) || segments.lanes?.length === 0 || spans?.length === 0,
    asksLookups: questionsIn(all).length > 0,
    of(lane) {
      const name = nameOf(lane)
      if (known.has(name)) return known.get(name)
      const made = laneSelection(query, lane, spanOf === undefined ? EVERYWHERE : (spanOf.get(name) ?? NOWHERE))
      known.set(name, made)
      return made
    },
  }
}

/** Whether nothing can match, whatever the archive holds. */
export const matchesNothing = (query: MessageQuery): boolean => createSelection(query).isNothing

const EVERYWHERE: Range = { from: -Infinity, to: Infinity }
const NOWHERE: Range = { from: 0, to: 0 }

const isEmpty = (range: Partial<Range> = {}): boolean => (range.from ?? -Infinity) >= (range.to ?? Infinity)

/** All that the query asks but positions, topic and lane. */
function conditionsOf(query: MessageQuery, lane: LaneId | undefined): readonly Condition[] {
  const conditions: Condition[] = [within('timestamp', query.timestamps ?? {})]
  if (query.key !== undefined) conditions.push(equals('key', query.key))
  if (query.id !== undefined) conditions.push(equals('id', new TextEncoder().encode(query.id)))
  for (const { name, equals: value } of query.headers ?? []) {
    conditions.push(headerCondition(name, value === undefined ? { kind: 'there' } : { kind: 'in', values: [value] }))
  }
  if (query.filter !== undefined) conditions.push(conditionOf(query.filter, lane))
  return conditions
}

function segmentQuery(query: MessageQuery, condition: Condition, spans: readonly LaneSpan[] | undefined): SegmentQuery {
  const spanned = spans && {
    from: spans.reduce((least, { from }) => Math.min(least, from), Infinity),
    to: spans.reduce((most, { to }) => Math.max(most, to), -Infinity),
  }
  const positions = intersection(
    intersection({ ...EVERYWHERE, ...query.positions }, hullOf(condition, 'position')),
    spanned ?? EVERYWHERE,
  )
  const timestamps = hullOf(condition, 'timestamp')
  const topics = query.topic === undefined ? (namesIn(query.filter, 'topic') ?? namesOfSpans(spans, 'topic')) : undefined
  const topic = query.topic ?? (topics?.length === 1 ? topics[0] : undefined)
  const lanes = query.lanes ?? (topics?.length === 0 ? [] : (namesIn(query.filter, 'lane') ?? namesOfSpans(spans, 'lane')))
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(query.topicId === undefined ? {} : { topicId: query.topicId }),
    ...(lanes === undefined ? {} : { lanes }),
    ...(query.layout === undefined ? {} : { layout: query.layout }),
    ...bounded('positions', positions),
    ...bounded('timestamps', timestamps),
  }
}

/** The index is asked for lanes by their names where they are not more. */
const MAX_NAMES = 100

function namesOfSpans(spans: readonly LaneSpan[] | undefined, part: 'topic' | 'lane'): readonly string[] | undefined {
  if (spans === undefined) return undefined
  const names = new Set(spans.map(({ lane }) => lane[part]))
  return names.size > MAX_NAMES ? undefined : [...names]
}

function bounded(name: 'positions' | 'timestamps', { from, to }: Range): SegmentQuery {
  if (from >= to) return { [name]: { from: 0, to: 0 } }
  if (from === -Infinity && to === Infinity) return {}
  return { [name]: { ...(from === -Infinity ? {} : { from }), ...(to === Infinity ? {} : { to }) } }
}

/** The only topics or lanes of which messages pass the filter; undefined where it says nothing of them. */
function namesIn(filter: MessageFilter | undefined, field: 'topic' | 'lane'): readonly string[] | undefined {
  if (filter === undefined || 'not' in filter || 'jq' in filter) return undefined
  if ('and' in filter) {
    const all = filter.and.map((part) => namesIn(part, field)).filter((names) => names !== undefined)
    const [first, ...others] = all
    return first?.filter((name) => others.every((names) => names.includes(name)))
  }
  if ('or' in filter) {
    const all = filter.or.map((part) => namesIn(part, field))
    return all.every((names) => names !== undefined) ? [...new Set(all.flat())] : undefined
  }
  return filter.field === field ? namesOf(filter.test) : undefined
}

function namesOf(test: FieldTest): readonly string[] | undefined {
  const operands = 'equals' in test ? [test.equals] : 'in' in test ? test.in : undefined
  return operands?.flatMap((operand) => (typeof operand === 'number' ? [] : [Buffer.from(operand).toString()]))
}

/** A condition with its test, which is made when it is needed. */
interface Part {
  readonly condition: Condition
  readonly readsValues: boolean
  test(): RowTest
}

function laneSelection(query: MessageQuery, lane: LaneId, span: Range): LaneSelection | undefined {
  const isNamed =
    (query.topic ?? lane.topic) === lane.topic &&
    (query.topicId ?? lane.topicId) === lane.topicId &&
    (query.lanes?.includes(lane.lane) ?? true)
  if (!isNamed) return undefined
  const conditions = conditionsOf(query, lane).flatMap((one) => (one.kind === 'and' ? one.parts : [one]))
  const all = and(conditions)
  const asked = intersection({ ...EVERYWHERE, ...query.positions }, span)
  const positions = intersection(asked, hullOf(all, 'position'))
  const timestamps = hullOf(all, 'timestamp')
  if (all === NONE || isEmpty(positions) || isEmpty(timestamps)) return undefined
  const parts = conditions.filter(({ kind }) => kind !== 'all').map(partOf)
  const whole = and([within('position', positions), within('timestamp', timestamps), all])
  return {
    questions: questionsIn(all),
    verdict: (range, mayHold) => verdictOf(whole, range, mayHold),
    async match(batch, range, open, signal) {
      const part = byPosition(batch, positions)
      if (part.count === 0) return undefined
      // Parts that all of the range passes are not asked again for each row.
      const left = parts.filter(({ condition }) => verdictOf(condition, range) !== 'all')
      if (left.length === 0) return part
      const tests = left.toSorted((a, b) => Number(a.readsValues) - Number(b.readsValues)).map((one) => one.test())
      if (!left.some((one) => one.readsValues)) return selectMatching(part, tests, noValue)
      return selectInTurns(part, tests, await open(part), signal)
    },
  }
}

const noValue: ReadValue = () => undefined

function partOf(condition: Condition): Part {
  let test: RowTest | undefined
  return { condition, readsValues: readsValues(condition), test: () => (test ??= rowTestOf(condition)) }
}

/** All questions in the condition, each once. */
function questionsIn(condition: Condition): readonly LookupQuestion[] {
  const found = new Map<string, LookupQuestion>()
  const visit = (one: Condition): void => {
    if (one.kind === 'and' || one.kind === 'or') one.parts.forEach(visit)
    else if (one.kind === 'not') visit(one.part)
    else if (one.kind === 'bytes') for (const question of one.questions) found.set(questionName(question), question)
  }
  visit(condition)
  return [...found.values()]
}

/** Equal for questions that are the same. */
export const questionName = ({ field, value }: LookupQuestion): string =>
  value === undefined ? field : `${field}=${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')}`
