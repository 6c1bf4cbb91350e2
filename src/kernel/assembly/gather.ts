import { headersOf, spansOf } from './columns'

/** Bytes between two spans that are rather copied with them than made two pieces of. */
const GAP_BYTES: u32 = 512
/** A piece of the batch's bytes: first byte, end, and where it goes; u32 each. */
const PIECE_BYTES: usize = 12
/** Pieces that a span is compared with: messages one behind the other, and bytes that they share, lie in few. */
const RECENT: i32 = 4

// Module variables, for the loops over rows call out of line: the pieces, which of them were met last, and where each span's is noted.
let pieces: usize = 0
let count: u32 = 0
const recent: usize = memory.data(16)
let pieceOf: usize = 0

/** Puts the span into a piece that it touches or nearly so, otherwise into a new one, and notes which. */
function place(start: u32, end: u32): void {
  for (let i = 0; i < RECENT; i++) {
    const piece = load<u32>(recent + (i << 2))
    if (piece >= count) break
    const at = pieces + piece * PIECE_BYTES
    const low = load<u32>(at)
    const high = load<u32>(at, 4)
    if (start > high + GAP_BYTES || end + GAP_BYTES < low) continue
    if (start < low) store<u32>(at, start)
    if (end > high) store<u32>(at, end, 4)
    if (i > 0) remember(piece, i)
    note(piece)
    return
  }
  const at = pieces + count * PIECE_BYTES
  store<u32>(at, start)
  store<u32>(at, end, 4)
  remember(count, RECENT - 1)
  note(count++)
}

/** Moves a piece to the front of the recent ones; those before place `i` go one back. */
// @ts-ignore: decorator
@inline
function remember(piece: u32, i: i32): void {
  for (; i > 0; i--) store<u32>(recent + (i << 2), load<u32>(recent + ((i - 1) << 2)))
  store<u32>(recent, piece)
}

// @ts-ignore: decorator
@inline
function note(piece: u32): void {
  store<u32>(pieceOf, piece)
  pieceOf += 4
}

/** Moves a span to where its piece goes. */
// @ts-ignore: decorator
@inline
function move(starts: usize, step: usize): void {
  const at = pieces + load<u32>(pieceOf) * PIECE_BYTES
  pieceOf += 4
  const delta = load<u32>(at, 8) - load<u32>(at)
  store<u32>(starts, load<u32>(starts) + delta)
  store<u32>(starts + step, load<u32>(starts + step) + delta)
}

/**
 * Finds the pieces of the batch's bytes that the rows point at and lays them one behind the other, from 0 on: the columns, which must
 * have passed `measureRows`, then count from there. Writes the pieces to `out`, 16 bytes for each span of the columns: first byte, end
 * and new place of each. Gives their number. What lies between two spans is taken along where it is short.
 */
export function gatherRows(columns: usize, n: u32, h: u32, out: usize): i32 {
  pieces = out
  count = 0
  memory.fill(recent, 0xff, 16)
  const step = <usize>n << 2
  const headerStep = <usize>h << 2
  const keyStart = spansOf(columns, n, 0)
  const headerFrom = spansOf(columns, n, 6)
  const nameStart = headersOf(columns, n, h, 0)
  const noted = out + (3 * <usize>n + 2 * <usize>h) * PIECE_BYTES
  const first = load<i32>(headerFrom)
  pieceOf = noted
  let header: u32 = 0
  for (let row: u32 = 0; row < n; row++) {
    let spans = keyStart + (row << 2)
    for (let column = 0; column < 3; column++, spans += step << 1) {
      if (load<i32>(spans) >= 0) place(load<u32>(spans), load<u32>(spans + step))
    }
    const end = <u32>(load<i32>(headerFrom + (row << 2) + 4) - first)
    for (; header < end; header++) {
      spans = nameStart + (header << 2)
      for (let column = 0; column < 2; column++, spans += headerStep << 1) {
        if (load<i32>(spans) >= 0) place(load<u32>(spans), load<u32>(spans + headerStep))
      }
    }
  }

  let used: u32 = 0
  for (let piece: u32 = 0; piece < count; piece++) {
    const at = pieces + piece * PIECE_BYTES
    store<u32>(at, used, 8)
    used += load<u32>(at, 4) - load<u32>(at)
  }

  pieceOf = noted
  header = 0
  for (let row: u32 = 0; row < n; row++) {
    let spans = keyStart + (row << 2)
    for (let column = 0; column < 3; column++, spans += step << 1) {
      if (load<i32>(spans) >= 0) move(spans, step)
    }
    const end = <u32>(load<i32>(headerFrom + (row << 2) + 4) - first)
    for (; header < end; header++) {
      spans = nameStart + (header << 2)
      for (let column = 0; column < 2; column++, spans += headerStep << 1) {
        if (load<i32>(spans) >= 0) move(spans, headerStep)
      }
    }
  }
  return <i32>count
}
