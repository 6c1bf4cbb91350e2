import type { IncomingHttpHeaders } from 'node:http'
import type { MessageBatch } from '../batch/batch.ts'
import { batchOf } from '../batch/builder.ts'
import { parseJsonLines, parseJsonMessages } from '../encode/json-lines.ts'
import { MillpondError } from '../errors.ts'

/** What a request to put messages brings. */
export interface MessagesRequest {
  readonly headers: IncomingHttpHeaders
  /** `?format=lines`: each line is a value. */
  readonly format: string | undefined
  readonly body: Uint8Array
}

export interface DecodeOptions {
  readonly nowMs: number
  readonly maxMessageBytes: number
}

const LINE_TYPES = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
  'application/json-lines',
])

/**
 * The messages of a request, with the positions 0, 1, 2, …: `application/json` is an envelope, a list of them or `{"messages": list}`,
 * JSON lines are an envelope a line, `?format=lines` makes each line a value, everything else is the value of one message.
 * @throws MillpondError `JSON_INVALID`, `INPUT_INVALID`, `MESSAGE_TOO_LARGE`.
 */
export function decodeMessages({ headers, format, body }: MessagesRequest, options: DecodeOptions): MessageBatch {
  if (format === 'lines') return parseJsonLines(body, { ...options, mode: 'value' })
  if (format !== undefined)
    throw new MillpondError('INPUT_INVALID', `there is no format ${JSON.stringify(format)}; there is lines`)
  const type = mediaType(headers['content-type'])
  if (type === 'application/json') return parseJsonMessages(body, options)
  if (LINE_TYPES.has(type)) return parseJsonLines(body, { ...options, mode: 'envelope' })
  return oneMessage(headers, body, options)
}

function mediaType(contentType: string | undefined): string {
  if (contentType === 'application/json' || contentType === 'application/x-ndjson') return contentType
  return (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

const HEADER_PREFIX = 'millpond-header-'

function oneMessage(headers: IncomingHttpHeaders, body: Uint8Array, { nowMs, maxMessageBytes }: DecodeOptions): MessageBatch {
  const messageHeaders = Object.entries(headers)
    .filter(([name]) => name.startsWith(HEADER_PREFIX))
    .map(([name, value]) => ({ name: name.slice(HEADER_PREFIX.length), value: bytesOf(name, one(value) ?? '') }))
  const key = one(headers['millpond-key'])
  const keyBase64 = one(headers['millpond-key-base64'])
  const id = one(headers['millpond-id'])
  const message = {
    position: 0,
    timestamp: timestampOf(one(headers['millpond-timestamp'])) ?? nowMs,
    key: keyBase64 === undefined ? (key === undefined ? null : bytesOf('millpond-key', key)) : base64Of(keyBase64),
    value: body,
    id: id === undefined ? null : bytesOf('millpond-id', id).toString('utf8'),
    headers: messageHeaders,
  }
  const headerBytes = messageHeaders.reduce((sum, { name, value }) => sum + name.length + value.byteLength, 0)
  const bytes = body.byteLength + (message.key?.byteLength ?? 0) + Buffer.byteLength(message.id ?? '') + headerBytes
  if (bytes > maxMessageBytes) {
    throw new MillpondError(
      'MESSAGE_TOO_LARGE',
      `the message has ${bytes} bytes, more than the ${maxMessageBytes} of http.maxMessageBytes`,
      {
        details: { bytes, maxMessageBytes },
      },
    )
  }
  return batchOf([message])
}

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value.join(', ') : value)

const strict = new TextDecoder('utf-8', { fatal: true })

// Node gives header values one character a byte; what was sent is UTF-8.
function bytesOf(name: string, value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  try {
    strict.decode(bytes)
  } catch (error) {
    throw new MillpondError('INPUT_INVALID', `the header ${name} is not UTF-8`, { cause: error })
  }
  return bytes
}

function base64Of(value: string): Buffer {
  const bytes = Buffer.from(value, 'base64')
  if (bytes.toString('base64') === value) return bytes
  throw new MillpondError('INPUT_INVALID', 'the header millpond-key-base64 is not base64 with padding')
}

function timestampOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const timestamp = /^-?\d+$/u.test(value) ? Number(value) : Date.parse(value)
  if (Number.isSafeInteger(timestamp)) return timestamp
  throw new MillpondError('INPUT_INVALID', 'the header millpond-timestamp is neither milliseconds nor RFC 3339')
}
