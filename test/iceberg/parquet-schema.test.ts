import { describe, expect, it } from 'vitest'
import { MillpondError } from '../../src/errors.ts'
import { columnBounds } from '../../src/iceberg/column-bounds.ts'
import { dataFile } from '../../src/iceberg/data-file.ts'
import { firstColumns } from '../../src/iceberg/evolve.ts'
import { parseParquetFooter } from '../../src/iceberg/parquet-footer.ts'
import { fileColumns } from '../../src/iceberg/parquet-schema.ts'
import { nameMapping } from '../../src/iceberg/schema.ts'
import { column, parquetFile, type TestColumn } from './parquet-archive.ts'

/** The footer of a file of these columns. */
function footerOf(columns: readonly TestColumn[], rowGroupRows?: number) {
  const file = Buffer.from(parquetFile(columns, rowGroupRows))
  const end = file.length - 8
  return parseParquetFooter(file.subarray(end - file.readUInt32LE(end), end))
}

const one = { type: 'INT32', repetition_type: 'REQUIRED' } as const
const odd = (element: object): TestColumn => ({ elements: [{ name: 'c', ...one, ...element }], data: [1] })

describe('fileColumns', () => {
  it.each([
    { what: 'a long', of: column.long('c', [1n]), type: 'long', required: true },
    { what: 'a long with nulls', of: column.long('c', [1n, null]), type: 'long', required: false },
    { what: 'an int', of: column.int('c', [1]), type: 'int', required: true },
    { what: 'a short int', of: odd({ converted_type: 'INT_16' }), type: 'int', required: true },
    { what: 'an unsigned short int', of: odd({ converted_type: 'UINT_16' }), type: 'int', required: true },
    { what: 'a float', of: column.float('c', [1]), type: 'float', required: true },
    { what: 'a double', of: column.double('c', [1]), type: 'double', required: true },
    { what: 'a truth', of: column.truth('c', [true]), type: 'boolean', required: true },
    { what: 'text', of: column.text('c', ['']), type: 'string', required: true },
    { what: 'bytes', of: column.bytes('c', [Uint8Array.of(1)]), type: 'binary', required: true },
    { what: 'a date', of: column.date('c', [new Date(0)]), type: 'date', required: true },
    { what: 'a time of microseconds', of: column.time('c', [0n]), type: 'timestamptz', required: true },
    {
      what: 'a local time',
      of: { ...odd({ type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' } }), data: [1n] },
      type: 'timestamp',
      required: true,
    },
    { what: 'a decimal', of: column.decimal('c', [1n], 30, 2), type: 'decimal(30, 2)', required: true },
    {
      what: 'a UUID',
      of: {
        ...odd({ type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } }),
        data: [new Uint8Array(16)],
      },
      type: 'uuid',
      required: true,
    },
    {
      what: 'bytes of one length',
      of: { ...odd({ type: 'FIXED_LEN_BYTE_ARRAY', type_length: 3 }), data: [new Uint8Array(3)] },
      type: 'fixed[3]',
      required: true,
    },
  ])('makes $type of $what', ({ of, type, required }) => {
    const { fields, leftOut } = fileColumns(footerOf([of]).fields)
    expect({ fields, leftOut }).toEqual({ fields: [{ id: -1, name: 'c', required, type }], leftOut: [] })
  })

  it('makes lists and structs, which name mappings enter', () => {
    const { fields } = fileColumns(
      footerOf([column.texts('tags', [['a']]), column.place('place', [{ city: 'b', zip: 1 }])]).fields,
    )
    const schema = { type: 'struct', fields: firstColumns(fields).fields } as const
    expect(nameMapping(schema)).toEqual([
      { 'field-id': 1, names: ['tags'], fields: [{ 'field-id': 2, names: ['element'] }] },
      {
        'field-id': 3,
        names: ['place'],
        fields: [
          { 'field-id': 4, names: ['city'] },
          { 'field-id': 5, names: ['zip'] },
        ],
      },
    ])
    expect(schema.fields.map(({ type }) => type)).toMatchObject([
      { type: 'list', element: 'string', 'element-required': true },
      { type: 'struct' },
    ])
  })

  it.each([
    { what: 'milliseconds, which readers of tables do not compare', of: column.millis('c', [0n]), reason: /milliseconds/u },
    {
      what: 'nanoseconds',
      of: { ...odd({ type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'NANOS' } }), data: [1n] },
      reason: /timestamp/u,
    },
    { what: 'an unsigned long', of: { ...odd({ type: 'INT64', converted_type: 'UINT_64' }), data: [1n] }, reason: /integer/u },
  ])('leaves out $what', ({ of, reason }) => {
    const { fields, leftOut } = fileColumns(footerOf([column.int('kept', [1]), of]).fields)
    expect(fields.map(({ name }) => name)).toEqual(['kept'])
    expect(leftOut).toEqual([{ column: 'c', reason: expect.stringMatching(reason) }])
  })
})

describe('fileColumns of files by others', () => {
  const element = {
    name: 'c',
    physical: 1,
    typeBytes: undefined,
    repetition: 2,
    converted: undefined,
    scale: 0,
    precision: 0,
    fieldId: undefined,
    logical: undefined,
    children: [],
  }
  it('leaves out repeated values that are no list', () => {
    expect(fileColumns([element])).toMatchObject({
      fields: [],
      leftOut: [{ column: 'c', reason: expect.stringMatching(/repeated/u) }],
    })
  })
  it('leaves out lists of two levels', () => {
    const list = { ...element, physical: undefined, repetition: 1, converted: 3, children: [element] }
    expect(fileColumns([list])).toMatchObject({
      fields: [],
      leftOut: [{ column: 'c', reason: expect.stringMatching(/old form/u) }],
    })
  })
  it('takes the field ids that a file has', () => {
    expect(fileColumns([{ ...element, repetition: 0, fieldId: 7 }]).fields).toEqual([
      { id: 7, name: 'c', required: true, type: 'int' },
    ])
  })
})

describe('dataFile', () => {
  const columns = [
    column.long('a', [3n, 1n, 2n, null]),
    column.text('b', ['x', null, null, `${'y'.repeat(15)}zz`]),
    column.texts('tags', [['t'], [], ['u', 'v'], []]),
    column.place('place', [null, { city: 'c', zip: null }, { city: 'd', zip: 4 }, null]),
    column.double('ratio', [Number.NaN, 1, 0, Number.NaN]),
  ]
  const footer = footerOf(columns, 2)
  const file = fileColumns(footer.fields)
  const schema = { type: 'struct', fields: firstColumns(file.fields).fields } as const
  const bounds = columnBounds(footer, file, schema)
  const entry = dataFile({ path: 'p', bytes: 9, partition: [] }, footer, bounds)
  const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('latin1')

  it('counts over all row groups', () => {
    expect(entry).toMatchObject({ format: 'PARQUET', rows: 4, bytes: 9, partition: [] })
    expect(entry.splitOffsets).toHaveLength(2)
    expect(entry.nullCounts).toEqual(
      new Map([
        [1, 1],
        [2, 2],
        [6, 2],
        [7, 3],
        [8, 0],
      ]),
    )
    expect(entry.nanCounts).toEqual(new Map([[8, 2]]))
    expect(entry.valueCounts).toEqual(
      new Map([
        [1, 4],
        [2, 4],
        [6, 4],
        [7, 4],
        [8, 4],
      ]),
    )
    expect(new Set(entry.columnBytes!.keys())).toEqual(new Set([1, 2, 4, 6, 7, 8]))
  })
  it('has bounds of all but what lies in lists, short ones', () => {
    expect(new Set(entry.lowerBounds!.keys())).toEqual(new Set([1, 2, 6, 7, 8]))
    expect(text(entry.lowerBounds!.get(1))).toBe('\u0001\0\0\0\0\0\0\0')
    expect(text(entry.upperBounds!.get(1))).toBe('\u0003\0\0\0\0\0\0\0')
    expect(text(entry.lowerBounds!.get(2))).toBe('x')
    expect(text(entry.upperBounds!.get(2))).toBe(`${'y'.repeat(15)}{`)
    expect(Buffer.from(entry.lowerBounds!.get(8)!).readDoubleLE()).toBe(-0)
    expect(Buffer.from(entry.upperBounds!.get(8)!).readDoubleLE()).toBe(1)
  })
})

describe('parseParquetFooter', () => {
  it('takes no footer that is cut or changed for a whole one that it is not', () => {
    const file = Buffer.from(parquetFile([column.long('a', [1n])]))
    const end = file.length - 8
    const footer = file.subarray(end - file.readUInt32LE(end), end)
    for (let length = 0; length < footer.length; length++)
      expect(() => parseParquetFooter(footer.subarray(0, length))).toThrow(expect.objectContaining({ code: 'SEGMENT_CORRUPT' }))
    const codes = Array.from({ length: footer.length }, (_, at) => {
      const changed = Buffer.from(footer)
      changed[at]! ^= 0x55
      return codeOf(() => parseParquetFooter(changed))
    })
    expect(codes.filter((code) => code !== 'SEGMENT_CORRUPT' && code !== 'none')).toEqual([])
  })
})

/** The code that `act` throws. */
function codeOf(act: () => unknown): unknown {
  try {
    act()
    return 'none'
  } catch (error) {
    return error instanceof MillpondError ? error.code : error
  }
}
