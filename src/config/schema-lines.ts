import { z } from 'zod'
import { isDelimiter, isWrittenField } from '../encode/format-options.ts'
import { optionalOneOf, optionalTruth } from './fields.ts'

const FIELDS = 'key, value, position, offset, timestamp, headers, id, and value.<name> for csv'

/** How the formats are written that hold lines of part of a message; what the chosen format does not look at may not be given. */
export const lineOptions = {
  fields: z
    .array(z.string({ error: 'must be text' }).refine(isWrittenField, { error: `must be one of ${FIELDS}` }), {
      error: 'must be a list of fields',
    })
    .min(1, { error: 'must name a field' })
    .meta({
      description:
        'What `value-json` and `csv` write of a message, in this order: `key`, `value`, `position` (or `offset`, the same under that name), `timestamp`, `headers`, `id`; for `csv` also fields of a JSON value, such as `value.customer.city`. Without it: `value-json` writes values alone, `csv` position, timestamp, key, value and headers.',
    })
    .optional(),
  envelope: optionalTruth(
    'Whether `value-json` writes an object of `fields`; false, with one field, writes what it holds. Without it: true.',
  ),
  keyEncoding: optionalOneOf(['text', 'base64'], 'How `value-json` and `csv` write keys. Without it: `text`.'),
  valueEncoding: optionalOneOf(
    ['json', 'text', 'base64'],
    'How `value-json` and `csv` write values. Without it: `json` for `value-json`, `text` for `csv`, which has no `json`.',
  ),
  headersEncoding: optionalOneOf(
    ['json', 'base64', 'pairs'],
    'How headers are written: a JSON list, whose values are text, or `base64` for `value-json`; `pairs` for `csv`: `base64(name):base64(value);` for each. Without it: `json`.',
  ),
  timestampEncoding: optionalOneOf(
    ['rfc3339', 'ms'],
    'How `value-json` and `csv` write timestamps: as `2026-11-21T08:03:59.125Z`, or as milliseconds since 1970. Without it: `rfc3339`.',
  ),
  quoting: optionalOneOf(
    ['rfc4180', 'none'],
    "Whether fields of `csv` are quoted where they have to be; `none` writes any bytes as they are, as Aiven's sinks do, so that null and empty are the same. Without it: `rfc4180`.",
  ),
  snappyFraming: optionalOneOf(
    ['standard', 'xerial'],
    "How the codec `snappy` frames `json`, `value-json`, `csv` and `raw`: by Snappy's framing format, or as `SnappyOutputStream` of snappy-java does. Without it: `standard`.",
  ),
  headerLine: optionalTruth('Whether each segment of `csv` begins with the names of its columns. Without it: true.'),
  delimiter: z
    .string({ error: 'must be text' })
    .refine(isDelimiter, { error: 'must be text, or hex: with two digits for each byte' })
    .meta({
      description:
        'The sign between the fields of `csv` (without it: a comma); what follows each value of `raw`, as text or as bytes like `hex:00ff` (without it: a line feed).',
    })
    .optional(),
  extension: z
    .string({ error: 'must be text' })
    .regex(/^[a-z\d]{1,16}$/u, { error: 'must be 1 to 16 small letters and digits' })
    .meta({ description: 'What names of segments in `raw` end in. Without it: `bin`.' })
    .optional(),
}
