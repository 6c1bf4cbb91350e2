import { type MessageBatch, selectRows } from '../batch/batch.ts'
import type { FormatOptions } from '../encode/format-options.ts'
import type { SegmentFormat } from '../encode/segment-format.ts'
import type { Layout, LaneLayout, ObjectPath } from '../layout/layout.ts'
import type { Unencodable } from '../source/block-queue.ts'
import type { SiblingRules } from './open-sibling.ts'
import type { PreparedValues, ValueKind, Values } from '../values/values.ts'

/** Messages that go to one object, in order. */
export interface Group {
  readonly path: ObjectPath
  /** The schema of their values, where objects hold one schema each. */
  readonly kind: ValueKind | undefined
  readonly batch: MessageBatch
}

/** Where the messages of a batch go. */
export interface Routed {
  readonly groups: readonly Group[]
  /** Messages that no object can hold. */
  readonly unencodable: Unencodable | undefined
  /** Those that objects do hold; others are left out by the layout. */
  readonly encodableCount: number
}

/** Splits batches of one lane by the objects that they go to. */
export interface Router {
  /** @throws MillpondError `REGISTRY_UNAVAILABLE`, which passes. */
  route(batch: MessageBatch, nowMs: number, signal: AbortSignal): Promise<Routed>
}

export interface RouterOptions {
  readonly layout: Layout
  readonly topic: string
  readonly lane: LaneLayout
  readonly format: SegmentFormat
  readonly formatOptions?: FormatOptions | undefined
  /** What is written beside each object: what they cannot hold, no object can. */
  readonly siblings?: readonly SiblingRules[]
  /** Needed where the layout asks for fields, or the format for schemas. */
  readonly values: Values | undefined
}

/** A router for what `lane` says. A message has one path and one schema, and so one object. */
export function createRouter(options: RouterOptions): Router {
  const { layout, topic, lane, format, formatOptions, siblings = [], values } = options
  const needsValues = values !== undefined && (format.byKind === true || layout.usesSchemas || layout.fields.length > 0)
  return {
    async route(batch, nowMs, signal) {
      const prepared = needsValues ? await values.prepare(batch, signal, topic) : undefined
      const faults: Faults = new Map()
      const blame = (found: readonly { readonly row: number; readonly reason: string }[]) => {
        for (const { row, reason } of found) if (!faults.has(row)) faults.set(row, reason)
      }
      const kinds = format.byKind === true ? prepared : undefined
      blame(prepared?.unreadable ?? [])
      for (const { rules } of siblings) blame(rules.findUnencodable(batch))
      if (kinds === undefined) blame(format.findUnencodable(batch, formatOptions))
      const kindAt = (row: number) => prepared?.kinds[prepared.kindOf[row]!]
      const { paths, pathOf, pathless } = lane.assign(batch, {
        nowMs,
        ...(prepared === undefined ? {} : { field: (name: string) => prepared.field(name), kind: kindAt }),
      })
      blame(pathless)
      const data = kinds === undefined ? batch : withDatum(batch, kinds)
      const groups: Group[] = []
      for (const [target, rows] of groupRows({ pathOf, kinds, faults })) {
        const path = paths[Math.floor(target / kindCount(kinds))]!
        const kind = kinds?.kinds[(target % kindCount(kinds)) - 1]
        const all = rows.length === batch.count ? data : selectRows(data, Int32Array.from(rows))
        // What a schema does not describe is only seen where it is known which one.
        const unfit = kinds === undefined ? [] : format.findUnencodable(all, formatOptions, kind)
        blame(unfit.map(({ row, reason }) => ({ row: rows[row]!, reason })))
        const fit = unfit.length === 0 ? all : without(all, unfit)
        if (fit.count > 0) groups.push({ path, kind, batch: fit })
      }
      const encodableCount = groups.reduce((sum, group) => sum + group.batch.count, 0)
      return { groups, unencodable: unencodableOf(batch, faults), encodableCount }
    },
  }
}

/** Reasons by row. */
type Faults = Map<number, string>

function unencodableOf(batch: MessageBatch, faults: Faults): Unencodable | undefined {
  if (faults.size === 0) return undefined
  const rows = Int32Array.from(faults.keys()).sort()
  return { batch: selectRows(batch, rows), reasons: Array.from(rows, (row) => faults.get(row)!) }
}

function without(batch: MessageBatch, unfit: readonly { readonly row: number }[]): MessageBatch {
  const bad = new Set(unfit.map(({ row }) => row))
  return selectRows(batch, Int32Array.from(Array.from({ length: batch.count }, (_, row) => row).filter((row) => !bad.has(row))))
}

const kindCount = (kinds: PreparedValues | undefined): number => (kinds?.kinds.length ?? 0) + 1

/** Rows by path and kind, in the order of the first of each: a hot loop over rows, one number a row. */
function groupRows({
  pathOf,
  kinds,
  faults,
}: {
  readonly pathOf: Int32Array
  readonly kinds: PreparedValues | undefined
  readonly faults: Faults
}): Map<number, number[]> {
  const stride = kindCount(kinds)
  const rowsOf = new Map<number, number[]>()
  for (let row = 0; row < pathOf.length; row++) {
    if (pathOf[row] === -1 || (faults.size > 0 && faults.has(row))) continue
    const target = pathOf[row]! * stride + (kinds === undefined ? 0 : kinds.kindOf[row]! + 1)
    const rows = rowsOf.get(target)
    if (rows === undefined) rowsOf.set(target, [row])
    else rows.push(row)
  }
  return rowsOf
}

/** The batch with values that begin behind the prefix of their wire format. */
const withDatum = (batch: MessageBatch, { datumStart }: PreparedValues): MessageBatch =>
  datumStart === undefined ? batch : { ...batch, valueStart: datumStart }
