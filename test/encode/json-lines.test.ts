import { describe, expect, it } from 'vitest'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { parseJsonLines, parseJsonMessages, writeJsonLines } from '../../src/encode/json-lines.ts'

const options = { mode: 'envelope', nowMs: 1_700_000_000_000, maxMessageBytes: 1024 * 1024 } as const
const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (content: Uint8Array | null): string | null => (content === null ? null : Buffer.from(content).toString())

/** The messages with text instead of bytes. */
const textsOf = (batch: MessageBatch) =>
  [...messagesOf(batch)].map(({ key, value, headers, ...rest }) => ({
    ...rest,
    key: text(key),
    value: text(value),
    headers: headers.map((header) => [header.name, text(header.value)]),
  }))

const plain = { timestamp: options.nowMs, key: null, value: null, id: null, headers: [] }

describe('parseJsonLines', () => {
  it.each([
    { line: '{}', message: {}, because: 'everything may be left out' },
    { line: '{"key":null,"value":null,"id":null,"headers":null,"timestamp":null}', message: {}, because: 'null is nothing' },
    { line: '{"key":"","value":"","id":""}', message: { key: '', value: '""', id: '' }, because: 'empty is something' },
    { line: '{"value":{"a": 1.0, "b":[1e2]}}', message: { value: '{"a": 1.0, "b":[1e2]}' }, because: 'a value stays as it is' },
    { line: '{"value": "a\\u0041" }', message: { value: '"a\\u0041"' }, because: 'so do its escapes' },
    { line: '{"value":"\\ud800"}', message: { value: '"\\ud800"' }, because: 'even those that are no text' },
    { line: '{"valueText":"a\\u0041\\n"}', message: { value: 'aA\n' }, because: 'text is decoded' },
    { line: '{"valueText":null}', message: {}, because: 'text may be null' },
    { line: '{"valueBase64":"aGk="}', message: { value: 'hi' }, because: 'base64 is decoded' },
    { line: '{"keyBase64":"aGk=","idBase64":"aQ=="}', message: { key: 'hi', id: 'i' }, because: 'in keys and ids too' },
    { line: '{"\\u006bey":"a"}', message: { key: 'a' }, because: 'names are text with escapes' },
    { line: '{"key":"\\ud83d\\ude00😀\u2028"}', message: { key: '😀😀\u2028' }, because: 'surrogates make one character' },
    { line: '{"timestamp":-1}', message: { timestamp: -1 }, because: 'time began before 1970' },
    {
      line: '{"timestamp":"2024-02-29T12:00:00.5+02:00"}',
      message: { timestamp: 1_709_200_800_500 },
      because: 'RFC 3339 is taken',
    },
    { line: '{"topic":"t","lane":"3","position":7}', message: {}, because: 'where it was does not matter' },
    {
      line: '{"headers":{"a":"1","b":null}}',
      message: {
        headers: [
          ['a', '1'],
          ['b', null],
        ],
      },
      because: 'an object of headers is taken',
    },
    {
      line: '{"headers":[{"name":"a","value":"1"},{"value":"2","name":"a"}]}',
      message: {
        headers: [
          ['a', '1'],
          ['a', '2'],
        ],
      },
      because: 'names repeat',
    },
    {
      line: '{"headers":[{"name":""},{"nameBase64":"YQ==","valueBase64":"YQ=="}]}',
      message: {
        headers: [
          ['', null],
          ['a', 'a'],
        ],
      },
      because: 'base64',
    },
  ])('reads $line: $because', ({ line, message }) => {
    expect(textsOf(parseJsonLines(bytes(line), options))).toEqual([{ ...plain, position: 0, ...message }])
  })

  it('counts positions from 0, skips blank lines, and takes \\r\\n and a last line without its end', () => {
    const batch = parseJsonLines(bytes('\n{"key":"a"}\r\n\r\n \n{"key":"b"}\n{"key":"c"}'), options)
    expect(textsOf(batch).map(({ position, key }) => [position, key])).toEqual([
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
    ])
  })

  it.each(['', '\n', ' \r\n\n'])('gives an empty batch for %j', (input) => {
    expect(parseJsonLines(bytes(input), options)).toMatchObject({ count: 0, headerFrom: Int32Array.of(0) })
  })

  it.each([
    { line: '{"vaule":1}', column: 2, reason: 'unknown property "vaule", did you mean "value"?' },
    { line: '{"Key":"a"}', column: 2, reason: 'unknown property "Key", did you mean "key"?' },
    { line: '{"payload":1}', column: 2, reason: 'unknown property "payload"' },
    { line: '{"headers":[{"nam":"a"}]}', column: 14, reason: 'unknown property of a header "nam", did you mean "name"?' },
    { line: '{"key":"é","key":"b"}', column: 12, reason: 'this field is there twice' },
    { line: '{"value":1,"valueText":"1"}', column: 12, reason: 'this field is there twice' },
    {
      line: '{"headers":{"a":"1","a":"2"}}',
      column: 21,
      reason: 'this header is there twice; headers that repeat need the form of a list',
    },
    { line: '{"headers":[{}]}', column: 13, reason: 'a header needs a "name"' },
    { line: '{"headers":"a"}', column: 12, reason: 'headers are a list of {"name", "value"} or an object of texts' },
    { line: '{"key":1}', column: 8, reason: 'text in double quotes or null is expected here' },
    { line: '{"key":"\\ud800"}', column: 9, reason: 'half of a surrogate pair stands alone' },
    { line: '{"key":"\\x"}', column: 9, reason: 'this is no JSON escape' },
    { line: '{"key":"\t"}', column: 9, reason: 'control characters in text must be escaped' },
    { line: '{"keyBase64":"a"}', column: 14, reason: 'this is not base64 with padding' },
    {
      line: '{"timestamp":1.5}',
      column: 14,
      reason: 'a timestamp is a whole number of milliseconds or RFC 3339 text, such as 2026-11-21T08:03:59.125Z',
    },
    { line: '{"value":01}', column: 11, reason: 'this is no JSON number' },
    { line: '{"value":yes}', column: 10, reason: 'a value is expected here' },
    { line: '{"value":1 "key"', column: 12, reason: 'a comma or a closing sign is expected here' },
    { line: '{"value" 1}', column: 10, reason: 'a colon is expected here' },
    { line: '{key:1}', column: 2, reason: 'a name in double quotes is expected here' },
    { line: '{"value":[1,', column: 13, reason: 'it ends before it is complete' },
    { line: '{"key":"a', column: 10, reason: 'it ends before it is complete' },
    { line: '{} {}', column: 4, reason: 'the line must end behind its object' },
    { line: '[{}]', column: 1, reason: 'an object is expected here, { to }' },
    {
      line: `{"value":${'['.repeat(129)}${']'.repeat(129)}}`,
      column: 138,
      reason: 'objects and lists are nested more than 128 deep',
    },
  ])('refuses $line and takes nothing', ({ line, column, reason }) => {
    const input = `${'{"key":"right"}\n'.repeat(6)}${line}\n{"key":"right"}`
    expect(() => parseJsonLines(bytes(input), options)).toThrow(
      expect.objectContaining({
        code: 'JSON_INVALID',
        message: `line 7: ${reason} (column ${column})`,
        details: { line: 7, column, reason },
      }),
    )
  })

  it('refuses what is not UTF-8, in text and in values', () => {
    for (const property of ['key', 'value', 'topic', 'valueText']) {
      const input = Buffer.concat([bytes(`{}\n{"${property}":"`), Uint8Array.of(0xed, 0xa0, 0x80), bytes('"}')])
      expect(() => parseJsonLines(input, options)).toThrow(
        expect.objectContaining({
          code: 'JSON_INVALID',
          details: expect.objectContaining({ line: 2, reason: 'this is not UTF-8' }),
        }),
      )
    }
  })

  it('takes values that are nested 128 deep', () => {
    const value = `${'[{"a":'.repeat(64)}1${'}]'.repeat(64)}`
    expect(textsOf(parseJsonLines(bytes(`{"value":${value}}`), options))[0]?.value).toBe(value)
  })

  it('counts lines from the number it is told', () => {
    expect(() => parseJsonLines(bytes('{}\n\n{'), { ...options, firstLine: 1000 })).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ line: 1002 }) }),
    )
  })

  it('refuses a message past the limit, counting key, value, id and headers', () => {
    const line = '{"key":"ab","value":123,"id":"c","headers":{"d":"ef"}}'
    expect(parseJsonLines(bytes(line), { ...options, maxMessageBytes: 9 }).count).toBe(1)
    expect(() => parseJsonLines(bytes(`{}\n${line}`), { ...options, maxMessageBytes: 8 })).toThrow(
      expect.objectContaining({
        code: 'MESSAGE_TOO_LARGE',
        details: { line: 2, column: 1, messageBytes: 9, maxMessageBytes: 8 },
      }),
    )
  })

  it('shares its input where nothing had to be decoded, and never changes it', () => {
    const shared = bytes('{"key":"a"}')
    expect(parseJsonLines(shared, options).bytes).toBe(shared)
    const escaped = bytes('{"key":"\\u0061"}')
    const before = Buffer.from(escaped)
    expect(parseJsonLines(escaped, options).bytes).not.toBe(escaped)
    expect(escaped).toEqual(before)
  })

  it('reads more than the kernel takes at once: the same as line by line', () => {
    const lines = Array.from({ length: 9000 }, (_, i) => {
      const headers = Array.from({ length: i % 5 }, (_, h) => ({ name: `h${h}`, value: `${i}${i % 3 === 0 ? '\n' : ''}` }))
      return JSON.stringify({
        key: `k${i}${i % 1000 === 7 ? '\t' : ''}`,
        value: { i, text: 'x'.repeat(i % 200) },
        headers,
        timestamp: i,
      })
    })
    const whole = textsOf(parseJsonLines(bytes(lines.join('\n')), options))
    const single = lines.map((line, position) => ({ ...textsOf(parseJsonLines(bytes(line), options))[0], position }))
    expect(whole).toEqual(single)
  })

  it('reads a line with more headers than text', () => {
    const headers = Object.fromEntries(Array.from({ length: 256 }, (_, i) => [i.toString(36), '']))
    const list = Array.from({ length: 60_000 }, () => ({ name: '' }))
    const batch = parseJsonLines(bytes(`${JSON.stringify({ headers })}\n${JSON.stringify({ headers: list })}\n{}`), options)
    expect([...batch.headerFrom]).toEqual([0, 256, 60_256, 60_256])
    expect(() => parseJsonLines(bytes(JSON.stringify({ headers: { ...headers, zzz: '' } })), options)).toThrow(
      'more than 256 headers need the form of a list',
    )
  })

  it('reads lines of next to nothing', () => {
    expect(parseJsonLines(bytes('{}\n'.repeat(200_000)), options).count).toBe(200_000)
  })

  it('reads a message of 100 MB', () => {
    const value = 'x'.repeat(100 * 1024 * 1024)
    const batch = parseJsonLines(bytes(`{"key":"small"}\n{"value":"${value}","key":"\\n"}\n{}`), {
      ...options,
      maxMessageBytes: 200 * 1024 * 1024,
    })
    expect(batch.count).toBe(3)
    expect(batch.valueEnd[1]! - batch.valueStart[1]!).toBe(value.length + 2)
    const back = parseJsonLines(writeJsonLines(batch, { topic: 't', lane: '0' }), {
      ...options,
      maxMessageBytes: 200 * 1024 * 1024,
    })
    expect(back.valueEnd[1]! - back.valueStart[1]!).toBe(value.length + 2)
  })
})

