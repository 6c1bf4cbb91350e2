/** Length of a piece: little is wasted where thousands of lanes have begun one each, and a block of a megabyte is some dozens. */
export const PIECE_BYTES = 16 * 1024

/** Gives and takes back pieces of `PIECE_BYTES`. */
export interface PiecePool {
  takePiece(): Uint8Array
  giveBackPieces(pieces: readonly Uint8Array[]): void
}

/**
 * Bytes that grow at their end, piece by piece: what is there is neither moved nor doubled by it. A class: it is on the hot path of every archive.
 */
export class Piecewise {
  used = 0
  readonly #pool: PiecePool
  readonly #pieces: Uint8Array[] = []

  constructor(pool: PiecePool) {
    this.#pool = pool
  }

  push(more: Uint8Array): void {
    for (let from = 0; from < more.byteLength;) {
      const at = this.used % PIECE_BYTES
      if (at === 0) this.#pieces.push(this.#pool.takePiece())
      const step = Math.min(PIECE_BYTES - at, more.byteLength - from)
      this.#pieces.at(-1)!.set(more.subarray(from, from + step), at)
      this.used += step
      from += step
    }
  }

  /** Moves all of it to the beginning of `target`, and gives that part. */
  moveTo(target: Uint8Array): Uint8Array {
    for (const [index, piece] of this.#pieces.entries()) {
      const from = index * PIECE_BYTES
      target.set(piece.subarray(0, Math.min(PIECE_BYTES, this.used - from)), from)
    }
    this.#pool.giveBackPieces(this.#pieces.splice(0))
    return target.subarray(0, this.used)
  }
}
