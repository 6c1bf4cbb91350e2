import type { ObjectStart } from './layout.ts'
import type { Term } from './term.ts'
import { timeTerm, type TimeTermOptions } from './term-time.ts'

/** A lane, as layouts are told it. */
export interface LaneName {
  readonly topic: string
  readonly lane: string
  /** The folder that the lane's chain has, where the caller knows it: another one where a topic was deleted and made again. */
  readonly folder?: string
}

/** What is written behind the name of an object: `extension` is the format's with its compression, like `avro` or `json.gz`. */
export interface ObjectEnd {
  readonly extension: string
  readonly sibling: 'keys' | 'headers' | undefined
}

/** A piece of a key; `isClock` where the wall clock says what it is. */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  /** The same for all messages of a lane. */
  | { readonly kind: 'lane'; readonly write: (lane: LaneName) => string; readonly name?: string }
  /** Made of the message: part of its path. */
  | { readonly kind: 'term'; readonly create: () => Term; readonly isClock?: boolean }
  /** Made of an object's first message: part of its name alone. */
  | {
      readonly kind: 'object'
      readonly write: (start: ObjectStart, end: ObjectEnd, lane: LaneName) => string
      /** Whether it tells siblings apart. */
      readonly tellsSibling?: boolean
      readonly isClock?: boolean
    }

export const text = (written: string): Part => ({ kind: 'text', text: written })

/** The text of a message's time. */
export const timePart = (options: TimeTermOptions): Part => ({
  kind: 'term',
  create: () => timeTerm(options),
  isClock: options.clock.source === 'wallclock',
})

/** An extension split into what the format is called and what compresses the file: `json.gz`, `snappy.parquet`, `parquet.zst`. */
export function splitExtension(extension: string): { readonly format: string; readonly compression: string } {
  const parts = extension.split('.')
  const format = parts.find((part) => !COMPRESSIONS.has(part)) ?? ''
  return { format, compression: parts.filter((part) => part !== format).join('.') }
}

const COMPRESSIONS = new Set(['gz', 'gzip', 'zst', 'zstd', 'zstandard', 'snappy', 'sz', 'lz4', 'br', 'deflate', 'lzo', 'bz2'])

/** `.avro`, `.json.gz`, `.snappy.parquet`: the order that readers of these formats look for. */
export function usualExtension(extension: string): string {
  const { format, compression } = splitExtension(extension)
  if (compression === '') return `.${format}`
  return format === 'parquet' ? `.${compression}.parquet` : `.${format}.${compression}`
}

/** The end of a name: its sibling's infix, and the extension. */
export const extensionPart = (write: (extension: string) => string): Part => ({
  kind: 'object',
  tellsSibling: true,
  write: (_start, { extension, sibling }) => (sibling === undefined ? '' : `.${sibling}`) + write(extension),
})

/** The position of an object's first message. */
export const positionPart = (width: number): Part => ({
  kind: 'object',
  write: ({ position }) => String(position).padStart(width, '0'),
})
