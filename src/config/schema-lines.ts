import { z } from 'zod'
import { type ExtraColumn, isDelimiter, isWrittenField } from '../encode/format-options.ts'
import { optionalOneOf, optionalTruth } from './fields.ts'

const EXTRA_COLUMNS = ['topic', 'lane', 'position', 'timestamp', 'key', 'headers', 'id'] as const satisfies readonly ExtraColumn[]
const FIELDS = 'key, value, position, offset, timestamp, headers, id, and value.<name> for csv'

/** How the formats are written that hold part of a message; what the chosen format does not look at may not be given. */
export const lineOptions = {
  fields: z
    .array(z.string({ error: 'must be text' }).refine(isWrittenField, { error: `must be one of ${FIELDS}` }), {
      error: 'must be a list of fields',
    })
    .min(1, { error: 'must name a field' })
    .meta({
      description:
        'What `value-json`, `value-json-array` and `csv` write of a message, in this order: `key`, `value`, `position` (or `offset`, the same under that name), `timestamp`, `headers`, `id`; for `csv` also fields of a JSON value, such as `value.customer.city`. Without it: values alone, for `csv` position, timestamp, key, value and headers.',
    })
    .optional(),
  envelope: optionalTruth(
    'Whether `value-json` and `value-json-array` write an object of `fields`; false, with one field, what it holds. Without it: true.',
  ),
  keyEncoding: optionalOneOf(
    ['text', 'base64'],
    'How `value-json`, `value-json-array` and `csv` write keys, and `layout.keysFormat` beside objects, which for `base64` are bytes in Avro and Parquet. Without it: `text`.',
  ),
  valueEncoding: optionalOneOf(
    ['json', 'text', 'base64'],
    'How `value-json`, `value-json-array` and `csv` write values. Without it: `json`, for `csv`, which has no `json`, `text`.',
  ),
  headersEncoding: optionalOneOf(
    ['json', 'base64', 'pairs'],
    'How headers are written: a JSON list, whose values are text, or `base64` for `value-json`; `pairs` for `csv`: `base64(name):base64(value);` for each. Without it: `json`.',
  ),
  timestampEncoding: optionalOneOf(
    ['rfc3339', 'ms'],
    'How `value-json`, `value-json-array` and `csv` write timestamps: as `2026-11-21T08:03:59.125Z`, or as milliseconds since 1970. Without it: `rfc3339`.',
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
  extraColumns: z
    .array(z.enum(EXTRA_COLUMNS, { error: `must be one of ${EXTRA_COLUMNS.join(', ')}` }), { error: 'must be a list of columns' })
    .refine((columns) => new Set(columns).size === columns.length, { error: 'must name each column once' })
    .meta({
      description:
        'Columns of `value-parquet` beside those of the values, in front of them and in this order: `topic`, `lane`, `position`, `timestamp`, `key`, `headers`, `id`. They are called `__topic` and so on.',
    })
    .optional(),
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
