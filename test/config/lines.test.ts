import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/load.ts'
import type { MillpondError } from '../../src/errors.ts'
import { segmentFormat } from '../../src/encode/formats.ts'

const check = (archive: string) =>
  checkConfig(
    `archive: { ${archive} }`,
    { file: '/etc/pond/millpond.yaml', folder: '/etc/pond' },
    { env: {}, readFile: () => Promise.reject(new Error('no')) },
  )
const refusal = (archive: string): Promise<string> =>
  check(archive).then(
    () => '',
    (error: MillpondError) => error.message,
  )

describe('archive.format and its options', () => {
  it.each([
    { archive: 'format: avro, codec: gzip', mistake: 'format avro has no codec gzip: it has zstandard, deflate, snappy, null' },
    {
      archive: 'format: json, codec: deflate',
      mistake: 'format json has no codec deflate: it has zstandard, gzip, snappy, null',
    },
    { archive: 'format: raw, codec: gzip, level: 12', mistake: 'must be from 1 to 9 for the codec gzip, not 12' },
    {
      archive: 'format: value-json, schemaCompatibility: full',
      mistake: 'is for the formats value-avro and value-parquet, not value-json',
    },
    { archive: 'format: value-parquet, schemaCompatibility: full', mistake: 'set registry.urls' },
    { archive: 'format: value-avro, schemaCompatibility: FULL', mistake: 'must be one of none, backward, forward, full' },
    { archive: 'format: parquet, extraColumns: [key]', mistake: 'is for the formats value-parquet, not parquet' },
    { archive: 'format: value-parquet, extraColumns: [offset]', mistake: 'must be one of topic, lane, position' },
    { archive: 'format: value-parquet, extraColumns: [key, key]', mistake: 'must name each column once' },
    {
      archive: 'format: avro, keyEncoding: base64',
      mistake: 'is for the formats value-json, value-json-array and csv, not avro',
    },
    { archive: 'format: json, fields: [key]', mistake: 'is for the formats value-json, value-json-array and csv, not json' },
    { archive: 'format: value-json, headerLine: false', mistake: 'is for the formats csv, not value-json' },
    { archive: 'format: csv, fields: [key, vale]', mistake: 'must be one of key, value, position' },
    { archive: 'format: csv, fields: []', mistake: 'must name a field' },
    { archive: 'format: csv, delimiter: ";;"', mistake: 'must be one ASCII character for the format csv' },
    { archive: 'format: csv, delimiter: "\\n"', mistake: 'must be neither a quote nor a line break' },
    { archive: 'format: csv, valueEncoding: json', mistake: 'must be text or base64 for the format csv' },
    { archive: 'format: csv, headersEncoding: base64', mistake: 'must be json or pairs for the format csv' },
    { archive: 'format: value-json, headersEncoding: pairs', mistake: 'must be json or base64 for the format value-json' },
    { archive: 'format: csv, quoting: none', mistake: 'must be rfc4180 where headers is a column' },
    { archive: 'format: csv, quoting: none, fields: [value.a]', mistake: 'must be rfc4180 where value.a is a column' },
    { archive: 'format: value-json, quoting: none', mistake: 'is for the formats csv, not value-json' },
    {
      archive: 'format: avro, snappyFraming: xerial',
      mistake: 'is for the formats json, value-json, value-json-array, csv and raw, not avro',
    },
    { archive: 'format: raw, delimiter: "hex:0"', mistake: 'must be text, or hex: with two digits for each byte' },
    { archive: 'format: raw, extension: .bin', mistake: 'must be 1 to 16 small letters and digits' },
    { archive: 'format: value-json, fields: [value.a]', mistake: 'value.a is for the format csv' },
    { archive: 'format: value-json, fields: [key, key]', mistake: 'must name each field once' },
    {
      archive: 'format: value-json, fields: [key, value], envelope: false',
      mistake: 'must be true where there are several fields',
    },
  ])('refuses { $archive }', async ({ archive, mistake }) => {
    expect(await refusal(archive)).toContain(mistake)
  })

  it.each([
    { archive: 'format: json, codec: gzip, level: 9', options: {} },
    { archive: 'format: kafka, codec: gzip', options: {} },
    {
      archive: 'format: value-json-array, fields: [value], envelope: false, codec: gzip',
      options: { fields: ['value'], envelope: false },
    },
    { archive: 'format: value-parquet, extraColumns: [lane, position]', options: { extraColumns: ['lane', 'position'] } },
    {
      archive: 'format: value-json, fields: [key, value, offset, timestamp, headers], timestampEncoding: ms',
      options: { fields: ['key', 'value', 'offset', 'timestamp', 'headers'], timestampEncoding: 'ms' },
    },
    {
      archive: 'format: csv, fields: [value.a.b, id], delimiter: "\\t", headerLine: false',
      options: { fields: ['value.a.b', 'id'], delimiter: '\t', headerLine: false },
    },
    {
      archive: 'format: csv, fields: [key, headers], quoting: none, headersEncoding: pairs, snappyFraming: xerial',
      options: { fields: ['key', 'headers'], quoting: 'none', headersEncoding: 'pairs', snappyFraming: 'xerial' },
    },
    { archive: 'format: value-json, headersEncoding: base64', options: { headersEncoding: 'base64' } },
    { archive: 'format: raw, delimiter: "hex:00FF", extension: txt', options: { delimiter: 'hex:00FF', extension: 'txt' } },
  ])('takes { $archive }', async ({ archive, options }) => {
    const { config } = await check(archive)
    const given = Object.entries(config.archive.formatOptions).filter(([, value]) => value !== undefined)
    expect(Object.fromEntries(given)).toEqual(options)
  })

  it('asks for codecs that formats have', async () => {
    for (const format of [
      'avro',
      'json',
      'parquet',
      'value-json',
      'value-json-array',
      'csv',
      'raw',
      'persistorrecord',
    ] as const) {
      for (const codec of ['zstandard', 'deflate', 'gzip', 'snappy', 'null'] as const) {
        const isRefused = (await refusal(`format: ${format}, codec: ${JSON.stringify(codec)}`)) !== ''
        expect({ format, codec, isRefused }).toEqual({ format, codec, isRefused: !segmentFormat(format).codecs.includes(codec) })
      }
    }
  })
})
