import { readFileSync } from 'node:fs'
import { MillpondError } from '../errors.ts'

/** What the WebAssembly module exports; each function is documented where it is written, in `assembly/`. */
export interface KernelExports {
  arenaStart(): number
  crc32c(seed: number, start: number, length: number): number
  hashBytes(start: number, length: number, out: number): void
  measureRows(columns: number, n: number, h: number, bytesLength: number, result: number): number
  gatherRows(columns: number, n: number, h: number, out: number): number
  writeRows(
    columns: number,
    n: number,
    h: number,
    from: number,
    to: number,
    bytes: number,
    out: number,
    pendingBytes: number,
    blockBytes: number,
    result: number,
  ): number
  writeValues(
    columns: number,
    n: number,
    from: number,
    to: number,
    bytes: number,
    out: number,
    pendingBytes: number,
    blockBytes: number,
    result: number,
  ): number
  readRows(source: number, length: number, columns: number, n: number, h: number, result: number): number
  findRowEnds(source: number, length: number, n: number, out: number): number
  hashSpans(columns: number, n: number, from: number, to: number, column: number, bytes: number, out: number): number
  hashHeaders(
    columns: number,
    n: number,
    h: number,
    from: number,
    to: number,
    name: number,
    nameLength: number,
    present: bigint,
    bytes: number,
    out: number,
  ): number
  distinctHashes(hashes: number, count: number, table: number, slots: number): number
  fillFilter(hashes: number, count: number, bits: number, buckets: number): void
  fillLookup(hashes: number, count: number, buckets: number, room: number, out: number): number
  partitionKeys(columns: number, n: number, bytes: number, partitions: number, out: number): void
  isUtf8(start: number, length: number): number
  findNotUtf8(columns: number, n: number, h: number, to: number, bytes: number, out: number): number
  snappyCompress(source: number, length: number, out: number): number
  snappyLength(source: number, length: number): number
  snappyDecompress(source: number, length: number, out: number, outLength: number): number
  xerialBound(source: number, length: number): number
  xerialDecompress(source: number, length: number, out: number, room: number): number
  xerialCompress(source: number, length: number, out: number): number
  lz4Bound(source: number, length: number): number
  lz4Decompress(source: number, length: number, out: number, room: number): number
  lz4CompressBlocks(source: number, length: number, out: number): number
  readRecords(call: number): number
  writeRecords(
    columns: number,
    n: number,
    h: number,
    bytes: number,
    out: number,
    baseOffset: number,
    firstDelta: number,
    baseTimestamp: number,
    marks: number,
    marksAt: number,
    marksLength: number,
  ): number
  readJson(call: number): number
  plainNumbers(source: number, count: number, scale: number, out: number): void
  plainSpans(starts: number, ends: number, count: number, bytes: number, out: number): number
  packDeltas(source: number, count: number, out: number): number
  packLevels(source: number, count: number, width: number, out: number): number
  packIndexes(source: number, count: number, width: number, out: number): number
  makeDictionary(
    source: number,
    length: number,
    size: number,
    table: number,
    slots: number,
    places: number,
    most: number,
    mostBytes: number,
    indexes: number,
    dictionary: number,
    result: number,
  ): number
  boundsOfBytes(source: number, length: number, result: number): number
  readDeltas(source: number, length: number, count: number, scale: number, out: number): number
  readHybrid(source: number, length: number, width: number, count: number, out: number): number
  writeJson(call: number): number
  writeLines(call: number): number
  findUnlike(columns: number, n: number, to: number, column: number, kind: number, bytes: number, out: number): number
  snappyFrame(source: number, length: number, out: number): number
  snappyFramedLength(source: number, length: number): number
  snappyUnframe(source: number, length: number, out: number, outLength: number): number
}

/** One instance with its memory; input and output lie at or behind `arenaStart`. Valid only inside of `withKernel`. */
export interface Kernel {
  readonly exports: KernelExports
  readonly bytes: Uint8Array
  readonly i32: Int32Array
  readonly f64: Float64Array
  /** First byte of the arena, a multiple of 64. */
  readonly arenaStart: number
  /** First byte behind the arena. */
  readonly arenaEnd: number
}

/** Bytes that a kernel function may touch behind a region it is given. */
export const SLACK_BYTES = 64

