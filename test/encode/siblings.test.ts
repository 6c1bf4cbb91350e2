import avro from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { Codec } from '../../src/encode/block.ts'
import type { FormatOptions } from '../../src/encode/format-options.ts'
import { decompressLines } from '../../src/encode/line-format.ts'
import { type Sibling, siblingOf } from '../../src/encode/siblings.ts'
import { tableOf } from './parquet-segments.ts'
import { messagesArbitrary } from '../batch/message-arbitrary.ts'

const sync = new Uint8Array(16).fill(7)
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The sibling of these messages as a file. */
async function fileOf(
  sibling: Sibling,
  messages: readonly MessageInput[],
  codec: Codec = 'null',
  blockBytes = 300,
): Promise<Buffer> {
  const encoder = sibling.createEncoder({ codec, lookups: ['key'], blockBytes })
  const blocks = encoder.add(batchOf(messages))
  const last = encoder.flush()
  const framing = sibling.openFraming(codec, sync)
  const made = await Promise.all(last === undefined ? blocks : [...blocks, last])
  const chunks = made.flatMap((block) => framing.frame(block))
  return Buffer.concat([framing.header, ...chunks, framing.trailer?.() ?? new Uint8Array(0)])
}

/** What avsc reads of an Avro file. */
async function avroRecords(file: Buffer): Promise<unknown[]> {
  const records: unknown[] = []
  // A record of one field is written as that field, and a stream cannot give null.
  const parseHook = (schema: avro.Schema) =>
    avro.Type.forSchema({ type: 'record', name: 'One', fields: [{ name: 'one', type: schema }] })
  const reader = new avro.streams.BlockDecoder({ parseHook })
  reader.on('data', ({ one }: { one: unknown }) => records.push(one))
  const ended = new Promise((resolve, reject) => {
    reader.on('end', resolve)
    reader.on('error', reject)
  })
  reader.end(file)
  await ended
  return records
}

const bytesOf = (content: Uint8Array | string | null | undefined) =>
  content === null || content === undefined ? null : Buffer.from(content)

/** Text as it is, anything else in base64. */
const textOf = (content: Uint8Array | string | null | undefined): string | null => {
  const bytes = bytesOf(content)
  if (bytes === null) return null
  try {
    return decoder.decode(bytes)
  } catch {
    return bytes.toString('base64')
  }
}
const headersOf = ({ headers = [] }: MessageInput) => headers.map(({ name, value }) => ({ key: name, value: textOf(value) }))

/** avsc gives a union's branch by its name. */
const unwrapped = (value: unknown): unknown => (value === null ? null : Object.values(value as object)[0])

