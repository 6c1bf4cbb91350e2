import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { FormatOptions } from '../../src/encode/format-options.ts'
import { csvFormat } from '../../src/encode/format-csv.ts'
import { rawFormat } from '../../src/encode/format-raw.ts'
import { decompressLines } from '../../src/encode/line-format.ts'
import { valueJsonArrayFormat } from '../../src/encode/format-value-json-array.ts'
import { valueJsonFormat } from '../../src/encode/format-value-json.ts'
import { unpackRecordBatches } from '../../src/encode/record-set.ts'
import { messagesArbitrary, withValues } from '../batch/message-arbitrary.ts'
import { parseCsv } from './csv-twin.ts'
import { blocksOf, fileOf, lineCodecs, linesOf } from './line-blocks.ts'
import { recordSetOf, withoutId } from './record-sets.ts'

const message = (position: number, value: MessageInput['value'], more: Partial<MessageInput> = {}): MessageInput => ({
  position,
  timestamp: 1_700_000_000_000 + position,
  value: value ?? null,
  ...more,
})
const bufferOf = (bytes: Uint8Array | string | null | undefined): Buffer => Buffer.from(bytes ?? '')

/** JSON texts as producers write them: short, indented, with space around them. */
const jsonText = fc
  .tuple(fc.jsonValue(), fc.constantFrom(undefined, 2, '\t', '\r\n'), fc.constantFrom('', ' ', '\n', '\r\n\t'))
  .map(([value, indent, around]) => {
    const text = indent === '\r\n' ? JSON.stringify(value, null, 1).replaceAll('\n', '\r\n') : JSON.stringify(value, null, indent)
    return `${around}${text}${around}`
  })

