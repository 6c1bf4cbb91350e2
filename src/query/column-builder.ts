import { type ColumnType, type Wire, wireOf } from './value-types.ts'

/** Cells of one column, as they travel. */
export interface WireColumn {
  readonly wire: Wire
  /** Cells of a fixed size; those of 64 bits as two words each, the lower one first. */
  readonly cells?: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>
  /** For cells of a fixed size, a bit a row; undefined where no cell is null. */
  readonly valid?: Uint8Array<ArrayBuffer>
  /** For cells of bytes; a start of -1 is null. */
  readonly bytes?: Uint8Array<ArrayBuffer>
  readonly starts?: Int32Array<ArrayBuffer>
  readonly ends?: Int32Array<ArrayBuffer>
  /** Whether bytes are shown as text, those that are none as SQL writes them. */
  readonly isText?: boolean
}

const TWO_32 = 2 ** 32
const encoder = new TextEncoder()

/** Takes the cells of one column, row after row, of as many rows as it was made for. A class: every cell of every value passes through it. */
export class CellBuilder {
  readonly type: ColumnType
  readonly #wire: Wire
  readonly #rows: number
  readonly #cells: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>
  readonly #starts: Int32Array<ArrayBuffer>
  readonly #ends: Int32Array<ArrayBuffer>
  #valid: Uint8Array<ArrayBuffer> | undefined
  #bytes: Uint8Array<ArrayBuffer>
  #used = 0
  #row = 0

  constructor(type: ColumnType, rows: number) {
    this.type = type
    this.#wire = wireOf(type)
    this.#rows = rows
    const isBytes = this.#wire === 'bytes'
    this.#cells = cellsOf(this.#wire, rows)
    this.#starts = new Int32Array(isBytes ? rows : 0)
    this.#ends = new Int32Array(isBytes ? rows : 0)
    this.#bytes = new Uint8Array(isBytes ? Math.max(64, rows * 16) : 0)
  }

  /** Rows so far. */
  get row(): number {
    return this.#row
  }

  putNull(): void {
    const row = this.#row++
    if (this.#wire === 'bytes') this.#starts[row] = -1
    else {
      this.#valid ??= new Uint8Array(Math.ceil(this.#rows / 64) * 8).fill(0xff)
      this.#valid[row >> 3]! &= ~(1 << (row & 7))
    }
  }

  /** A number, or a truth as 0 or 1; text of it in a column of bytes. */
  putNumber(value: number): void {
    if (this.#wire === 'int64') {
      const high = Math.floor(value / TWO_32)
      this.putWords(value - high * TWO_32, high)
    } else if (this.#wire === 'bytes') this.putText(String(value))
    else this.#cells[this.#row++] = value
  }

  /** A whole number of 64 bits as two words. */
  putWords(low: number, high: number): void {
    const at = 2 * this.#row++
    this.#cells[at] = low
    this.#cells[at + 1] = high
  }

  /** A whole number of 64 bits. */
  putBig(value: bigint): void {
    if (this.#wire === 'int64') this.putWords(Number(value & 0xffff_ffffn), Number(value >> 32n))
    else if (this.#wire === 'bytes') this.putText(String(value))
    else this.putNumber(Number(value))
  }

  putBytes(source: Uint8Array, start: number, end: number): void {
    const length = end - start
    const at = this.#reserve(length)
    // Of a few bytes a copy by the engine costs more than a loop.
    if (length < 24) for (let i = 0; i < length; i++) this.#bytes[at + i] = source[start + i]!
    else this.#bytes.set(source.subarray(start, end), at)
    this.#close(at, length)
  }

  putText(text: string): void {
    const at = this.#reserve(text.length * 3)
    this.#close(at, encoder.encodeInto(text, this.#bytes.subarray(at)).written)
  }

  /** The column; nothing can be put behind it. @throws RangeError where there are not as many rows as it was made for. */
  finish(): WireColumn {
    if (this.#row !== this.#rows) throw new RangeError(`a column got ${this.#row} of ${this.#rows} rows`)
    if (this.#wire === 'bytes') {
      const isText = this.type.kind !== 'blob'
      return { wire: 'bytes', bytes: this.#bytes, starts: this.#starts, ends: this.#ends, isText }
    }
    return { wire: this.#wire, cells: this.#cells, ...(this.#valid && { valid: this.#valid }) }
  }

  #reserve(length: number): number {
    const needed = this.#used + length
    if (needed > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.byteLength * 2))
      grown.set(this.#bytes.subarray(0, this.#used))
      this.#bytes = grown
    }
    return this.#used
  }

  #close(at: number, length: number): void {
    const row = this.#row++
    this.#starts[row] = at
    this.#ends[row] = at + length
    this.#used = at + length
  }
}

function cellsOf(wire: Wire, rows: number) {
  if (wire === 'bytes') return new Uint8Array(0)
  if (wire === 'boolean') return new Uint8Array(rows)
  if (wire === 'float') return new Float32Array(rows)
  if (wire === 'double') return new Float64Array(rows)
  return new Int32Array(wire === 'int64' ? 2 * rows : rows)
}
