import { type Dictionary, makeDictionary, packDeltas } from '../kernel/parquet.ts'
import type { BufferPool } from './block-encoder.ts'
import { boundsOf } from './parquet-bounds.ts'
import { encodings, levelBytes, makePage, type Page, type PageOptions } from './parquet-page.ts'
import type { ChunkSummary, ValueBounds } from './parquet-row-group.ts'
import type { LeafColumn } from './parquet-schema.ts'

/** The values of a column in one row group. */
export interface ColumnChunk {
  readonly summary: ChunkSummary
  /** Its pages, one behind the other. */
  readonly pieces: readonly Uint8Array[]
  /** Whether a dictionary was made of its first page. */
  readonly hasDictionary: boolean
}

/** How columns are written. */
export interface ColumnOptions extends PageOptions {
  /** Bytes of a page before compression; a page with one large value has more. */
  readonly pageBytes: number
  /** Buffers of `pageBytes`. */
  readonly pool: BufferPool
}

/** Room in front of a page's values for its levels: where all are alike, they take less. */
const HEAD_BYTES = 64
/** Columns that stay below this have a buffer of their own: lanes may be thousands. */
const SMALL_BYTES = 32 * 1024
const FIRST_BYTES = 1024
const NO_BYTES = new Uint8Array(0)

/** Room is taken for the most that so many characters can be; longer texts are measured. */
const SHORT_TEXT = 1024
const encoder = new TextEncoder()

/** A call to copy costs more than the few bytes that most texts have. */
const SHORT_BYTES = 32

/** In larger pages, which hold one large value, bounds and a dictionary are not looked for. */
const MOST_EXAMINED_BYTES = 16 * 1024 * 1024
const MAX_DICTIONARY_BYTES = 1024 * 1024
const MAX_DICTIONARY_COUNT = 1 << 18
/** A dictionary pays where the first page is left with this share at the most. */
const DICTIONARY_SHARE = 0.75

/**
 * The values of one column in one row group: those of the page that is filling as PLAIN from `bytes[64]` on, with a level of each. A class: it is
 * on the hot path, and its buffers grow with each value.
 */
export class ColumnBuilder {
  readonly leaf: LeafColumn
  readonly #options: ColumnOptions
  /** The values of the page, of which the first begins at byte 64; only `reserve` replaces them. */
  bytes: Uint8Array = NO_BYTES
  view: DataView = new DataView(NO_BYTES.buffer)
  used = HEAD_BYTES
  #isPooled = false
  #levels = 0
  #definition: Uint8Array = NO_BYTES
  #repetition: Uint8Array = NO_BYTES
  #count = 0
  #nulls = 0
  readonly #pages: Promise<Page>[] = []
  readonly #encodings = new Set<number>([encodings.rle])
  #dictionary: Pick<Dictionary, 'count' | 'values'> | undefined
  #triesDictionary: boolean
  #bounds: ValueBounds | undefined
  #hasBounds: boolean

  constructor(leaf: LeafColumn, options: ColumnOptions, triesDictionary: boolean) {
    this.leaf = leaf
    this.#options = options
    this.#triesDictionary = triesDictionary
    this.#hasBounds = leaf.hasBounds
  }

