/**
 * The kernel: pure functions over one linear memory, bytes in, bytes or columns out. The host (`../kernel.ts`) copies input to
 * somewhere at or behind `arenaStart()`, calls, and copies the result out; nothing is kept between calls but constant tables.
 *
 * Conventions
 * - Pointers and lengths are `usize` and `i32`; a region is given as pointer and length, and no function reads or writes
 *   outside of the regions it is given, but for up to 64 bytes behind a region (`SLACK_BYTES`), which the caller must leave free.
 * - A result is a length or count, 0 or more. A negative result is one of the codes of `errors.ts`; `../fault.ts` gives
 *   each its meaning.
 * - No length, count or offset that comes from input is used before it is checked against what is there.
 * - Columns of messages lie as `columns.ts` says, on both sides.
 * - No allocation, no objects: `load`, `store`, and memory given by the caller.
 */
export { arenaStart } from './arena'
export * from './avro-read'
export { writeRows, writeValues } from './avro-write'
export * from './crc32c'
export { distinctHashes, fillFilter, fillLookup, hashHeaders, hashSpans } from './filter'
export { gatherRows } from './gather'
export { findUnlike, writeLines } from './lines'
export { lz4CompressBlocks } from './lz4'
export { lz4Bound, lz4Decompress } from './lz4-frame'
export { partitionKeys } from './murmur2'
export { readDeltas, readHybrid } from './parquet-read'
export {
  boundsOfBytes, makeDictionary, packDeltas, packIndexes, packLevels, plainNumbers, plainSpans,
} from './parquet-write'
export { readRecords } from './record-read'
export { writeRecords } from './record-write'
export { measureRows } from './rows'
export { snappyFrame, snappyFramedLength, snappyUnframe } from './snappy-frame'
export { snappyCompress, snappyDecompress, snappyLength } from './snappy'
export * from './utf8'
export { xerialBound, xerialCompress, xerialDecompress } from './xerial'
export { hashBytes } from './xxhash64'
export * from './json'
