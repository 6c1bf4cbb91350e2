import { delimiterBytes } from './format-options.ts'
import { lineFormat } from './line-format.ts'
import { notReadable } from './segment-format.ts'

/** How many delimiters there are: as many as messages, unless a value holds one. */
function countOf(values: Uint8Array, delimiter: Uint8Array): number {
  const buffer = Buffer.from(values.buffer, values.byteOffset, values.byteLength)
  let count = 0
  for (let at = 0; delimiter.byteLength > 0 && (at = buffer.indexOf(delimiter, at)) !== -1; at += delimiter.byteLength) count++
  return count
}

/** Values as they are, each with a delimiter behind it; see docs/formats.md. How many there are cannot be told: a value may hold the delimiter. */
export const rawFormat = lineFormat({
  name: 'raw',
  keepsAll: false,
  extension: ({ extension = 'bin' }) => extension,
  shape: ({ delimiter = '\n' }) => ({
    steps: [
      { write: 'bytes', part: 'value' },
      { write: 'literal', bytes: delimiterBytes(delimiter) },
    ],
    checks: [],
  }),
  count: (values, { delimiter = '\n' }) => countOf(values, delimiterBytes(delimiter)),
  isAmbiguous: true,
  ...notReadable('raw'),
})
