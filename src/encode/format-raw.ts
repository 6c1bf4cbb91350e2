import { delimiterBytes } from './format-options.ts'
import { lineFormat } from './line-format.ts'
import { notReadable } from './segment-format.ts'

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
  ...notReadable('raw'),
})
