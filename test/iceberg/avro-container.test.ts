import * as avsc from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readContainer, writeContainer } from '../../src/iceberg/avro-container.ts'
import type { AvroSchema, AvroValue } from '../../src/iceberg/avro-encode.ts'
import type { DataFile } from '../../src/iceberg/data-file.ts'
import { decodeManifest, encodeManifest, type ManifestEntry } from '../../src/iceberg/manifest.ts'
import { decodeManifestList, encodeManifestList, type ManifestFile } from '../../src/iceberg/manifest-list.ts'
import type { PrimitiveType, Schema } from '../../src/iceberg/schema.ts'

const schema: AvroSchema = {
  type: 'record',
  name: 'r',
  fields: [
    { name: 'count', type: 'long', 'field-id': 1 },
    { name: 'text', type: ['null', 'string'], 'field-id': 2 },
    { name: 'bytes', type: 'bytes' },
    { name: 'list', type: { type: 'array', items: 'double' } },
    { name: 'yes', type: 'boolean' },
    { name: 'fixed', type: { type: 'fixed', name: 'four', size: 4 } },
  ],
}
const record = fc.record({
  // avsc counts no further.
  count: fc.integer({ min: -(2 ** 50), max: 2 ** 50 }),
  text: fc.option(fc.string({ unit: 'grapheme' })),
  bytes: fc.uint8Array(),
  list: fc.array(fc.double({ noNaN: true })),
  yes: fc.boolean(),
  fixed: fc.uint8Array({ minLength: 4, maxLength: 4 }),
})

describe('writeContainer', () => {
  it('writes what avsc and we read again, in blocks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 8 }), async (records) => {
        const bytes = await writeContainer(schema, { note: 'ž' }, records)
        const { metadata, records: read } = await readContainer(bytes, 'here')
        expect(metadata.get('note')).toBe('ž')
        expect(read).toEqual(
          records.map(({ count, text, bytes, list, yes, fixed }) => ({ 1: count, 2: text, bytes, list, yes, fixed })),
        )
        const theirs = await decodeWithAvsc(bytes)
        expect(theirs.map(({ count, text, list }) => ({ count, text, list }))).toEqual(
          records.map(({ count, text, list }) => ({ count, text, list })),
        )
      }),
      { numRuns: 30 },
    )
  })
  it('keeps numbers past 2^53', async () => {
    const records: AvroValue[] = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n].map((count) => ({
      count,
      bytes: Buffer.alloc(0),
      list: [],
      yes: true,
      fixed: Buffer.alloc(4),
    }))
    const { records: read } = await readContainer(await writeContainer(schema, {}, records), 'here')
    expect(read.map((one) => (one as Record<string, unknown>)['1'])).toEqual([2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n])
  })
  it('finds cut and changed files', async () => {
    const bytes = await writeContainer(schema, {}, [
      { count: 1, bytes: Buffer.from('abc'), list: [1, 2], yes: true, fixed: Buffer.alloc(4) },
    ])
    const outcomes = await Promise.all(
      Array.from({ length: bytes.length }, (_, length) =>
        readContainer(bytes.subarray(0, length), 'here').then(
          ({ records }) => records.length,
          (error: { readonly code: unknown }) => error.code,
        ),
      ),
    )
    // A file may end behind any of its blocks, here behind its header.
    expect(outcomes.filter((outcome) => outcome !== 'TABLE_CORRUPT')).toEqual([0])
  })
})

async function decodeWithAvsc(bytes: Uint8Array): Promise<{ count: number; text: unknown; list: number[] }[]> {
  const decoder = new avsc.streams.BlockDecoder()
  decoder.end(Buffer.from(bytes))
  const read: { count: number; text: { string: string } | string | null; list: number[] }[] = await Array.fromAsync(decoder)
  return read.map(({ count, text, list }) => ({
    count,
    text: text !== null && typeof text === 'object' ? text.string : text,
    list: [...list],
  }))
}

const bounds = (bytes: number) => new Map([[1, new Uint8Array(bytes).fill(7)]])
const file: DataFile = {
  path: 's3://b/k',
  format: 'PARQUET',
  partition: [],
  rows: 3,
  bytes: 99,
  columnBytes: new Map([
    [2, 5],
    [1, 4],
  ]),
  valueCounts: new Map([[1, 3]]),
  nullCounts: undefined,
  nanCounts: new Map(),
  lowerBounds: bounds(8),
  upperBounds: bounds(9),
  splitOffsets: [4, 400],
}
const tableSchema: Schema = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'a', required: true, type: 'long' }] }

describe('manifests', () => {
  it.each<{ type: PrimitiveType; value: DataFile['partition'][number] }>([
    { type: 'long', value: 5n },
    { type: 'int', value: -5 },
    { type: 'date', value: 19_000 },
    { type: 'timestamptz', value: -5n },
    { type: 'string', value: 'ž 🐸' },
    { type: 'binary', value: Uint8Array.of(1) },
    { type: 'uuid', value: new Uint8Array(16) },
    { type: 'fixed[3]', value: new Uint8Array(3) },
    { type: 'decimal(30, 2)', value: -(10n ** 29n) },
    { type: 'decimal(9, 2)', value: 127n },
    { type: 'boolean', value: false },
    { type: 'string', value: null },
  ])('give back a partition of $type $value', async ({ type, value }) => {
    const fields = [{ 'source-id': 1, 'field-id': 1000, name: '1 strange-ž name', transform: 'identity' as const }]
    const spec = { spec: { 'spec-id': 3, fields }, types: [type] }
    const entries: ManifestEntry[] = [
      { status: 'added', snapshotId: 5, sequence: null, fileSequence: null, file: { ...file, partition: [value] } },
      {
        status: 'deleted',
        snapshotId: 2n ** 62n,
        sequence: 1,
        fileSequence: 2,
        file: { ...file, partition: [null], splitOffsets: undefined },
      },
    ]
    const bytes = await encodeManifest(tableSchema, spec, entries)
    expect(await decodeManifest(bytes, 'm', spec)).toEqual(entries)
  })

  it('are listed with all that is said of them', async () => {
    const count = { files: 1, rows: 2 }
    const manifests: ManifestFile[] = [
      {
        path: 'p',
        bytes: 1,
        specId: 2,
        content: 1,
        sequence: 3,
        minSequence: 2,
        snapshotId: 2n ** 60n,
        added: count,
        existing: { files: 0, rows: 0 },
        deleted: count,
        partitions: [{ containsNull: true, containsNan: null, lower: Uint8Array.of(1), upper: null }],
        keyMetadata: null,
      },
    ]
    const bytes = await encodeManifestList({ snapshotId: 4, parentId: undefined, sequence: 4 }, manifests)
    expect(await decodeManifestList(bytes, 'l')).toEqual(manifests)
  })
})
