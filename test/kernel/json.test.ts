import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { parseJsonLines, writeJsonLines } from '../../src/encode/json-lines.ts'
import { isMillpondError } from '../../src/errors.ts'
import { damaged, lines, messages } from './json-arbitraries.ts'
import { batchOfBytes, bytesOf } from './json-messages.ts'
import { twinParseLines, twinWriteLine } from './json-twin.ts'

const options = { nowMs: 1_700_000_000_000, maxMessageBytes: 4096 }

/** What the kernel gives, in the twin's terms. */
function kernelOutcome(input: Uint8Array): unknown {
  try {
    return bytesOf(parseJsonLines(input, { ...options, mode: 'envelope' }))
  } catch (error) {
    if (!isMillpondError(error)) throw error
    return { wrongLine: error.details['line'] }
  }
}

function twinOutcome(input: Uint8Array): unknown {
  const outcome = twinParseLines(input, options)
  if (!Array.isArray(outcome)) return outcome
  const bytes = (content: unknown) => (content === null ? null : Buffer.from(content as string))
  return outcome.map((message) => ({
    ...message,
    key: bytes(message.key),
    value: bytes(message.value),
    id: bytes(message.id),
    headers: message.headers!.map(({ name, value }) => ({ name: bytes(name), value: bytes(value) })),
  }))
}

function agree(input: Uint8Array): void {
  const text = Buffer.from(input).toString('latin1')
  expect({ text, outcome: kernelOutcome(input) }).toEqual({ text, outcome: twinOutcome(input) })
}

describe('readJson of the kernel', () => {
  it('takes and refuses what its twin takes and refuses', () => {
    let taken = 0
    fc.assert(
      fc.property(lines, (input) => {
        const outcome = kernelOutcome(input)
        if (Array.isArray(outcome) && outcome.length > 0) taken++
        expect(outcome).toEqual(twinOutcome(input))
      }),
      { numRuns: 4000 },
    )
    expect(taken).toBeGreaterThan(1000)
  })

  it('agrees with its twin on damaged lines', () => {
    fc.assert(
      fc.property(damaged, (input) => {
        agree(input)
      }),
      { numRuns: 4000 },
    )
  })

  it('agrees with its twin on every byte that a character of two to four bytes may be made of', () => {
    const edges = [
      0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf3,
      0xf4, 0xf5, 0xff,
    ]
    for (const a of edges) {
      for (const b of edges) {
        for (const c of [...edges.slice(2, 9), 0x41]) {
          for (const d of [0x41, 0x80, 0xbf, 0xc0]) {
            const input = Buffer.concat([Buffer.from('{"key":"'), Buffer.from([a, b, c, d]), Buffer.from('"}')])
            agree(input)
          }
        }
      }
    }
  })

  it('sees the same special byte at each place of a vector', () => {
    for (const special of ['"', '\\n', '\\u20ac', 'é', '\u0001', '\n']) {
      for (let before = 0; before < 40; before++) {
        for (const after of [0, 1, 15, 16, 17]) {
          const input = Buffer.from(
            `{"key":"${'x'.repeat(before)}${special}${'y'.repeat(after)}","value":"${'x'.repeat(before)}${special}"}`,
          )
          agree(input)
        }
      }
    }
  })
})

describe('writeJson of the kernel', () => {
  const origin = { topic: 'a"\u2028/😀\ud800', lane: '0' }

  it('writes what its twin writes, each line JSON by itself', () => {
    fc.assert(
      fc.property(messages, (all) => {
        const written = Buffer.from(writeJsonLines(batchOfBytes(all), origin)).toString()
        expect(written).toBe(all.map((one) => twinWriteLine(one, origin)).join(''))
        for (const line of written.split('\n').slice(0, -1)) JSON.parse(line)
      }),
      { numRuns: 4000 },
    )
  })

  it('loses nothing', () => {
    const read = (batch: MessageBatch) => bytesOf(batch).map((one, index) => Object.assign(one, { position: index }))
    fc.assert(
      fc.property(messages, (all) => {
        const batch = batchOfBytes(all)
        const back = parseJsonLines(writeJsonLines(batch, origin), { ...options, mode: 'envelope' })
        expect(bytesOf(back)).toEqual(read(batch))
      }),
      { numRuns: 2000 },
    )
  })
})