  /** Makes room for `more` bytes of values. */
  reserve(more: number): void {
    const needed = this.used + more
    if (needed <= this.bytes.byteLength) return
    const { pool, pageBytes } = this.#options
    const isLarge = needed > SMALL_BYTES || this.#pages.length > 0
    const isPooled = isLarge && needed <= pageBytes && pool.isPlenty
    const grown = isPooled ? pool.take() : new Uint8Array(Math.max(FIRST_BYTES, needed, 2 * this.bytes.byteLength))
    grown.set(this.bytes.subarray(0, this.used))
    if (this.#isPooled) pool.giveBack(this.bytes)
    this.bytes = grown
    this.view = new DataView(grown.buffer, grown.byteOffset, grown.byteLength)
    this.#isPooled = isPooled
  }

  /** Takes PLAIN values that were written elsewhere; their levels are told with `addLevels`. */
  push(plain: Uint8Array): void {
    this.reserve(plain.byteLength)
    this.bytes.set(plain, this.used)
    this.used += plain.byteLength
  }

  /** Takes `length` bytes from `start` on as a value of BYTE_ARRAY; its level is told with `addLevel`. */
  pushBytes(from: Uint8Array, start: number, length: number): void {
    this.reserve(4 + length)
    this.view.setUint32(this.used, length, true)
    const at = this.used + 4
    const { bytes } = this
    if (length > SHORT_BYTES) bytes.set(from.subarray(start, start + length), at)
    else for (let i = 0; i < length; i++) bytes[at + i] = from[start + i]!
    this.used = at + length
  }

  /** Takes a text as a value of BYTE_ARRAY; its level is told with `addLevel`. */
  pushText(content: string): void {
    const room = content.length <= SHORT_TEXT ? 3 * content.length : Buffer.byteLength(content)
    this.reserve(4 + room)
    const { written } = encoder.encodeInto(content, this.bytes.subarray(this.used + 4))
    this.view.setUint32(this.used, written, true)
    this.used += 4 + written
  }

  /** Takes the levels of one value, be it there or not. */
  addLevel(definition: number, repetition: number): void {
    const at = this.#levels++
    if (this.leaf.maxDefinition > 0) {
      if (at >= this.#definition.byteLength) this.#definition = grownLevels(this.#definition, at + 1)
      this.#definition[at] = definition
    }
    if (this.leaf.maxRepetition > 0) {
      if (at >= this.#repetition.byteLength) this.#repetition = grownLevels(this.#repetition, at + 1)
      this.#repetition[at] = repetition
    }
  }

  /** Takes the levels of `count` values; what the column cannot have is not looked at. */
  addLevels(count: number, definition: Uint8Array | undefined, repetition: Uint8Array | undefined): void {
    const needed = this.#levels + count
    if (this.leaf.maxDefinition > 0) {
      if (needed > this.#definition.byteLength) this.#definition = grownLevels(this.#definition, needed)
      this.#definition.set(definition!.subarray(0, count), this.#levels)
    }
    if (this.leaf.maxRepetition > 0) {
      if (needed > this.#repetition.byteLength) this.#repetition = grownLevels(this.#repetition, needed)
      this.#repetition.set(repetition!.subarray(0, count), this.#levels)
    }
    this.#levels = needed
  }

  /** Says that rows begin whose values have about `bytes`: a page may end before them. Not to be called within the kernel. */
  beginRows(bytes: number): void {
    // A reader finds the rows of a row group by the one page of its first column.
    if (this.leaf.encoding === 'delta' || this.#levels === 0) return
    if (this.used + bytes > this.#options.pageBytes) this.#seal()
  }

  /** Ends the column; it must not be used afterwards. */
  close(): Promise<ColumnChunk> {
    if (this.#levels > 0 || this.#pages.length === 0) this.#seal()
    const dictionary =
      this.#dictionary &&
      makePage(
        { kind: 'dictionary', encoding: encodings.plain, count: this.#dictionary.count, bytes: this.#dictionary.values },
        this.#options,
      )
    if (dictionary) this.#encodings.add(encodings.plain)
    if (dictionary && this.#hasBounds) this.#addBounds(this.#dictionary!.values)
    const known = { encodings: [...this.#encodings], count: this.#count, nullCount: this.#nulls, bounds: this.#bounds }
    return joinPages(dictionary, this.#pages, known)
  }

  /** Ends the page, and has it compressed. */
  #seal(): void {
    const { maxDefinition, maxRepetition } = this.leaf
    const definition = this.#definition.subarray(0, this.#levels)
    const repetition = this.#repetition.subarray(0, this.#levels)
    const nulls = maxDefinition === 0 ? 0 : nullsIn(definition, maxDefinition)
    const levels =
      maxRepetition === 0
        ? levelBytes(definition, maxDefinition)
        : Buffer.concat([levelBytes(repetition, maxRepetition), levelBytes(definition, maxDefinition)])
    const { encoding, bytes } = this.#pageOf(levels, this.#levels - nulls)
    const made = makePage({ kind: 'data', encoding, count: this.#levels, bytes }, this.#options)
    const { pool } = this.#options
    const buffer = this.#isPooled ? this.bytes : undefined
    // Whoever asks for the column is told of what fails.
    void made.catch(() => undefined).then(() => buffer && pool.giveBack(buffer))
    this.#pages.push(made)
    this.#encodings.add(encoding)
    this.#count += this.#levels
    this.#nulls += nulls
    this.bytes = NO_BYTES
    this.#isPooled = false
    this.used = HEAD_BYTES
    this.#levels = 0
  }

  #pageOf(levels: Uint8Array, values: number): { encoding: number; bytes: Uint8Array } {
    const plain = this.bytes.subarray(HEAD_BYTES, this.used)
    const { encoding, type } = this.leaf
    const indexes = encoding === 'dictionary' ? this.#indexesOf(plain, values) : undefined
    if (indexes !== undefined) return { encoding: encodings.dictionary, bytes: Buffer.concat([levels, indexes]) }
    if (this.#hasBounds && plain.byteLength > 0) this.#addBounds(plain)
    if (encoding === 'delta' && plain.byteLength > 0)
      return { encoding: encodings.delta, bytes: Buffer.concat([levels, packDeltas(plain)]) }
    const start = HEAD_BYTES - levels.byteLength
    if (type === 'BOOLEAN' || start < 0 || this.bytes.byteLength < HEAD_BYTES)
      return { encoding: encodings.plain, bytes: Buffer.concat([levels, type === 'BOOLEAN' ? packTruths(plain) : plain]) }
    this.bytes.set(levels, start)
    return { encoding: encodings.plain, bytes: this.bytes.subarray(start, this.used) }
  }

  /** Indexes into the dictionary; undefined where it does not pay, or has become too large: then pages are PLAIN from here on. */
  #indexesOf(plain: Uint8Array, values: number): Uint8Array | undefined {
    if (!this.#triesDictionary) return undefined
    const isFirst = this.#dictionary === undefined
    if (isFirst && values < 2) return undefined
    const maxCount = isFirst ? values >> 1 : MAX_DICTIONARY_COUNT
    const limits = { maxCount: Math.min(maxCount, MAX_DICTIONARY_COUNT), maxBytes: MAX_DICTIONARY_BYTES }
    const isSmall = plain.byteLength <= MOST_EXAMINED_BYTES
    const dictionary = isSmall ? makeDictionary(plain, values, sizeOf(this.leaf), limits, this.#dictionary) : undefined
    const bytes = dictionary && dictionary.values.byteLength + dictionary.indexes.byteLength
    if (bytes === undefined || (isFirst && bytes > plain.byteLength * DICTIONARY_SHARE)) {
      this.#triesDictionary = false
      return undefined
    }
    this.#dictionary = dictionary
    return dictionary!.indexes
  }

  #addBounds(plain: Uint8Array): void {
    const bounds = plain.byteLength <= MOST_EXAMINED_BYTES ? boundsOf(this.leaf.type, plain, this.#bounds) : undefined
    this.#bounds = bounds
    this.#hasBounds = bounds !== undefined
  }
}

/** Bytes of each value; 0 where they begin with their length. */
function sizeOf({ type, typeLength }: LeafColumn): number {
  if (type === 'FIXED_LEN_BYTE_ARRAY') return typeLength!
  return { BOOLEAN: 1, INT32: 4, INT64: 8, FLOAT: 4, DOUBLE: 8, BYTE_ARRAY: 0 }[type]
}

const grownLevels = (levels: Uint8Array, needed: number): Uint8Array => {
  const grown = new Uint8Array(Math.max(256, needed, 2 * levels.byteLength))
  grown.set(levels)
  return grown
}

function nullsIn(definition: Uint8Array, max: number): number {
  let nulls = 0
  for (let i = 0; i < definition.length; i++) if (definition[i] !== max) nulls++
  return nulls
}

/** Truths of a byte each as bits, lowest first. */
function packTruths(truths: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(truths.length / 8))
  for (let i = 0; i < truths.length; i++) bits[i >> 3]! |= truths[i]! << (i & 7)
  return bits
}

async function joinPages(
  dictionary: Promise<Page> | undefined,
  pages: readonly Promise<Page>[],
  known: Pick<ChunkSummary, 'count' | 'nullCount' | 'encodings' | 'bounds'>,
): Promise<ColumnChunk> {
  const made = await Promise.all(dictionary === undefined ? pages : [dictionary, ...pages])
  const sum = (of: (page: Page) => number) => made.reduce((total, page) => total + page.header.byteLength + of(page), 0)
  const summary = {
    ...known,
    bytes: sum(({ bytes }) => bytes.byteLength),
    rawBytes: sum(({ rawBytes }) => rawBytes),
    dictionaryBytes: dictionary === undefined ? 0 : made[0]!.header.byteLength + made[0]!.bytes.byteLength,
  }
  return {
    summary,
    pieces: made.flatMap(({ header, bytes }) => [header, bytes]),
    hasDictionary: dictionary !== undefined,
  }
}