/** Arena of the instance that serves usual inputs; only pages that are touched cost memory. */
export const USUAL_ARENA_BYTES = 32 * 1024 * 1024

/** A larger instance is kept up to this size, and for so many calls of the usual one. */
const MAX_KEPT_ARENA_BYTES = 128 * 1024 * 1024
const KEPT_CALLS = 4096

const PAGE_BYTES = 65_536
const MAX_PAGES = 65_536
// Covers the constant tables below the arena and the slack behind it.
const RESERVED_BYTES = 4 * PAGE_BYTES

let compiled: WebAssembly.Module | undefined
let usual: Kernel | undefined
/** An instance larger than usual, kept as long as it is wanted now and then: large messages seldom come alone. */
let large: Kernel | undefined
let callsWithoutLarge = 0
let inUse = false

function kernelModule(): WebAssembly.Module {
  if (compiled !== undefined) return compiled
  const file = new URL('kernel.wasm', import.meta.url)
  let wasm: Uint8Array<ArrayBuffer>
  try {
    wasm = readFileSync(file)
  } catch (error) {
    throw new MillpondError('KERNEL_MISSING', 'the compiled kernel is missing: in a checkout, "npm run kernel" builds it', {
      cause: error,
    })
  }
  compiled = new WebAssembly.Module(wasm)
  return compiled
}

/** An instance of its own with an arena of at least `arenaBytes`; `withKernel` is the usual way. */
export function createKernel(arenaBytes: number): Kernel {
  const pages = Math.ceil((arenaBytes + RESERVED_BYTES) / PAGE_BYTES)
  if (pages > MAX_PAGES) {
    throw new MillpondError('MESSAGE_TOO_LARGE', `${arenaBytes} bytes do not fit into the kernel's memory of 4 GiB`, {
      details: { arenaBytes },
    })
  }
  let memory: WebAssembly.Memory
  try {
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  } catch (error) {
    throw new MillpondError('TOO_BUSY', `no memory for ${arenaBytes} bytes of kernel arena`, {
      cause: error,
      details: { arenaBytes },
    })
  }
  const instance = new WebAssembly.Instance(kernelModule(), { env: { memory } })
  const exports = instance.exports as unknown as KernelExports
  const arenaStart = exports.arenaStart()
  return {
    exports,
    bytes: new Uint8Array(memory.buffer),
    i32: new Int32Array(memory.buffer),
    f64: new Float64Array(memory.buffer),
    arenaStart,
    arenaEnd: pages * PAGE_BYTES - SLACK_BYTES,
  }
}

function usualKernel(): Kernel {
  callsWithoutLarge += 1
  if (callsWithoutLarge > KEPT_CALLS) large = undefined
  usual ??= createKernel(USUAL_ARENA_BYTES)
  return usual
}

function largeKernel(neededBytes: number): Kernel {
  callsWithoutLarge = 0
  if (large !== undefined && large.arenaEnd - large.arenaStart >= neededBytes) return large
  // What is too small goes before the next one is made.
  large = undefined
  const kernel = createKernel(neededBytes)
  if (neededBytes <= MAX_KEPT_ARENA_BYTES) large = kernel
  return kernel
}

/**
 * Calls `use` with a kernel whose arena has at least `neededBytes`: the one of this thread where that suffices, otherwise a larger
 * one, which is kept for a while if it is not huge. Everything is synchronous; the arena's content is lost when `use` returns, so copy
 * results out.
 * @throws MillpondError `MESSAGE_TOO_LARGE` past 4 GiB; `INTERNAL` where the kernel traps or calls are nested.
 */
export function withKernel<T>(neededBytes: number, use: (kernel: Kernel) => T): T {
  if (inUse) throw new MillpondError('INTERNAL', 'calls of the kernel must not be nested')
  const kernel = neededBytes <= USUAL_ARENA_BYTES ? usualKernel() : largeKernel(neededBytes)
  inUse = true
  try {
    return use(kernel)
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error
    // What it wrote before it trapped is unknown: its tables are not trusted again.
    usual = undefined
    large = undefined
    throw new MillpondError('INTERNAL', `the kernel trapped: ${error.message}`, { cause: error })
  } finally {
    inUse = false
  }
}