describe('siblings', () => {
  it.each(['null', 'deflate'] as const)('hold keys and headers in Avro that avsc reads, in %s', async (codec) => {
    await fc.assert(
      fc.asyncProperty(messagesArbitrary({ minLength: 1 }), async (messages) => {
        const headers = await avroRecords(await fileOf(siblingOf('headers', 'avro'), messages, codec))
        const plain = headers.map((list) =>
          (list as { key: string; value: unknown }[]).map(({ key, value }) => ({
            key,
            value: value === null || typeof value === 'string' ? value : unwrapped(value),
          })),
        )
        expect(plain).toEqual(messages.map(headersOf))
        const keys = siblingOf('keys', 'avro', { keyEncoding: 'base64' })
        const read = await avroRecords(await fileOf(keys, messages, codec))
        expect(read.map((key) => (key === null || Buffer.isBuffer(key) ? key : unwrapped(key)))).toEqual(
          messages.map(({ key }) => bytesOf(key)),
        )
      }),
      { numRuns: 30 },
    )
  })

  it.each(['null', 'gzip', 'zstandard', 'snappy'] as const)('hold keys and headers in JSON lines, in %s', async (codec) => {
    await fc.assert(
      fc.asyncProperty(messagesArbitrary({ minLength: 1 }), async (messages) => {
        const lines = async (sibling: Sibling) => {
          const file = await decompressLines('json', codec, await fileOf(sibling, messages, codec))
          return Buffer.from(file)
            .toString('utf8')
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line) as unknown)
        }
        expect(await lines(siblingOf('headers', 'json'))).toEqual(messages.map((message) => ({ headers: headersOf(message) })))
        expect(await lines(siblingOf('keys', 'json'))).toEqual(messages.map(({ key }) => textOf(key)))
      }),
      { numRuns: 30 },
    )
  })

  it.each(['null', 'deflate', 'gzip', 'zstandard', 'snappy'] as const)(
    'hold keys and headers in Parquet, in %s',
    async (codec) => {
      await fc.assert(
        fc.asyncProperty(messagesArbitrary({ minLength: 1 }), async (messages) => {
          const rows = async (sibling: Sibling) => tableOf(await fileOf(sibling, messages, codec))
          expect(await rows(siblingOf('headers', 'parquet'))).toEqual(
            messages.map((message) => ({ headers: headersOf(message) })),
          )
          const keys = siblingOf('keys', 'parquet', { keyEncoding: 'base64' })
          const bytes = messages.map(({ key }) => bytesOf(key))
          expect(await rows(keys)).toEqual(bytes.map((key) => ({ key: key && [...key] })))
          const text = messages.map((message, i) => ({ ...message, key: i % 3 === 0 ? null : `key ž ${i}` }))
          expect(await tableOf(await fileOf(siblingOf('keys', 'parquet'), text, codec))).toEqual(text.map(({ key }) => ({ key })))
        }),
        { numRuns: 15 },
      )
    },
  )

  it('hold keys in Parquet over many pages and row groups', async () => {
    const messages = Array.from({ length: 9000 }, (_, position) => ({ position, timestamp: 0, key: `key ${position}` }))
    const rows = await tableOf(await fileOf(siblingOf('keys', 'parquet'), messages, 'zstandard', 1000))
    expect(rows).toEqual(messages.map(({ key }) => ({ key })))
  })

  it('hold keys as they are with a delimiter', async () => {
    const messages = ['a', null, 'b'].map((key, position) => ({ position, timestamp: 0, key }))
    expect((await fileOf(siblingOf('keys', 'raw'), messages)).toString()).toBe('a\n\nb\n')
    expect((await fileOf(siblingOf('keys', 'raw', { delimiter: 'hex:00' }), messages)).toString()).toBe('a\0\0b\0')
    expect(() => siblingOf('headers', 'raw')).toThrow(expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }))
  })

  it('name keys that are no text where text is asked for', () => {
    const batch = batchOf([
      { position: 0, timestamp: 0, key: 'a' },
      { position: 1, timestamp: 0, key: Uint8Array.of(0xff) },
      { position: 2, timestamp: 0, key: null },
    ])
    const found = (format: 'avro' | 'json' | 'parquet', options: FormatOptions) =>
      siblingOf('keys', format, options).findUnencodable(batch)
    expect(found('avro', {})).toEqual([{ row: 1, reason: 'the key is not UTF-8' }])
    expect(found('parquet', {})).toEqual([{ row: 1, reason: 'the key is not UTF-8' }])
    expect(found('avro', { keyEncoding: 'base64' })).toEqual([])
    expect(found('parquet', { keyEncoding: 'base64' })).toEqual([])
    expect(found('json', {})).toEqual([])
  })

  it('have the ending of their format, and codecs that it has', () => {
    expect(siblingOf('keys', 'avro').extension('zstandard')).toBe('avro')
    expect(siblingOf('keys', 'json').extension('gzip')).toBe('json.gz')
    expect(siblingOf('keys', 'raw', { extension: 'txt' }).extension('null')).toBe('txt')
    const refused = expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }) as unknown
    expect(() => siblingOf('keys', 'avro').extension('gzip')).toThrow(refused)
    expect(() => siblingOf('headers', 'json').openFraming('deflate', sync)).toThrow(refused)
  })
})
