import { MillpondError } from '../errors.ts'
import { checkResult } from './fault.ts'
import { type Kernel, SLACK_BYTES, withKernel } from './kernel.ts'

/** What ways to put Snappy's blocks into a stream differ in when they are read. The kernel's results are lengths, or what is wrong. */
interface StreamRules {
  readonly maxBytes: number
  /** The most that a byte can become. */
  readonly maxRatio?: number
  /** What the error says. */
  readonly what: string
  /** How long what comes out is, at the most. */
  readonly lengthOf: (kernel: Kernel, source: number) => number
  /** Writes it to `out`, where there is room for `length` bytes; gives how many it is. */
  readonly unpack: (kernel: Kernel, place: { readonly source: number; readonly out: number; readonly length: number }) => number
}

/** Decompresses streams one behind the other. @throws MillpondError `BLOCK_CORRUPT`, also where more than `maxBytes` would come out. */
export function unpackStreams(bytes: Uint8Array, rules: StreamRules): Uint8Array {
  const { maxBytes, maxRatio = Infinity, what, lengthOf, unpack } = rules
  const stored = bytes.byteLength
  const check = (result: number) => checkResult(result, 'BLOCK_CORRUPT', what)
  const length = withKernel(stored + SLACK_BYTES, (kernel) => {
    kernel.bytes.set(bytes, kernel.arenaStart)
    return check(lengthOf(kernel, kernel.arenaStart))
  })
  if (length > maxBytes || length > stored * maxRatio) {
    throw new MillpondError('BLOCK_CORRUPT', `snappy data of ${stored} bytes claims to hold ${length}`, {
      details: { claimedBytes: length, maxBytes },
    })
  }
  return withKernel(stored + length + 2 * SLACK_BYTES, (kernel) => {
    const source = kernel.arenaStart
    const out = source + stored + SLACK_BYTES
    kernel.bytes.set(bytes, source)
    return kernel.bytes.slice(out, out + check(unpack(kernel, { source, out, length })))
  })
}
