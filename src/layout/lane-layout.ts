import type { MessageBatch } from '../batch/batch.ts'
import { isMillpondError } from '../errors.ts'
import { checkKey } from '../store/key.ts'
import { safePath } from './escape.ts'
import type { Assignment, BatchContext, LaneLayout, ObjectPath, ObjectStart, PathlessMessage } from './layout.ts'
import { createLateTimes } from './late-times.ts'
import type { LaneName, Part } from './parts.ts'
import type { Term, TermReader } from './term.ts'

/** Stands in a path's id where the parts that each object makes anew come in; no text of a message holds it. */
const GAP = '\u0000'
/** Past so many texts or paths what is remembered is forgotten at the next batch. */
const MAX_REMEMBERED = 100_000

/** What happens to messages without a value. */
export type NullValues = 'write' | 'ignore' | 'fail'

export interface LaneLayoutOptions {
  readonly parts: readonly Part[]
  readonly nullValues: NullValues
  /** Where messages without a value go instead; it holds the same parts that objects make anew. */
  readonly nullParts?: readonly Part[]
  /** Messages that are so much older than one before them count to its time, ms; undefined where each counts to its own. */
  readonly lateAfterMs?: number
}

/** A layout of one lane whose keys are made of parts. */
export function openLaneLayout(lane: LaneName, { parts, nullValues, nullParts, lateAfterMs }: LaneLayoutOptions): LaneLayout {
  const objectKey = createKeys(lane, parts)
  const main = createPaths(lane, parts, objectKey)
  const ofNull = nullParts === undefined ? main : createPaths(lane, nullParts, objectKey)
  const late = lateAfterMs === undefined ? undefined : createLateTimes(lateAfterMs)
  const tellsNull = nullValues !== 'write' || nullParts !== undefined
  return {
    objectKey,
    begin: () => late?.begin(),
    assign(batch, given) {
      const context = late === undefined ? given : { ...given, late }
      const paths: ObjectPath[] = []
      const pathOf = new Int32Array(batch.count)
      const pathless: PathlessMessage[] = []
      const find = main.open(batch, context, paths)
      const findNull = ofNull === main ? find : ofNull.open(batch, context, paths)
      for (let row = 0; row < batch.count; row++) {
        const isNull = tellsNull && batch.valueStart[row]! < 0
        if (isNull && nullValues !== 'write') {
          pathOf[row] = -1
          if (nullValues === 'fail') pathless.push({ row, reason: 'it has no value' })
          continue
        }
        const index = isNull ? findNull.find(row) : find.find(row)
        pathOf[row] = index
        if (index < 0) pathless.push({ row, reason: (isNull ? findNull : find).reason(row) })
      }
      return { paths, pathOf, pathless } satisfies Assignment
    },
  }
}

type MakeKey = LaneLayout['objectKey']

interface Paths {
  /** Paths of this batch are put into `paths` as they are found. */
  open(batch: MessageBatch, context: BatchContext, paths: ObjectPath[]): Finder
}

interface Finder {
  /** The index of the row's path, or -1. */
  find(row: number): number
  reason(row: number): string
}

/** A path, found by the numbers of its texts, one after the other. */
interface Node {
  readonly next: Map<number, Node>
  path: ObjectPath | undefined
  /** Why keys of this path are none. */
  fault: string | undefined
  batch: number
  index: number
}

const createNode = (): Node => ({ next: new Map(), path: undefined, fault: undefined, batch: -1, index: -1 })

