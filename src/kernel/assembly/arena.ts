/**
 * The memory's plan. Below 64 KiB: what the compiler places there (`memory.data`). Then tables that are filled on first use, at
 * fixed places so that the module need not carry their zeros. Then the caller's arena.
 */
export const CRC32C_TABLES: usize = 0x10000
/** 32 KiB for places of matches, overwritten by each call that compresses. */
export const MATCH_TABLE: usize = 0x14000
/** 4 KiB. */
export const CRC32C_SHIFT_TABLES: usize = 0x1c000
const ARENA_START: usize = 0x20000

/** First byte that the caller may use, a multiple of 64. */
export function arenaStart(): usize {
  return ARENA_START
}
