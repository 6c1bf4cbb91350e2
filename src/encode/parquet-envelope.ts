import { leavesOf, type SchemaNode } from './parquet-schema.ts'

/**
 * The columns of the format `parquet`, which loses nothing; see docs/formats.md. Times are in microseconds and fields have no ids, for Iceberg tables:
 * their readers compare filters with statistics in microseconds whatever the file says, and catalogues give ids of their own.
 */
export const envelopeSchema: readonly SchemaNode[] = [
  { name: 'position', repetition: 'required', type: 'INT64', encoding: 'delta', hasBounds: true },
  {
    name: 'timestamp',

    repetition: 'required',
    type: 'INT64',
    logical: { kind: 'timestamp', unit: 'micros', isUtc: true },
    encoding: 'delta',
    hasBounds: true,
  },
  { name: 'key', repetition: 'optional', type: 'BYTE_ARRAY', encoding: 'dictionary', hasBounds: true },
  { name: 'value', repetition: 'optional', type: 'BYTE_ARRAY', encoding: 'plain', hasBounds: false },
  {
    name: 'headers',

    repetition: 'required',
    logical: { kind: 'list' },
    children: [
      {
        name: 'list',
        repetition: 'repeated',
        children: [
          {
            name: 'element',

            repetition: 'required',
            children: [
              {
                name: 'name',

                repetition: 'required',
                type: 'BYTE_ARRAY',
                logical: { kind: 'string' },
                encoding: 'dictionary',
                hasBounds: true,
              },
              { name: 'value', repetition: 'optional', type: 'BYTE_ARRAY', encoding: 'dictionary', hasBounds: true },
            ],
          },
        ],
      },
    ],
  },
  {
    name: 'id',

    repetition: 'optional',
    type: 'BYTE_ARRAY',
    logical: { kind: 'string' },
    encoding: 'dictionary',
    hasBounds: true,
  },
]

/** They in order: position, timestamp, key, value, name and value of headers, id. */
export const envelopeLeaves = leavesOf(envelopeSchema)

/** Indexes of those that are looked up by. */
export const KEY_COLUMN = 2
export const ID_COLUMN = 6
