/** A whole Parquet file that this program wrote, taken apart. Source of all numbers: Apache Parquet format 2.12, `parquet.thrift`, read 2026-11. */
import { MillpondError } from '../errors.ts'
import { MAGIC } from './parquet-footer.ts'
import { codecNumbers, type PageCodec } from './parquet-page.ts'
import { readThrift, type ThriftRead } from './parquet-thrift.ts'
import type { FoundBlock } from './segment-format.ts'

/** What the footer of a file says. */
export interface ParquetObject {
  readonly codec: PageCodec
  /** Row groups, which lie one behind the other from the beginning on. */
  readonly blocks: readonly FoundBlock[]
  /** Texts by name. */
  readonly about: ReadonlyMap<string, string>
}

const LENGTH_BYTES = 4

/** Reads the footer of a whole file. @throws MillpondError `SEGMENT_CORRUPT`, `BLOCK_CORRUPT`. */
export function readParquetObject(object: Uint8Array): ParquetObject {
  const { fields, start } = footerOf(object)
  let end = MAGIC.byteLength
  const codecs = new Set<PageCodec>()
  const blocks = listOf(fields.get(4)).map((value): FoundBlock => {
    const group = structOf(value)
    const [offset, bytes, count] = [wholeOf(group.get(5)), wholeOf(group.get(6)), wholeOf(group.get(3))]
    if (offset !== end || bytes > start - end) throw corrupt('its row groups do not lie one after the other')
    end += bytes
    for (const column of listOf(group.get(1))) codecs.add(codecOf(structOf(structOf(column).get(3)).get(4)))
    return { offset, bytes, count }
  })
  const [codec, ...others] = codecs
  if (codec === undefined || others.length > 0) throw corrupt('its columns have not one codec')
  const about = listOf(fields.get(5) ?? []).map((value): [string, string] => {
    const pair = structOf(value)
    return [textOf(pair.get(1)), textOf(pair.get(2))]
  })
  return { codec, blocks, about: new Map(about) }
}

function footerOf(object: Uint8Array): { fields: ReadonlyMap<number, ThriftRead>; start: number } {
  const lengthAt = object.byteLength - MAGIC.byteLength - LENGTH_BYTES
  const isMagic = (at: number) => MAGIC.every((byte, i) => object[at + i] === byte)
  if (lengthAt < MAGIC.byteLength || !isMagic(0) || !isMagic(lengthAt + LENGTH_BYTES))
    throw corrupt('it does not begin and end in PAR1')
  const start = lengthAt - new DataView(object.buffer, object.byteOffset, object.byteLength).getUint32(lengthAt, true)
  if (start < MAGIC.byteLength) throw corrupt('its footer is longer than the file')
  return { fields: readThrift(object.subarray(0, lengthAt), start).fields, start }
}

function codecOf(value: ThriftRead | undefined): PageCodec {
  const found = Object.entries(codecNumbers).find(([, number]) => number === value)
  if (found === undefined) throw corrupt('it has a codec that this program does not write')
  return found[0] as PageCodec
}

const corrupt = (what: string) => new MillpondError('SEGMENT_CORRUPT', `a Parquet file cannot be read: ${what}`)

function structOf(value: ThriftRead | undefined): ReadonlyMap<number, ThriftRead> {
  if (!(value instanceof Map)) throw corrupt('its footer lacks a struct')
  return value as ReadonlyMap<number, ThriftRead>
}

function listOf(value: ThriftRead | undefined): readonly ThriftRead[] {
  if (!Array.isArray(value)) throw corrupt('its footer lacks a list')
  return value as readonly ThriftRead[]
}

function wholeOf(value: ThriftRead | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw corrupt('its footer lacks a number')
  return value
}

function textOf(value: ThriftRead | undefined): string {
  if (!(value instanceof Uint8Array)) throw corrupt('its footer lacks a text')
  return Buffer.from(value).toString()
}