describe('parseJsonLines of plain values', () => {
  const values = (input: Uint8Array | string, limit = 100) => {
    const batch = parseJsonLines(typeof input === 'string' ? bytes(input) : input, {
      ...options,
      mode: 'value',
      maxMessageBytes: limit,
    })
    return [...messagesOf(batch)].map(({ value }) => Buffer.from(value!).toString('latin1'))
  }
  it('takes lines as they are, whatever they hold', () => {
    expect(values('a\r\n{"key":\n\n b \n\r\nnull')).toEqual(['a', '{"key":', ' b ', 'null'])
    expect(values(Uint8Array.of(0xff, 0x00, 0x0d, 0x0a, 0x0d, 0x0d, 0x0a))).toEqual(['\xff\0', '\r'])
  })
  it('gives the time of arrival and no key', () => {
    expect(textsOf(parseJsonLines(bytes('a'), { ...options, mode: 'value' }))).toEqual([{ ...plain, position: 0, value: 'a' }])
  })
  it('finds line ends at every distance', () => {
    const lines = Array.from({ length: 70 }, (_, length) => 'x'.repeat(length + 1))
    expect(values(lines.join('\n'))).toEqual(lines)
  })
  it('refuses a line past the limit', () => {
    expect(() => values('abc\n\nabcd', 3)).toThrow(
      expect.objectContaining({ code: 'MESSAGE_TOO_LARGE', details: expect.objectContaining({ line: 3 }) }),
    )
  })
  it('reads 300,000 lines of a byte', () => {
    expect(values('a\n'.repeat(300_000))).toHaveLength(300_000)
  })
})

