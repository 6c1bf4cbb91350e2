/** What of a message is written: one of its parts, or a field of its JSON value, named `value.` and its dotted name. */
export type WrittenField = 'key' | 'value' | 'position' | 'offset' | 'timestamp' | 'headers' | 'id' | `value.${string}`

/** What may stand beside the values of messages. */
export type ExtraColumn = 'topic' | 'lane' | 'position' | 'timestamp' | 'key' | 'headers' | 'id'

/** How the formats are written that hold part of a message; each looks at what concerns it. */
export interface FormatOptions {
  /** Which parts, in this order; without it `value-json` writes the value alone, `csv` the columns of `csvFields`. `offset` is the position under that name. */
  readonly fields?: readonly WrittenField[] | undefined
  /** `value-json`: an object of the fields (default), or, where there is one field only, what it holds. */
  readonly envelope?: boolean | undefined
  readonly keyEncoding?: 'text' | 'base64' | undefined
  /** `json`, which is the default of `value-json`, is for that format alone; `text` is the default of `csv`. */
  readonly valueEncoding?: 'json' | 'text' | 'base64' | undefined
  /** A list of objects with `key` and `value`, `base64` (in `value-json`) with values as base64; `pairs` (in `csv`): base64 of both with `:` between and `;` behind each header. */
  readonly headersEncoding?: 'json' | 'base64' | 'pairs' | undefined
  readonly timestampEncoding?: 'rfc3339' | 'ms' | undefined
  /** `csv`: `none` writes the bytes as they are, so that nobody can tell null from empty, or a sign in a field from one between fields. */
  readonly quoting?: 'rfc4180' | 'none' | undefined
  /** How codec `snappy` frames lines: Snappy's framing format (default), or the one of snappy-java's `SnappyOutputStream`. */
  readonly snappyFraming?: 'standard' | 'xerial' | undefined
  /** `csv`: whether each segment begins with the names of its columns. */
  readonly headerLine?: boolean | undefined
  /** `csv`: the sign between fields, one ASCII character; `raw`: what follows each value, any bytes as `delimiterBytes` reads them. */
  readonly delimiter?: string | undefined
  /** `value-parquet`: columns beside those of the values, `__position` and so on, in this order, each once. */
  readonly extraColumns?: readonly ExtraColumn[] | undefined
  /** `raw`: the end of the name of segments, without its dot. */
  readonly extension?: string | undefined
}

/** Whether the text names a field that can be written. */
export const isWrittenField = (name: string): name is WrittenField =>
  ['key', 'value', 'position', 'offset', 'timestamp', 'headers', 'id'].includes(name) || /^value(?:\.[^.]+)+$/u.test(name)

/** The columns of `csv` unless told otherwise. */
export const csvFields: readonly WrittenField[] = ['position', 'timestamp', 'key', 'value', 'headers']

const HEX = 'hex:'
const encoder = new TextEncoder()

/** The bytes that a delimiter is: its text in UTF-8, or the bytes behind `hex:`. */
export const delimiterBytes = (delimiter: string): Uint8Array =>
  delimiter.startsWith(HEX) ? Uint8Array.from(Buffer.from(delimiter.slice(HEX.length), 'hex')) : encoder.encode(delimiter)

/** Whether the text is one that `delimiterBytes` reads whole. */
export const isDelimiter = (delimiter: string): boolean =>
  !delimiter.startsWith(HEX) || /^(?:[\da-f]{2})*$/iu.test(delimiter.slice(HEX.length))
