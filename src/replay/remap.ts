import type { MessageBatch } from '../batch/batch.ts'
import { MAX_BATCH_BYTES } from '../batch/builder.ts'
import { MillpondError } from '../errors.ts'

/** What becomes of single headers, by their names. First those to drop leave, then names are changed, then those to set take the place of all of their name. */
export interface HeaderRemap {
  readonly drop?: readonly string[]
  /** By the name as it was. */
  readonly rename?: Readonly<Record<string, string>>
  readonly set?: Readonly<Record<string, string>>
}

const encoder = new TextEncoder()

/** Whether there is nothing to do. */
export const isNoRemap = ({ drop = [], rename = {}, set = {} }: HeaderRemap): boolean =>
  drop.length === 0 && Object.keys(rename).length === 0 && Object.keys(set).length === 0

/**
 * The batch with other headers; those that nothing is said of keep their order and values, and what is set follows them. It shares all else; the
 * new names and values are kept once, behind the bytes of the batch, which are copied.
 * @throws MillpondError `MESSAGE_TOO_LARGE` where the batch would pass 2 GiB.
 */
export function remapHeaders(batch: MessageBatch, remap: HeaderRemap): MessageBatch {
  if (isNoRemap(remap)) return batch
  const added: Uint8Array[] = []
  let used = batch.bytes.byteLength
  const place = (text: string): readonly [start: number, end: number] => {
    const bytes = encoder.encode(text)
    added.push(bytes)
    used += bytes.byteLength
    return [used - bytes.byteLength, used]
  }
  const set = Object.entries(remap.set ?? {}).map(([name, value]) => [...place(name), ...place(value)] as const)
  const nameOf = namesBy(remap, place)
  const names: number[] = []
  const values: number[] = []
  const headerFrom = new Int32Array(batch.count + 1)
  for (let row = 0; row < batch.count; row++) {
    for (let h = batch.headerFrom[row]!; h < batch.headerFrom[row + 1]!; h++) {
      const name = nameOf(batch, batch.headerNameStart[h]!, batch.headerNameEnd[h]!)
      if (name === undefined) continue
      names.push(name[0], name[1])
      values.push(batch.headerValueStart[h]!, batch.headerValueEnd[h]!)
    }
    for (const [nameStart, nameEnd, valueStart, valueEnd] of set) {
      names.push(nameStart, nameEnd)
      values.push(valueStart, valueEnd)
    }
    headerFrom[row + 1] = names.length / 2
  }
  const side = (pairs: readonly number[], offset: 0 | 1) =>
    Int32Array.from({ length: pairs.length / 2 }, (_, i) => pairs[i * 2 + offset]!)
  return {
    ...batch,
    bytes: extended(batch.bytes, added, used),
    headerFrom,
    headerNameStart: side(names, 0),
    headerNameEnd: side(names, 1),
    headerValueStart: side(values, 0),
    headerValueEnd: side(values, 1),
  }
}

function extended(bytes: Uint8Array, added: readonly Uint8Array[], size: number): Uint8Array {
  if (size > MAX_BATCH_BYTES)
    throw new MillpondError('MESSAGE_TOO_LARGE', `a batch holds at most ${MAX_BATCH_BYTES} bytes, not ${size}`)
  const all = new Uint8Array(size)
  all.set(bytes)
  let at = bytes.byteLength
  for (const each of added) {
    all.set(each, at)
    at += each.byteLength
  }
  return all
}

type Place = readonly [start: number, end: number]

/** Gives where the new name of a header lies; undefined for one that leaves. Names are few and come again and again, so each is looked at once. */
function namesBy({ drop = [], rename = {}, set = {} }: HeaderRemap, place: (text: string) => Place) {
  const gone = new Set(drop)
  const isSet = (name: string) => Object.hasOwn(set, name)
  const renamed = new Map(Object.entries(rename).map(([from, to]) => [from, isSet(to) ? undefined : place(to)]))
  return ({ bytes }: MessageBatch, start: number, end: number): Place | undefined => {
    const name = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')
    if (gone.has(name)) return undefined
    if (renamed.has(name)) return renamed.get(name)
    return isSet(name) ? undefined : [start, end]
  }
}