describe('parseJsonMessages', () => {
  const keys = (body: string) => textsOf(parseJsonMessages(bytes(body), options)).map(({ position, key }) => `${position}${key}`)
  it.each([
    { body: '{"key":"a"}', found: ['0a'] },
    { body: ' [ {"key":"a"} ,\n{"key":"b"}\n]\n', found: ['0a', '1b'] },
    { body: '{"messages":[{"key":"a"},{"key":"b"}]}', found: ['0a', '1b'] },
    { body: '{ "messages" : [ ] }', found: [] },
    { body: '[]', found: [] },
  ])('reads $body', ({ body, found }) => {
    expect(keys(body)).toEqual(found)
  })
  it('keeps the line breaks of a value', () => {
    expect(textsOf(parseJsonMessages(bytes('[{"value":{\n  "a": 1\n}}]'), options))[0]?.value).toBe('{\n  "a": 1\n}')
  })
  it.each([
    { body: '', message: 1, line: 1, reason: 'it ends before it is complete' },
    { body: '"a"', message: 1, line: 1, reason: 'an object or a list of objects is expected here' },
    { body: '[{},\n{"vaule":1}]', message: 2, line: 2, reason: 'unknown property "vaule", did you mean "value"?' },
    { body: '[{},]', message: 2, line: 1, reason: 'an object is expected here, { to }' },
    { body: '[{} {}]', message: 2, line: 1, reason: 'a comma or a closing sign is expected here' },
    { body: '[{}', message: 2, line: 1, reason: 'it ends before it is complete' },
    { body: '[,{}]', message: 1, line: 1, reason: 'an object is expected here, { to }' },
    { body: '[{}]x', message: 2, line: 1, reason: 'nothing may follow the messages' },
    { body: '{}{}', message: 2, line: 1, reason: 'nothing may follow the messages' },
    { body: '{"messages":1}', message: 1, line: 1, reason: 'an object or a list of objects is expected here' },
    { body: '{"messages":[{}],"a":1}', message: 2, line: 1, reason: 'a comma or a closing sign is expected here' },
    { body: '{"messages":[{}]', message: 2, line: 1, reason: 'it ends before it is complete' },
    { body: '{"key":"a","messages":[]}', message: 1, line: 1, reason: 'unknown property "messages"' },
  ])('refuses $body', ({ body, message, line, reason }) => {
    expect(() => parseJsonMessages(bytes(body), options)).toThrow(
      expect.objectContaining({ code: 'JSON_INVALID', details: expect.objectContaining({ message, line, reason }) }),
    )
  })
  it.each(['[', '{"messages":['])('reads more messages than columns have room for, after %s', (open) => {
    const count = 50_000
    const all = Array.from({ length: count }, (_, i) => (i % 100 === 0 ? '{"headers":[{"name":"a"},{"name":"b"}]}' : '{}'))
    const batch = parseJsonMessages(bytes(`${open}${all.join(',')}]${open === '[' ? '' : '}'}`), options)
    expect(batch.count).toBe(count)
    expect(batch.positions).toEqual(Float64Array.from({ length: count }, (_, i) => i))
    expect(batch.headerFrom[count]).toBe(count / 50)
  })
  it('reads a message that has all the headers', () => {
    const headers = Array.from({ length: 40_000 }, () => ({ name: '' }))
    expect(parseJsonMessages(bytes(JSON.stringify([{}, { headers }, {}])), options).headerFrom[3]).toBe(40_000)
  })
})

