import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { encodeBlock } from '../../src/encode/avro-block.ts'
import { blockFrame, parseStoredBlock } from '../../src/encode/avro-container.ts'
import { avroFileHeader, messageSchema, parseAvroFileHeader, readAvroFile } from '../../src/encode/avro-file.ts'
import { checkStoredBlock, readStoredBlock } from '../../src/encode/formats.ts'
import type { Codec } from '../../src/encode/block.ts'
import { isMillpondError } from '../../src/errors.ts'
import { type Chunk, createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import { messagesArbitrary, plainMessage, plainMessages } from '../batch/message-arbitrary.ts'

const sync = Uint8Array.from({ length: 16 }, (_, i) => i * 17)

const bytesOf = (chunks: readonly Chunk[]) => chunks.map(({ bytes }) => bytes)

async function segmentOf(codec: Codec, values: readonly string[]) {
  const builder = createSegmentBuilder({ format: 'avro', codec, sync })
  const chunks = [builder.header]
  for (const [position, value] of values.entries()) {
    chunks.push(
      ...bytesOf(builder.append(await encodeBlock(batchOf([{ position, timestamp: -1, value }]), { codec, lookups: ['key'] }))),
    )
  }
  return { file: Buffer.concat(chunks), entry: builder.finish('key', {}).entry }
}

const readAll = (file: Uint8Array) =>
  Array.fromAsync(readAvroFile(({ start, end }) => file.subarray(start, end), file.byteLength))

/** A header with this metadata, written in the most usual way. */
function headerWith(metadata: Record<string, string>): Uint8Array {
  const long = (value: number) => Array.from(blockFrame(value, 0).slice(0, -1))
  const text = (value: string) => [...long(Buffer.byteLength(value)), ...Buffer.from(value)]
  const entries = Object.entries(metadata).flatMap(([name, value]) => [...text(name), ...text(value)])
  return Uint8Array.from([0x4f, 0x62, 0x6a, 1, ...long(Object.keys(metadata).length), ...entries, 0, ...sync])
}

describe('avroFileHeader', () => {
  it('is read back, and known as incomplete from any part of it', () => {
    const header = avroFileHeader('snappy', sync)
    expect(parseAvroFileHeader(header)).toEqual({ codec: 'snappy', sync, bytes: header.byteLength })
    for (let length = 0; length < header.byteLength; length++)
      expect(parseAvroFileHeader(header.subarray(0, length))).toBeUndefined()
  })
})

describe('parseAvroFileHeader', () => {
  const schema = JSON.stringify(messageSchema)
  it('takes a file without a codec for one of codec null', () => {
    expect(parseAvroFileHeader(headerWith({ 'avro.schema': schema }))).toMatchObject({ codec: 'null' })
  })
  it('accepts names, documentation and defaults that differ', () => {
    const other = {
      ...messageSchema,
      name: 'com.example.Other',
      doc: 'ours by another name',
      fields: messageSchema.fields.map((field) => ({ ...field, doc: 'a field' })),
    }
    expect(parseAvroFileHeader(headerWith({ 'avro.schema': JSON.stringify(other), extra: 'metadata' }))).toMatchObject({
      codec: 'null',
    })
  })
  it.each([
    { name: 'another schema', metadata: { 'avro.schema': '"string"' }, code: 'FORMAT_UNSUPPORTED' },
    {
      name: 'fields in another order',
      metadata: { 'avro.schema': JSON.stringify({ ...messageSchema, fields: messageSchema.fields.toReversed() }) },
      code: 'FORMAT_UNSUPPORTED',
    },
    { name: 'another codec', metadata: { 'avro.schema': schema, 'avro.codec': 'bzip2' }, code: 'FORMAT_UNSUPPORTED' },
    { name: 'a schema that is no JSON', metadata: { 'avro.schema': '{' }, code: 'SEGMENT_CORRUPT' },
    { name: 'no schema', metadata: {}, code: 'SEGMENT_CORRUPT' },
  ])('refuses $name', ({ metadata, code }) => {
    expect(() => parseAvroFileHeader(headerWith(metadata))).toThrow(expect.objectContaining({ code }))
  })
  it('refuses what is no container file', () => {
    for (const bytes of ['Obj\u0002', 'PAR1', 'O bj']) {
      expect(() => parseAvroFileHeader(Buffer.from(bytes))).toThrow(expect.objectContaining({ code: 'SEGMENT_CORRUPT' }))
    }
  })
  it('fails with a code, and at once, for any header that is damaged', () => {
    const header = headerWith({ 'avro.schema': schema, 'avro.codec': 'null' })
    fc.assert(
      fc.property(fc.nat(header.byteLength - 1), fc.nat(255), fc.nat(255), (at, first, second) => {
        const damaged = header.slice()
        damaged[at] = first
        damaged[(at + 1) % damaged.byteLength] = second
        expect(outcome(() => parseAvroFileHeader(damaged))).toMatch(/^(read|SEGMENT_CORRUPT|FORMAT_UNSUPPORTED|BLOCK_CORRUPT)$/)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('readAvroFile', () => {
  it('gives every message of every block', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<Codec>('zstandard', 'null'),
        messagesArbitrary({ minLength: 1 }),
        async (codec, messages) => {
          const builder = createSegmentBuilder({ format: 'avro', codec, sync })
          const chunks = [builder.header]
          for (const message of messages)
            chunks.push(...bytesOf(builder.append(await encodeBlock(batchOf([message]), { codec, lookups: [] }))))
          const batches = await readAll(Buffer.concat(chunks))
          expect(batches.flatMap((batch) => plainMessages(batch))).toEqual(messages.map(plainMessage))
        },
      ),
      { numRuns: 20 },
    )
  })
  it('goes over blocks of no messages', async () => {
    const file = Buffer.concat([avroFileHeader('null', sync), blockFrame(0, 0), sync])
    expect(await readAll(file)).toEqual([])
  })
  it('refuses a file that ends within a block, wherever it ends', async () => {
    const { file, entry } = await segmentOf('null', ['first', 'second'])
    const whole = new Set([...entry.blocks.map(({ offset }) => offset), file.byteLength])
    for (let length = 0; length < file.byteLength; length++) {
      if (whole.has(length)) continue
      await expect(readAll(file.subarray(0, length))).rejects.toHaveProperty(
        'code',
        expect.stringMatching(/^(SEGMENT|BLOCK)_CORRUPT$/),
      )
    }
    for (const [blocks, length] of [...whole].entries()) expect(await readAll(file.subarray(0, length))).toHaveLength(blocks)
  })
  it('refuses a block that does not end in the sync marker of its file', async () => {
    const { file } = await segmentOf('null', ['first'])
    file[file.byteLength - 1]! ^= 1
    await expect(readAll(file)).rejects.toMatchObject({ code: 'BLOCK_CORRUPT' })
  })
})

describe('a stored block', () => {
  it('is decoded from the bytes that its entry names', async () => {
    for (const codec of ['zstandard', 'deflate', 'snappy', 'null'] as const) {
      const { file, entry } = await segmentOf(codec, ['first', 'second'])
      const { offset, bytes } = entry.blocks[1]!
      const [message] = plainMessages(await readStoredBlock({ format: 'avro', codec }, file.subarray(offset, offset + bytes)))
      expect(message).toEqual(plainMessage({ position: 1, timestamp: -1, value: 'second' }))
    }
  })
  it('does not pass its check with any bit flipped, nor cut, nor longer', async () => {
    const { file, entry } = await segmentOf('zstandard', ['the only block'])
    const block = entry.blocks[0]!
    const stored = file.subarray(block.offset, block.offset + block.bytes)
    expect(() => checkStoredBlock(stored, block)).not.toThrow()
    for (let bit = 0; bit < stored.byteLength * 8; bit++) {
      const damaged = Uint8Array.from(stored)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => checkStoredBlock(damaged, block)).toThrow(expect.objectContaining({ code: 'BLOCK_CORRUPT' }))
    }
    for (const wrong of [stored.subarray(1), Buffer.concat([stored, stored])]) {
      expect(() => checkStoredBlock(wrong, block)).toThrow(expect.objectContaining({ code: 'BLOCK_CORRUPT' }))
    }
  })
  it.each([
    { name: 'nothing', bytes: [] },
    { name: 'a frame alone', bytes: [2, 2] },
    { name: 'a negative count', bytes: [1, 0, ...sync] },
    { name: 'a negative length', bytes: [2, 1, ...sync] },
    { name: 'a length past the end', bytes: [2, 200, 1, 0, ...sync] },
    { name: 'bytes left over', bytes: [0, 0, ...sync, 0] },
    { name: 'a number that does not end', bytes: [...Array(30).fill(0x80)] },
  ])('is refused for $name', ({ bytes }) => {
    expect(() => parseStoredBlock(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code: 'BLOCK_CORRUPT' }))
  })
})

function outcome(parse: () => unknown): string {
  try {
    parse()
    return 'read'
  } catch (error) {
    return isMillpondError(error) ? error.code : String(error)
  }
}
