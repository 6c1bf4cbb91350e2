import * as fc from 'fast-check'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { messageSchema, readAvroFile } from '../../src/encode/avro-file.ts'
import type { Codec } from '../../src/encode/block.ts'
import { createBlockEncoder } from '../../src/encode/block-encoder.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import { messagesArbitrary, plainMessage, plainMessages, type PlainMessage } from '../batch/message-arbitrary.ts'
import { openFastavro, openJavaAvro } from './other-tools.ts'

const codecs: readonly Codec[] = ['zstandard', 'deflate', 'snappy', 'null']

/** Messages of every kind that must come through: what could be lost stands first, then some of any kind. */
const messages: readonly MessageInput[] = [
  { position: 0, timestamp: 0, key: null, value: null, id: null, headers: [] },
  { position: 1, timestamp: -1, key: '', value: '', id: '', headers: [{ name: '', value: '' }] },
  {
    position: 2,
    timestamp: Number.MIN_SAFE_INTEGER,
    key: Uint8Array.of(0, 255, 128),
    value: 'žabica 🐸',
    id: 'žabica 🐸 \u0000',
  },
  {
    position: 2 ** 40,
    timestamp: Number.MAX_SAFE_INTEGER,
    headers: ['type', 'trace', 'type'].map((name, i) => ({ name, value: i === 1 ? null : `value ${i}` })),
  },
  ...fc.sample(messagesArbitrary({ minLength: 40 }), { seed: 3, numRuns: 12 }).flat(),
  {
    position: 0,
    timestamp: 1,
    value: 'x'.repeat(100_000),
    headers: Array.from({ length: 500 }, (_, i) => ({ name: `h${i}`, value: String(i) })),
  },
].map((message, i) => (i < 4 ? message : { ...message, position: 2 ** 40 + i }))

const expected = messages.map(plainMessage)
const hex = (bytes: readonly number[] | null) => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const bytes = (text: string | null) => (text === null ? null : [...Buffer.from(text, 'hex')])

interface ExchangedMessage extends Omit<PlainMessage, 'key' | 'value' | 'headers'> {
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly name: string; readonly value: string | null }[]
}

/** Messages as the programs of the other side exchange them: one JSON object a line, bytes in hex. */
const toLines = (plain: readonly PlainMessage[]) =>
  plain
    .map((message) => {
      const headers = message.headers.map(({ name, value }) => ({ name, value: hex(value) }))
      return JSON.stringify({ ...message, key: hex(message.key), value: hex(message.value), headers })
    })
    .join('\n')
const fromLines = (lines: string) =>
  lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line): PlainMessage => {
      const message = JSON.parse(line) as ExchangedMessage
      const headers = message.headers.map(({ name, value }) => ({ name, value: bytes(value) }))
      return { ...message, key: bytes(message.key), value: bytes(message.value), headers }
    })

async function writeSegment(codec: Codec, file: string): Promise<number> {
  const encoder = createBlockEncoder({ codec, lookups: ['key', 'id', 'header:type'], blockBytes: 4000 })
  const builder = createSegmentBuilder({ format: 'avro', codec, sync: Uint8Array.from({ length: 16 }, (_, i) => 255 - i) })
  const chunks = [builder.header]
  const full = encoder.add(batchOf(messages))
  const last = encoder.flush()
  const blocks = await Promise.all(last === undefined ? full : [...full, last])
  for (const block of blocks) chunks.push(...builder.append(block).map(({ bytes }) => bytes))
  writeFileSync(file, Buffer.concat(chunks))
  return blocks.length
}

async function readSegment(file: string) {
  const content = readFileSync(file)
  const batches = await Array.fromAsync(readAvroFile(({ start, end }) => content.subarray(start, end), content.byteLength))
  return { batches, messages: batches.flatMap((batch) => plainMessages(batch)) }
}

for (const { tool, readsOurs, theirs } of [
  { tool: await openFastavro(), readsOurs: codecs, theirs: codecs as readonly string[] },
  { tool: await openJavaAvro(), readsOurs: codecs, theirs: codecs.flatMap((codec) => [codec, `${codec}-blocking`]) },
]) {
  const { name, missing } = tool
  it(`${name} is there, wherever nothing may be skipped`, () => {
    expect(process.env['CI'] === 'true' ? missing : undefined).toBeUndefined()
  })
  const note = missing === undefined ? '' : `, skipped: ${missing.split('\n')[0]}`
  describe.skipIf(missing !== undefined)(`${name}${note}`, () => {
    let folder: string
    const ours = (codec: string) => join(folder, `ours-${codec}.avro`)
    afterAll(() => rmSync(folder, { recursive: true }))
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'millpond-interop-'))
      for (const codec of codecs) expect(await writeSegment(codec, ours(codec))).toBeGreaterThan(3)
      writeFileSync(join(folder, 'schema.json'), JSON.stringify(messageSchema))
      writeFileSync(join(folder, 'messages.jsonl'), toLines(expected))
      await tool.exchange([join(folder, 'schema.json'), join(folder, 'messages.jsonl'), folder, ...codecs.map(ours)])
    })

    it.each(readsOurs)('reads every message of ours under %s', (codec) => {
      expect(fromLines(readFileSync(`${ours(codec)}.jsonl`, 'utf8'))).toEqual(expected)
    })
    it.each(theirs)('writes %s files of which we read every message', async (name) => {
      const read = await readSegment(join(folder, `${name}.avro`))
      expect(read.messages).toEqual(expected)
      expect(read.batches.length).toBeGreaterThan(3)
    })
  })
}