function createPaths(lane: LaneName, parts: readonly Part[], makeKey: MakeKey): Paths {
  const terms: Term[] = []
  const written = parts.map((part): string | Term => {
    if (part.kind === 'text') return part.text
    if (part.kind === 'lane') return part.write(lane)
    if (part.kind === 'object') return GAP
    const term = part.create()
    terms.push(term)
    return term
  })
  const fixed: Record<string, string> = {}
  for (const part of parts) if (part.kind === 'lane' && part.name !== undefined) fixed[part.name] = part.write(lane)
  const blank = written.map((one) => (typeof one === 'string' ? one : '')).join('')
  const nameBytes = Buffer.byteLength(makeKey({ id: blank, values: {} }, LONGEST_START, 'snappy.parquet', 'headers'))
  let root = createNode()
  let nodes = 0
  let batches = 0
  /** The nodes right below the root, once more: where there is one term they are found faster so. */
  let leaves: Node[] = []
  const descend = (codes: Int32Array): Node => {
    let node = root
    for (const code of codes) {
      let next = node.next.get(code)
      if (next === undefined) {
        next = createNode()
        nodes += 1
        node.next.set(code, next)
        if (node === root) leaves[code] = next
      }
      node = next
    }
    return node
  }
  const pathOf = (codes: Int32Array): ObjectPath => {
    let term = 0
    const id = written.map((one) => (typeof one === 'string' ? one : one.text(codes[term++]!))).join('')
    return { id: safePath(id), values: Object.assign({}, fixed, ...terms.map((one, i) => one.values(codes[i]!))) }
  }
  return {
    open(batch, context, paths) {
      if (nodes > MAX_REMEMBERED || terms.some((term) => term.size() > MAX_REMEMBERED)) {
        for (const term of terms) term.clear()
        root = createNode()
        leaves = []
        nodes = 0
      }
      const thisBatch = (batches += 1)
      const readers = terms.map((term) => term.open(batch, context))
      const count = readers.length
      const codes = new Int32Array(count)
      let last: Node | undefined
      const enter = (node: Node): number => {
        if (node.path === undefined) {
          node.path = pathOf(codes)
          node.fault = faultOf(node.path, makeKey, nameBytes)
        }
        node.batch = thisBatch
        node.index = node.fault === undefined ? paths.push(node.path) - 1 : -1
        return node.index
      }
      const find = (row: number): number => {
        let isSame = last !== undefined
        for (let i = 0; i < count; i++) {
          const code = readers[i]!.code(row)
          if (code < 0) {
            last = undefined
            return -1
          }
          if (code !== codes[i]) isSame = false
          codes[i] = code
        }
        if (isSame) return last!.index
        last = count === 1 ? (leaves[codes[0]!] ?? descend(codes)) : descend(codes)
        return last.batch === thisBatch ? last.index : enter(last)
      }
      return { find, reason: (row) => reasonOf(readers, row) ?? last?.fault ?? 'its path is none that keys can have' }
    },
  }
}

function reasonOf(readers: readonly TermReader[], row: number): string | undefined {
  return readers.find((reader) => reader.code(row) < 0)?.reason(row)
}

/** A start whose parts are as long as they can be. */
const LONGEST_START: ObjectStart = {
  position: Number.MAX_SAFE_INTEGER,
  timestampMs: 0,
  key: undefined,
  id: 'x'.repeat(120),
  nowMs: 0,
  writer: 'x'.repeat(60),
}

/** No segment of a key is longer, bytes. */
const MAX_SEGMENT_BYTES = 255
const ASCII = /^[\0 -~]*$/u

/** Why no object of this path could be stored. */
function faultOf(path: ObjectPath, objectKey: MakeKey, nameBytes: number): string | undefined {
  // Texts are made safe before, so that only their length can be a fault.
  if (path.id.length + nameBytes <= MAX_SEGMENT_BYTES && ASCII.test(path.id)) return undefined
  try {
    checkKey(objectKey(path, LONGEST_START, 'snappy.parquet', 'headers'))
    return undefined
  } catch (error) {
    if (isMillpondError(error, 'KEY_INVALID')) return `its ${error.message}`
    throw error
  }
}

/** Puts the parts that each object makes anew into the gaps of a path's id. */
function createKeys(lane: LaneName, parts: readonly Part[]): MakeKey {
  const own = parts.filter((part) => part.kind === 'object')
  const tellsSibling = own.some((part) => part.tellsSibling === true)
  return ({ id }, start, extension, sibling) => {
    const end = { extension, sibling }
    const pieces = id.split(GAP)
    let key = pieces[0]!
    for (const [i, part] of own.entries()) key += part.write(start, end, lane) + (pieces[i + 1] ?? '')
    return safePath(sibling === undefined || tellsSibling ? key : `${key}.${sibling}.${extension}`)
  }
}
