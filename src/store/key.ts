import { Buffer } from 'node:buffer'
import { MillpondError } from '../errors.ts'

/** No key is longer, in bytes of UTF-8: the limit of Amazon S3 ("Object key names", read 2026-11). */
const MAX_KEY_BYTES = 1024
/** No segment of a key is longer, in bytes of UTF-8: the limit of file names in ext4, xfs, APFS and NTFS. */
const MAX_SEGMENT_BYTES = 255

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\\]/
const SURROGATE = /[\ud800-\udfff]/

const invalid = (what: string, text: string, reason: string) =>
  new MillpondError('KEY_INVALID', `${what} ${JSON.stringify(text.slice(0, 200))} ${reason}`, {
    details: { [what]: text.slice(0, 200) },
  })

/** Why the text cannot be one segment of a key, or undefined where it can. */
export function segmentFault(segment: string): string | undefined {
  if (segment === '') return 'has an empty segment'
  if (segment === '.' || segment === '..') return `has the segment "${segment}"`
  if (FORBIDDEN.test(segment)) return 'has a control character or a backslash'
  if (!segment.isWellFormed()) return 'has half of a surrogate pair, which UTF-8 cannot write'
  // A code unit takes three bytes of UTF-8 at most, so most segments need no count.
  if (segment.length * 3 > MAX_SEGMENT_BYTES && Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) {
    return `has a segment longer than ${MAX_SEGMENT_BYTES} bytes`
  }
  return undefined
}

function checkLength(what: string, text: string): void {
  if (text.length * 3 > MAX_KEY_BYTES && Buffer.byteLength(text) > MAX_KEY_BYTES) {
    throw invalid(what, text, `is longer than ${MAX_KEY_BYTES} bytes`)
  }
}

/**
 * Takes a key that every store can hold: `/`-separated segments, none empty, `.` or `..`, without control characters, backslashes
 * and halves of surrogate pairs, each at most 255 bytes, all at most 1,024.
 * @throws MillpondError `KEY_INVALID`.
 */
export function checkKey(key: string): void {
  checkLength('key', key)
  for (const segment of key.split('/')) {
    const fault = segmentFault(segment)
    if (fault !== undefined) throw invalid('key', key, fault)
  }
}

/**
 * Takes what a key can begin with; its last segment may be unfinished.
 * @throws MillpondError `KEY_INVALID`.
 */
export function checkPrefix(prefix: string): void {
  checkLength('prefix', prefix)
  const segments = prefix.split('/')
  const last = segments.pop() ?? ''
  for (const segment of segments) {
    const fault = segmentFault(segment)
    if (fault !== undefined) throw invalid('prefix', prefix, fault)
  }
  if (FORBIDDEN.test(last)) throw invalid('prefix', prefix, 'has a control character or a backslash')
}

/**
 * Takes the prefix of a folder: empty, or ending in `/`.
 * @throws MillpondError `KEY_INVALID`.
 */
export function checkFolderPrefix(prefix: string): void {
  checkPrefix(prefix)
  if (prefix !== '' && !prefix.endsWith('/')) throw invalid('prefix', prefix, 'names no folder: it has to end in "/"')
}

/** Orders keys by their bytes of UTF-8, which is not the order of JavaScript's strings above U+FFFF. */
export function compareKeys(left: string, right: string): number {
  if (left === right) return 0
  const length = Math.min(left.length, right.length)
  for (let at = 0; at < length; at++) {
    let a = left.charCodeAt(at)
    let b = right.charCodeAt(at)
    if (a === b) continue
    // Surrogates stand for code points above all others, but their code units lie below U+E000 to U+FFFF.
    if (a >= 0xd800 && b >= 0xd800) {
      a = a >= 0xe000 ? a - 0x800 : a + 0x2000
      b = b >= 0xe000 ? b - 0x800 : b + 0x2000
    }
    return a - b
  }
  return left.length - right.length
}

/** Sorts keys in place by their bytes of UTF-8. */
export function sortKeys(keys: string[]): string[] {
  // The engine's own order is several times faster and the same, unless there are surrogates.
  return keys.some((key) => SURROGATE.test(key)) ? keys.sort(compareKeys) : keys.sort()
}
