import { MillpondError } from '../errors.ts'
import { parsePathSegment, pathSegment } from './path-segment.ts'

/** Digits of the largest position, 2^53 - 1: with all of them names sort as positions do. */
const POSITION_DIGITS = 16

/** Compression is an ending of its own: `json.gz`. */
const NAME = /^(\d{16})-([^/]+?)\.((?:[a-z0-9]+\.(?:gz|zst|snappy))|[a-z0-9]+)$/

/** What the `millpond` layout makes a segment's key of. */
export interface SegmentName {
  /** The lane's folder, `<topic>/<lane>`, of path segments. */
  readonly folder: string
  readonly firstPosition: number
  /** Who writes: with it two writers of one lane never want the same key. */
  readonly writer: string
  /** What the format is called in file names: `avro`. */
  readonly extension: string
}

/**
 * The key of a segment in the `millpond` layout: `<folder>/<first position, 16 digits>-<writer>.<extension>`.
 * @throws MillpondError `POSITION_INVALID` for what is no position.
 */
export function segmentKey({ folder, firstPosition, writer, extension }: SegmentName): string {
  if (!Number.isSafeInteger(firstPosition) || firstPosition < 0) {
    throw new MillpondError('POSITION_INVALID', `${firstPosition} is no position`, { details: { firstPosition } })
  }
  return `${folder}/${String(firstPosition).padStart(POSITION_DIGITS, '0')}-${pathSegment(writer)}.${extension}`
}

/** What the key of the `millpond` layout says; undefined for any other key. A writer too long for a path stays as its path segment. */
export function parseSegmentKey(key: string): SegmentName | undefined {
  const end = key.lastIndexOf('/')
  const match = NAME.exec(key.slice(end + 1))
  if (end <= 0 || match === null) return undefined
  const [, digits = '', segment = '', extension = ''] = match
  const writer = parsePathSegment(segment) ?? segment
  const firstPosition = Number(digits)
  return Number.isSafeInteger(firstPosition) ? { folder: key.slice(0, end), firstPosition, writer, extension } : undefined
}
