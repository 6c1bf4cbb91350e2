import { type ErrorCode, MillpondError } from '../errors.ts'

/** Meaning of a kernel function's negative result; `assembly/errors.ts` has the same numbers. */
const faults: Readonly<Record<number, string>> = {
  [-1]: 'it ends too early',
  [-2]: 'a number has more bytes than it may',
  [-3]: 'a position or timestamp is no safe integer',
  [-4]: 'a length is negative or passes the end',
  [-5]: 'a union has no such branch',
  [-6]: 'positions do not rise',
  [-7]: 'bytes are left over',
  [-8]: 'the output is full',
  [-9]: 'there are more headers than room',
  [-10]: 'columns point outside of their bytes',
  [-11]: 'a copy reaches before the beginning',
  [-12]: 'a checksum does not match',
  [-13]: 'a frame header is none that can be read',
  [-14]: 'a record does not have the length that it says',
  [-15]: 'an offset does not follow the one before it, or passes the last one',
}

/** The results that callers treat by themselves. */
export const TRUNCATED = -1
export const UNSAFE_INTEGER = -3
export const OUTPUT_FULL = -8
export const HEADERS_FULL = -9

/** The result, where it is not negative. @throws MillpondError `code` with what the kernel found. */
export function checkResult(result: number, code: ErrorCode, what: string, details: Record<string, unknown> = {}): number {
  if (result >= 0) return result
  throw new MillpondError(code, `${what}: ${faults[result] ?? `kernel result ${result}`}`, {
    details: { ...details, fault: result },
  })
}
