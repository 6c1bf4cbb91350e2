import type { MessageBatch } from '../batch/batch.ts'
import { headerNameIn } from '../batch/view.ts'
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
  const { bytes, count, headerFrom: before } = batch
  const most = before[count]! - before[0]! + count * set.length
  const headerFrom = new Int32Array(count + 1)
  const nameStart = new Int32Array(most)
  const nameEnd = new Int32Array(most)
  const valueStart = new Int32Array(most)
  const valueEnd = new Int32Array(most)
  let header = 0
  for (let row = 0; row < count; row++) {
    for (let h = before[row]!, own = before[row + 1]!; h < own; h++) {
      const [start, end] = [batch.headerNameStart[h]!, batch.headerNameEnd[h]!]
      const name = nameOf(headerNameIn(bytes, start, end))
      if (name === 'gone') continue
      nameStart[header] = name === 'kept' ? start : name[0]
      nameEnd[header] = name === 'kept' ? end : name[1]
      valueStart[header] = batch.headerValueStart[h]!
      valueEnd[header++] = batch.headerValueEnd[h]!
    }
    for (const place of set) {
      nameStart[header] = place[0]
      nameEnd[header] = place[1]
      valueStart[header] = place[2]
      valueEnd[header++] = place[3]
    }
    headerFrom[row + 1] = header
  }
  return {
    ...batch,
    bytes: extended(bytes, added, used),
    headerFrom,
    headerNameStart: nameStart.subarray(0, header),
    headerNameEnd: nameEnd.subarray(0, header),
    headerValueStart: valueStart.subarray(0, header),
    headerValueEnd: valueEnd.subarray(0, header),
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

/** Says of a header's name where the new one lies, or that it stays or leaves. */
function namesBy({ drop = [], rename = {}, set = {} }: HeaderRemap, place: (text: string) => Place) {
  const isSet = (name: string) => Object.hasOwn(set, name)
  const changes = new Map<string, Place | 'gone'>(Object.keys(set).map((name) => [name, 'gone']))
  for (const [from, to] of Object.entries(rename)) changes.set(from, isSet(to) ? 'gone' : place(to))
  for (const name of drop) changes.set(name, 'gone')
  return (name: string): Place | 'gone' | 'kept' => changes.get(name) ?? 'kept'
}