describe('writeJsonLines', () => {
  const origin = { topic: 'orders', lane: '3' }
  const written = (message: Parameters<typeof batchOf>[0][number]) => text(writeJsonLines(batchOf([message]), origin))
  it.each([
    { value: null, json: '"value":null' },
    { value: 'null', json: '"valueText":"null"' },
    { value: '', json: '"valueText":""' },
    { value: '{"a": 1.0}', json: '"value":{"a": 1.0}' },
    { value: ' 1', json: '"valueText":" 1"' },
    { value: '1\n', json: '"valueText":"1\\n"' },
    { value: '[1,\n2]', json: '"valueText":"[1,\\n2]"' },
    { value: '[1,\r2]', json: '"valueText":"[1,\\r2]"' },
    { value: '1,"key":"b"', json: '"valueText":"1,\\"key\\":\\"b\\""' },
    { value: '"', json: '"valueText":"\\""' },
    { value: 'NaN', json: '"valueText":"NaN"' },
    { value: '\0\u001f', json: '"valueText":"\\u0000\\u001f"' },
    { value: '['.repeat(129) + ']'.repeat(129), json: `"valueText":"${'['.repeat(129)}${']'.repeat(129)}"` },
    { value: Uint8Array.of(0xff), json: '"valueBase64":"/w=="' },
  ])('writes $json', ({ value, json }) => {
    expect(written({ position: 5, timestamp: 7, value })).toBe(
      `{"topic":"orders","lane":"3","position":5,"timestamp":7,"key":null,${json}}\n`,
    )
  })

  it('writes everything that a message has', () => {
    const headers = [
      { name: 'a', value: 'b' },
      { name: 'a', value: Uint8Array.of(255) },
      { name: '', value: null },
    ]
    expect(
      written({ position: Number.MAX_SAFE_INTEGER, timestamp: Number.MIN_SAFE_INTEGER, key: 'k', id: 'i', value: '1', headers }),
    ).toBe(
      '{"topic":"orders","lane":"3","position":9007199254740991,"timestamp":-9007199254740991,"id":"i","key":"k",' +
        '"headers":[{"name":"a","value":"b"},{"name":"a","valueBase64":"/w=="},{"name":"","value":null}],"value":1}\n',
    )
  })

  it('writes whole numbers of every length', () => {
    const positions = Array.from({ length: 16 }, (_, digits) => 10 ** digits).flatMap((power) => [power - 1, power, power + 1])
    for (const position of positions)
      expect(written({ position, timestamp: -position })).toContain(`"position":${position},"timestamp":${0 - position},`)
  })

  it('gives nothing for no messages', () => {
    expect(writeJsonLines(batchOf([]), origin)).toHaveLength(0)
  })

  it('writes many pieces, and messages that lie in any order and far apart in their bytes', () => {
    const count = 5000
    const value = (i: number) => JSON.stringify({ i, text: 'é'.repeat(i % 500) })
    const batch = batchOf(
      Array.from({ length: count }, (_, i) => ({
        position: i,
        timestamp: i,
        value: value(i),
        headers: [{ name: 'n', value: `${i}` }],
      })),
    )
    const turned: MessageBatch = { ...batch, valueStart: batch.valueStart.toReversed(), valueEnd: batch.valueEnd.toReversed() }
    const lines = text(writeJsonLines(turned, origin))!.split('\n')
    expect(lines).toHaveLength(count + 1)
    for (let i = 0; i < count; i++) {
      const start = `{"topic":"orders","lane":"3","position":${i},"timestamp":${i},"key":null,"headers":[{"name":"n","value":"${i}"}],`
      expect(lines[i]).toBe(`${start}"value":${value(count - 1 - i)}}`)
    }
  })

  it('writes a line that grows past the usual room', () => {
    const value = '\0'.repeat(2 * 1024 * 1024)
    const batch = batchOf([
      { position: 0, timestamp: 0 },
      { position: 1, timestamp: 0, value },
      { position: 2, timestamp: 0 },
    ])
    const back = parseJsonLines(writeJsonLines(batch, origin), { ...options, maxMessageBytes: 10_000_000 })
    expect(textsOf(back).map((message) => message.value === value)).toEqual([false, true, false])
  })
})