describe('the format value-json', () => {
  it.each(lineCodecs)('has a line for each value that is the same JSON, in %s', async (codec) => {
    await fc.assert(
      fc.asyncProperty(withValues(fc.option(jsonText)), fc.integer({ min: 1, max: 500 }), async (messages, blockBytes) => {
        const batch = batchOf(messages)
        expect(valueJsonFormat.findUnencodable(batch)).toEqual([])
        const blocks = await blocksOf('value-json', [batch], { codec, blockBytes })
        const lines = await linesOf(blocks)
        const texts = messages.map(({ value }) => (value as string | null) ?? 'null')
        expect(lines.map((line) => JSON.parse(line))).toEqual(texts.map((text) => JSON.parse(text)))
        const isLine = (text: string) => !/[\r\n]/u.test(text)
        expect(lines.filter((_, row) => isLine(texts[row]!))).toEqual(texts.filter(isLine))
        for (const { bytes, count } of blocks) expect(await valueJsonFormat.countBlock!(bytes, codec)).toBe(count)
      }),
      { numRuns: 40 },
    )
  })

  it.each(lineCodecs)('makes one array of the same lines where that is asked for, in %s', async (codec) => {
    await fc.assert(
      fc.asyncProperty(
        withValues(fc.option(jsonText)).filter(({ length }) => length > 0),
        fc.integer({ min: 1, max: 500 }),
        async (messages, blockBytes) => {
          const batch = batchOf(messages)
          const lines = await linesOf(await blocksOf('value-json', [batch], { codec, blockBytes }))
          const blocks = await blocksOf('value-json-array', [batch], { codec, blockBytes })
          const framing = valueJsonArrayFormat.openFraming(codec, new Uint8Array(16))
          const framed = blocks.map((block) => Buffer.concat(framing.frame(block)))
          const file = Buffer.concat([framing.header, ...framed, framing.trailer!()])
          const text = Buffer.from(await decompressLines('json', codec, file)).toString()
          expect(text).toBe(`[\n${lines.join(',\n')}\n]`)
          expect(() => JSON.parse(text) as unknown).not.toThrow()
          for (const [at, { count }] of blocks.entries())
            expect(await valueJsonArrayFormat.countBlock!(framed[at]!, codec)).toBe(count)
          let offset = framing.header.byteLength
          const places = framed.map((bytes, at) => {
            const place = { offset, bytes: bytes.byteLength, count: blocks[at]!.count }
            offset += bytes.byteLength
            return place
          })
          const whole = { ...places[0]!, bytes: offset - places[0]!.offset, count: messages.length }
          expect(await valueJsonArrayFormat.split!(file)).toEqual(codec === 'null' ? [whole] : places)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('keeps numbers, escapes and space within a line, and takes line breaks out where they are', async () => {
    const values = ['{"a": 1.0}', ' [1, 2] ', '"\\u00e9\\n"', '{\r\n  "a b": "c \\" d\\\\",\n\t"e": [ 1,\n 2 ] }\n', '1e5']
    const lines = await linesOf(await blocksOf('value-json', [batchOf(values.map((value, at) => message(at, value)))]))
    expect(lines).toEqual(['{"a": 1.0}', ' [1, 2] ', '"\\u00e9\\n"', '{"a b":"c \\" d\\\\","e":[1,2]}', '1e5'])
  })

  it('names every message whose value is no JSON, and no other', () => {
    const bad = [
      '',
      ' ',
      'x',
      '{"a":1',
      '{"a":1}{"b":2}',
      "{'a':1}",
      '[1,]',
      'nul',
      '01',
      Uint8Array.of(0x22, 0xff, 0x22),
      '\ufeff1',
    ]
    const messages = bad.flatMap((value, at) => [message(2 * at, '{}'), message(2 * at + 1, value)])
    const found = valueJsonFormat.findUnencodable(batchOf([...messages, message(1000, null)]))
    expect(found).toEqual(bad.map((_, at) => ({ row: 2 * at + 1, reason: 'the value is no JSON' })))
    expect(valueJsonFormat.findUnencodable(batchOf(messages), { fields: ['value'], valueEncoding: 'base64' })).toEqual([])
    expect(valueJsonFormat.findUnencodable(batchOf(messages), { fields: ['key'] })).toEqual([])
  })

  it('finds no JSON where JSON.parse finds none', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            jsonText,
            fc.string({ maxLength: 6 }),
            fc.string({ unit: fc.constantFrom(...'{ } [ ] " , : 1 0 n'.split(' '), ' ') }),
          ),
          {
            minLength: 1,
            maxLength: 40,
          },
        ),
        (texts) => {
          const isJson = (text: string) => {
            try {
              JSON.parse(text)
              return true
            } catch {
              return false
            }
          }
          const found = valueJsonFormat.findUnencodable(batchOf(texts.map((text, at) => message(at, text))))
          expect(found.map(({ row }) => row)).toEqual([...texts.keys()].filter((row) => !isJson(texts[row]!)))
        },
      ),
    )
  })

  it('says that a timestamp is beyond 2^53', () => {
    const batch = batchOf([message(0, '1'), { position: 1, timestamp: Number.MAX_SAFE_INTEGER, value: 'x' }])
    expect(valueJsonFormat.findUnencodable(batch)).toEqual([{ row: 1, reason: 'the timestamp is beyond 2^53 ms' }])
  })

  const full = message(1234, '{"a":1}', {
    key: 'k"1',
    timestamp: Date.UTC(2020, 0, 1, 0, 0, 1),
    id: 'i',
    headers: [
      { name: 'h', value: 'é' },
      { name: 'h', value: Uint8Array.of(0xff) },
      { name: '', value: null },
    ],
  })
  const empty = message(1235, null, { key: null, timestamp: -1 })
  const options: [FormatOptions, string[]][] = [
    [{ fields: ['value'] }, ['{"value":{"a":1}}', '{"value":null}']],
    [{ fields: ['value'], envelope: false }, ['{"a":1}', 'null']],
    [{ fields: ['key'], envelope: false, keyEncoding: 'base64' }, ['"ayIx"', 'null']],
    [
      { fields: ['key', 'value', 'offset', 'timestamp', 'headers'] },
      [
        '{"key":"k\\"1","value":{"a":1},"offset":1234,"timestamp":"2020-01-01T00:00:01Z","headers":[{"key":"h","value":"é"},{"key":"h","value":"/w=="},{"key":"","value":null}]}',
        '{"key":null,"value":null,"offset":1235,"timestamp":"1969-12-31T23:59:59.999Z","headers":[]}',
      ],
    ],
    [
      { fields: ['id', 'position', 'value', 'timestamp'], valueEncoding: 'base64', timestampEncoding: 'ms' },
      [
        '{"id":"i","position":1234,"value":"eyJhIjoxfQ==","timestamp":1577836801000}',
        '{"id":null,"position":1235,"value":null,"timestamp":-1}',
      ],
    ],
    [{ fields: ['value'], valueEncoding: 'text' }, ['{"value":"{\\"a\\":1}"}', '{"value":null}']],
    [
      { fields: ['headers'], headersEncoding: 'base64' },
      ['{"headers":[{"key":"h","value":"w6k="},{"key":"h","value":"/w=="},{"key":"","value":null}]}', '{"headers":[]}'],
    ],
  ]
  it.each(options)('writes what it is told to: %j', async (formatOptions, lines) => {
    const batch = batchOf([full, empty])
    expect(valueJsonFormat.findUnencodable(batch, formatOptions)).toEqual([])
    expect(await linesOf(await blocksOf('value-json', [batch], { formatOptions }))).toEqual(lines)
  })

  it('writes timestamps as Date does', async () => {
    const time = fc.oneof(
      fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }),
      fc.constantFrom(0, -1, 951_782_400_000, -62_167_219_200_000),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(time, { minLength: 1, maxLength: 30 }), async (times) => {
        const batch = batchOf(times.map((timestamp, position) => ({ position, timestamp, value: null })))
        const formatOptions: FormatOptions = { fields: ['timestamp'], envelope: false }
        const lines = await linesOf(await blocksOf('value-json', [batch], { formatOptions }))
        expect(lines.map((line) => JSON.parse(line))).toEqual(times.map((ms) => new Date(ms).toISOString().replace('.000Z', 'Z')))
      }),
    )
    const far = [253_402_300_800_000, 8.64e15, -8.64e15, Number.MIN_SAFE_INTEGER + 1].map((timestamp, position) => ({
      position,
      timestamp,
    }))
    const formatOptions: FormatOptions = { fields: ['timestamp'], envelope: false }
    expect(await linesOf(await blocksOf('value-json', [batchOf(far)], { formatOptions }))).toEqual([
      '"+10000-01-01T00:00:00Z"',
      '"+275760-09-13T00:00:00Z"',
      '"-271821-04-20T00:00:00Z"',
      // A date of 20,000 years later, which Date still knows, has the same month and day.
      `"-283457${new Date(Number.MIN_SAFE_INTEGER + 1 + 50 * 400 * 365.2425 * 86_400_000).toISOString().slice(7)}"`,
    ])
  })

  it('writes the same of records as of columns, and takes none of a batch with one that it cannot hold', async () => {
    const messages = ['1', '{\n}', null].map((value, at) => withoutId(message(at, value)))
    const encode = async (some: readonly MessageInput[]) => {
      const set = await recordSetOf([{ batch: batchOf(some) }])
      const encoder = valueJsonFormat.createEncoder({ codec: 'null', lookups: [], blockBytes: 1000 })
      const added = encoder.addRecords!(await unpackRecordBatches(set.bytes, set.batches, 0))
      return { added, block: await encoder.flush() }
    }
    const { added, block } = await encode(messages)
    expect(added).toMatchObject({ isWhole: true, blocks: [] })
    expect(await linesOf([block!])).toEqual(['1', '{}', 'null'])
    const refused = await encode([...messages, message(3, 'x')])
    expect(refused.added).toMatchObject({ isWhole: false, lastPosition: -Infinity })
  })
})

