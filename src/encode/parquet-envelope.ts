import { leavesOf, type SchemaNode } from './parquet-schema.ts'

/** The columns of the format `parquet`, which loses nothing; see docs/formats.md. */
export const envelopeSchema: readonly SchemaNode[] = [
  { name: 'position', fieldId: 1, repetition: 'required', type: 'INT64', encoding: 'delta', hasBounds: true },
  {
    name: 'timestamp',
    fieldId: 2,
    repetition: 'required',
    type: 'INT64',
    logical: { kind: 'timestamp', unit: 'millis', isUtc: true },
    encoding: 'delta',
    hasBounds: true,
  },
  { name: 'key', fieldId: 3, repetition: 'optional', type: 'BYTE_ARRAY', encoding: 'dictionary', hasBounds: true },
  { name: 'value', fieldId: 4, repetition: 'optional', type: 'BYTE_ARRAY', encoding: 'plain', hasBounds: false },
  {
    name: 'headers',
    fieldId: 5,
    repetition: 'required',
    logical: { kind: 'list' },
    children: [
      {
        name: 'list',
        repetition: 'repeated',
        children: [
          {
            name: 'element',
            fieldId: 6,
            repetition: 'required',
            children: [
              {
                name: 'name',
                fieldId: 7,
                repetition: 'required',
                type: 'BYTE_ARRAY',
                logical: { kind: 'string' },
                encoding: 'dictionary',
                hasBounds: true,
              },
              { name: 'value', fieldId: 8, repetition: 'optional', type: 'BYTE_ARRAY', encoding: 'dictionary', hasBounds: true },
            ],
          },
        ],
      },
    ],
  },
  {
    name: 'id',
    fieldId: 9,
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
