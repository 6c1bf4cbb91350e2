import { type MessageBatch, selectRows } from '../batch/batch.ts'
import type { FormatOptions } from '../encode/format-options.ts'
import type { SegmentFormat } from '../encode/segment-format.ts'
import type { Layout, LaneLayout, ObjectPath } from '../layout/layout.ts'
import type { Unencodable } from '../source/block-queue.ts'
import { groupRows } from './group-rows.ts'
import type { SiblingRules } from './open-sibling.ts'
import type { PreparedValues, ValueKind, Values } from '../values/values.ts'

/** Messages that go to one object, in order. */
export interface Group {
  /** Equal for messages that may share an object, and for no others: of their path and schema. */
  readonly id: string
  readonly path: ObjectPath
  /** The schema of their values, where objects hold one schema each. */
  readonly kind: ValueKind | undefined
  /** The part of `Routed.rows` that they are, from `from` to before `to`. */
  readonly from: number
  readonly to: number
}

/** Where the messages of a batch go. */
export interface Routed {
  /** The messages as objects hold them: where these have one schema each, without what names it. */
  readonly batch: MessageBatch
  /** Those that objects hold, group by group, rising in each; others are left out by the layout. */
  readonly rows: Int32Array
  readonly groups: readonly Group[]
  /** Messages that no object can hold. */
  readonly unencodable: Unencodable | undefined
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

/** What an open object of a lane is known by. */
export const objectId = (path: ObjectPath, kind: ValueKind | undefined): string =>
  kind === undefined ? path.id : `${path.id}\n${kind.id}`

/** A router for what `lane` says. A message has one path and one schema, and so one object. */
export function createRouter(options: RouterOptions): Router {
  const { layout, topic, lane, format, formatOptions, siblings = [], values } = options
  const needsValues = values !== undefined && (format.byKind === true || layout.usesSchemas || layout.fields.length > 0)
  // Made anew for each batch they would be hashed anew.
  const ids = new WeakMap<ObjectPath, Map<string, string>>()
  const idOf = (path: ObjectPath, kind: ValueKind | undefined): string => {
    if (kind === undefined) return path.id
    let byKind = ids.get(path)
    if (byKind === undefined) ids.set(path, (byKind = new Map()))
    let id = byKind.get(kind.id)
    if (id === undefined) byKind.set(kind.id, (id = objectId(path, kind)))
    return id
  }
  return {
    async route(batch, nowMs, signal) {
      const prepared = needsValues ? await values.prepare(batch, signal, topic) : undefined
      const faults: Faults = new Map()
      const blame = (found: readonly Blamed[]) => {
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
      const isOut = (row: number) => pathOf[row] === -1 || (faults.size > 0 && faults.has(row))
      if (kinds !== undefined) blame(findUnfit(data, kinds, isOut))
      const stride = kinds === undefined ? 1 : kinds.kinds.length + 1
      const targetOf = (row: number) => {
        if (isOut(row)) return -1
        return kinds === undefined ? pathOf[row]! : pathOf[row]! * stride + kinds.kindOf[row]! + 1
      }
      const { rows, groups } = groupRows(batch.count, paths.length * stride, targetOf)
      const named = groups.map(({ target, from, to }): Group => {
        const path = paths[Math.floor(target / stride)]!
        const kind = kinds?.kinds[(target % stride) - 1]
        return { id: idOf(path, kind), path, kind, from, to }
      })
      return { batch: data, rows, groups: named, unencodable: unencodableOf(batch, faults) }
    },
  }

  /** What a schema does not describe is only seen where it is known which one. */
  function findUnfit(data: MessageBatch, { kinds, kindOf }: PreparedValues, isOut: (row: number) => boolean): Blamed[] {
    const { rows, groups } = groupRows(data.count, kinds.length + 1, (row) => (isOut(row) ? -1 : kindOf[row]! + 1))
    return groups.flatMap(({ target, from, to }) => {
      const all = to - from === data.count ? data : selectRows(data, rows.subarray(from, to))
      const unfit = format.findUnencodable(all, formatOptions, kinds[target - 1])
      return unfit.map(({ row, reason }) => ({ row: rows[from + row]!, reason }))
    })
  }
}

interface Blamed {
  readonly row: number
  readonly reason: string
}

/** Reasons by row. */
type Faults = Map<number, string>

function unencodableOf(batch: MessageBatch, faults: Faults): Unencodable | undefined {
  if (faults.size === 0) return undefined
  const rows = Int32Array.from(faults.keys()).sort()
  return { batch: selectRows(batch, rows), reasons: Array.from(rows, (row) => faults.get(row)!) }
}

/** The batch with values that begin behind the prefix of their wire format. */
const withDatum = (batch: MessageBatch, { datumStart }: PreparedValues): MessageBatch =>
  datumStart === undefined ? batch : { ...batch, valueStart: datumStart }