/** Text that tables have trouble with. */
const troubled = fc.string({ unit: fc.constantFrom('a', 'é', '"', ',', ';', '\n', '\r', ' ', '\t', '😀', '\0'), maxLength: 30 })

describe('the format csv', () => {
  it.each(lineCodecs)('gives back every text as it was, whatever is in it, in %s', async (codec) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.option(troubled), value: fc.option(troubled), id: fc.option(troubled) }), {
          minLength: 1,
          maxLength: 30,
        }),
        fc.constantFrom(',', ';', '\t', '|'),
        async (parts, delimiter) => {
          const batch = batchOf(parts.map((part, at) => ({ position: at, timestamp: at, ...part })))
          const formatOptions: FormatOptions = {
            fields: ['key', 'position', 'value', 'timestamp', 'id'],
            delimiter,
            timestampEncoding: 'ms',
          }
          expect(csvFormat.findUnencodable(batch, formatOptions)).toEqual([])
          const blocks = await blocksOf('csv', [batch], { codec, formatOptions, blockBytes: 100 })
          const rows = parseCsv((await fileOf(blocks)).toString('utf8'), delimiter)
          expect(rows).toEqual(parts.map(({ key, value, id }, at) => [key, String(at), value, String(at), id]))
          for (const { bytes, count } of blocks) expect(await csvFormat.countBlock!(bytes, codec)).toBe(count)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('has columns for position, timestamp, key, value and headers unless told otherwise, and a line of their names', async () => {
    const batch = batchOf([
      message(5, 'v', { key: 'k', timestamp: 0, headers: [{ name: 'n', value: 'a"b' }] }),
      message(6, null, { key: '', timestamp: 1 }),
    ])
    const rows = (await fileOf(await blocksOf('csv', [batch]))).toString()
    expect(rows).toBe(
      '5,1970-01-01T00:00:00Z,k,v,"[{""key"":""n"",""value"":""a\\""b""}]"\n6,1970-01-01T00:00:00.001Z,"",,"[]"\n',
    )
    for (const codec of lineCodecs) {
      const { header } = csvFormat.openFraming(codec, new Uint8Array(16))
      expect((await fileOf([{ codec, bytes: header } as never])).toString()).toBe('position,timestamp,key,value,headers\n')
      expect(csvFormat.openFraming(codec, new Uint8Array(16), undefined, { headerLine: false }).header.byteLength).toBe(0)
    }
    const named = csvFormat.openFraming('null', new Uint8Array(16), undefined, {
      fields: ['value.a;b', 'value.c"d', 'offset'],
      delimiter: ';',
    })
    expect(Buffer.from(named.header).toString()).toBe('"a;b";"c""d";offset\n')
  })

  it('takes fields out of JSON values by their names', async () => {
    const value =
      '{ "a": {"b": 1.50, "c\\u0064": "x,\\"y\\"\\n\\ud83d\\ude00"}, "list": [1,\n 2], "n": null, "t": true, "a": {"b": 2}, "": "e", "half": "\\ud800" }'
    const fields = ['value.a.b', 'value.t', 'value.list', 'value.n', 'value.none', 'value.a.b.c', 'value.half'] as const
    const other = '{"a":{"cd":"x","c\\u0064":"last"},"list":"","t":"null"}'
    const values = [value, other, '[1]', '7', null]
    const batch = batchOf(values.map((text, at) => message(at, text)))
    expect(csvFormat.findUnencodable(batch, { fields })).toEqual([])
    const rows = parseCsv((await fileOf(await blocksOf('csv', [batch], { formatOptions: { fields } }))).toString('utf8'), ',')
    expect(rows).toEqual([
      ['2', 'true', '[1,2]', null, null, null, '"\\ud800"'],
      [null, 'null', '', null, null, null, null],
      Array(7).fill(null),
      Array(7).fill(null),
      Array(7).fill(null),
    ])
    const escaped = await blocksOf('csv', [batchOf([message(0, value.replace('"a": {"b": 2}, ', '')), message(1, other)])], {
      formatOptions: { fields: ['value.a.cd'] },
    })
    expect(parseCsv((await fileOf(escaped)).toString('utf8'), ',')).toEqual([['x,"y"\n😀'], ['last']])
  })

  it('finds the same fields as JSON.parse', async () => {
    const names = fc.constantFrom('a', 'b', 'é', '__proto__x', 'a b')
    const object = fc.dictionary(
      names,
      fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constant(null), fc.dictionary(names, fc.string())),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(object, { minLength: 1, maxLength: 20 }),
        names,
        names,
        fc.constantFrom(0, 2),
        async (objects, first, second, indent) => {
          const formatOptions: FormatOptions = { fields: [`value.${first}`, `value.${first}.${second}`] }
          const batch = batchOf(objects.map((one, at) => message(at, JSON.stringify(one, null, indent))))
          const rows = parseCsv((await fileOf(await blocksOf('csv', [batch], { formatOptions }))).toString('utf8'), ',')
          const textOf = (value: unknown) =>
            value === undefined || value === null ? null : typeof value === 'string' ? value : JSON.stringify(value)
          const expected = objects.map((one) => {
            const found = one[first]
            return [textOf(found), textOf(typeof found === 'object' && found !== null ? found[second] : undefined)]
          })
          const withoutSpace = rows.map(([whole, part]) => [
            typeof whole === 'string' && indent > 0 && whole.startsWith('{') ? JSON.stringify(JSON.parse(whole)) : whole,
            part,
          ])
          expect(indent === 0 ? rows : withoutSpace).toEqual(expected)
        },
      ),
    )
  })

  it('writes base64 and pairs as they are asked for', async () => {
    const formatOptions: FormatOptions = {
      fields: ['key', 'value', 'offset', 'timestamp', 'headers'],
      keyEncoding: 'base64',
      valueEncoding: 'base64',
      headersEncoding: 'pairs',
      timestampEncoding: 'ms',
    }
    const headers = [
      { name: 'header1', value: 'value1' },
      { name: 'n', value: null },
    ]
    const batch = batchOf([
      message(10, Uint8Array.of(0xff, 0), { key: 'key0', timestamp: 20, headers }),
      message(11, null, { key: Uint8Array.of(), timestamp: 21 }),
    ])
    expect(csvFormat.findUnencodable(batch, formatOptions)).toEqual([])
    const text = (await fileOf(await blocksOf('csv', [batch], { formatOptions }))).toString()
    expect(text).toBe('a2V5MA==,/wA=,10,20,aGVhZGVyMQ==:dmFsdWUx;bg==:;\n"",,11,21,\n')
  })

  it('writes any bytes as they are where nothing is quoted, and nothing for what is null or empty', async () => {
    const formatOptions: FormatOptions = { fields: ['key', 'value', 'offset'], keyEncoding: 'base64', quoting: 'none' }
    const odd = Uint8Array.of(0xff, 0x22, 0x2c, 0x0a, 0)
    const batch = batchOf([
      message(0, odd, { key: odd }),
      message(1, '', { key: '' }),
      message(2, null, { key: null }),
      message(3, ' "a" ', { key: 'k' }),
    ])
    expect(csvFormat.findUnencodable(batch, formatOptions)).toEqual([])
    const file = await fileOf(await blocksOf('csv', [batch], { formatOptions }))
    expect(file.toString('latin1')).toBe('/yIsCgA=,\u00ff",\n\0,0\n,,1\n,,2\naw==, "a" ,3\n')
  })

  it('names messages that are no text where text is asked for', () => {
    const bad = Uint8Array.of(0xc3)
    const batch = batchOf([
      message(0, 'a', { key: 'b' }),
      message(1, bad, { key: bad }),
      message(2, '{}', { key: bad }),
      message(3, 'x'),
    ])
    expect(csvFormat.findUnencodable(batch)).toEqual([
      { row: 1, reason: 'the key is not UTF-8 and the value is not UTF-8' },
      { row: 2, reason: 'the key is not UTF-8' },
    ])
    expect(csvFormat.findUnencodable(batch, { fields: ['value.a'] }).map(({ row }) => row)).toEqual([0, 1, 3])
  })
})

