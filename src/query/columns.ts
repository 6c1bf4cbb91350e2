/**
 * What a scan of a topic can give, in this order. Keys, values, ids and headers are text, as `bytes` are written in SQL where they are not UTF-8
 * (`\xFF`); the columns that end in `Bytes` have them as they are.
 */
export const scanColumns = [
  'topic',
  'lane',
  'position',
  'timestamp',
  'key',
  'value',
  'headers',
  'id',
  'key_bytes',
  'value_bytes',
  'header_bytes',
] as const

export type ScanColumn = (typeof scanColumns)[number]

/** The columns of a topic's view. */
export const textColumns = 'topic, lane, position, timestamp, key, value, headers, id'

/** The same for the view in the schema `bytes`. */
export const bytesColumns =
  'topic, lane, position, timestamp, key_bytes AS key, value_bytes AS value, header_bytes AS headers, id'

/** Whether the index alone can give these columns: no message needs to be read. */
export const areInIndex = (columns: readonly string[]): boolean =>
  columns.every((column) => column === 'topic' || column === 'lane')