describe('the format raw', () => {
  it.each(lineCodecs)('is the values with the delimiter behind each, in %s', async (codec) => {
    await fc.assert(
      fc.asyncProperty(
        messagesArbitrary({ minLength: 1 }),
        fc.constantFrom('\n', '', 'hex:00ff', '\r\n', 'é'),
        async (messages, delimiter) => {
          const batch = batchOf(messages)
          expect(rawFormat.findUnencodable(batch).length).toBe(
            messages.filter(({ timestamp }) => Math.abs(timestamp) >= Number.MAX_SAFE_INTEGER).length,
          )
          const blocks = await blocksOf('raw', [batch], { codec, formatOptions: { delimiter }, blockBytes: 200 })
          const behind = delimiter === 'hex:00ff' ? Buffer.of(0, 255) : Buffer.from(delimiter)
          const expected = Buffer.concat(messages.flatMap(({ value }) => [bufferOf(value), behind]))
          expect((await fileOf(blocks)).equals(expected)).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('is called bin, or as one likes', () => {
    expect(rawFormat.extension('gzip')).toBe('bin.gz')
    expect(rawFormat.extension('null', { extension: 'txt' })).toBe('txt')
    expect(rawFormat).not.toHaveProperty('countBlock')
  })

  it('takes a block of four million empty values', async () => {
    const count = 4000
    const values = batchOf(Array.from({ length: count }, (_, at) => message(at, '')))
    const [block] = await blocksOf('raw', [values])
    expect(block).toMatchObject({ count, rawBytes: count })
  })
})
