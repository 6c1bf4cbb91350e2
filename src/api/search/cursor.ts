import { createHash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { RECORD_LIMITS } from '../../search/filter-json.ts'
import type { MessageQuery } from '../../search/query.ts'
import type { LaneSpan } from '../../search/selection.ts'
import { parseRequest, queryJson, type SearchOrder } from './request.ts'

/** Where a search goes on: what it asks, and what is left of each lane, up to where that lane ended when the search began. */
export interface CursorContent {
  readonly query: MessageQuery
  readonly order: SearchOrder
  /** Of the request that began it. */
  readonly asked: string | undefined
  /** In the order of the index. */
  readonly spans: readonly LaneSpan[]
}

const VERSION = '1'
const CHECK_CHARACTERS = 8
const MAX_CHARACTERS = 4 * 1024 * 1024
const MAX_JSON_BYTES = 32 * 1024 * 1024

/** Lanes of one topic side by side, so that names are not repeated. */
type SpansJson = [topic: string, topicId: string, lanes: [lane: string, from: number, to: number][]][]

const check = (packed: string): string => createHash('sha256').update(packed).digest('base64url').slice(0, CHECK_CHARACTERS)

/** The cursor as text that says nothing to people. It is not secret: whoever changes it can only ask what a request could ask too. */
export function encodeCursor({ query, order, asked, spans }: CursorContent): string {
  const topics: SpansJson = []
  for (const { lane, from, to } of spans) {
    const last = topics.at(-1)
    if (last === undefined || last[0] !== lane.topic || last[1] !== lane.topicId) {
      topics.push([lane.topic, lane.topicId, [[lane.lane, from, to]]])
    } else last[2].push([lane.lane, from, to])
  }
  const packed = deflateRawSync(JSON.stringify([queryJson(query), order, asked ?? null, topics])).toString('base64url')
  return `${VERSION}.${check(packed)}.${packed}`
}

const refused = (why: string): MillpondError =>
  new MillpondError('INPUT_INVALID', `cursor: ${why}`, { details: { path: 'cursor' } })

/**
 * Reads a cursor.
 * @throws MillpondError `INPUT_INVALID` for what is none.
 */
export function decodeCursor(text: string): CursorContent {
  const [version, sum, packed, ...others] = text.split('.')
  if (text.length > MAX_CHARACTERS || packed === undefined || others.length > 0) throw refused('it is none of this service')
  if (version !== VERSION) throw refused('it was made by another version of Millpond; begin the search again')
  if (sum !== check(packed)) throw refused('a part of it is missing, or was changed')
  try {
    return contentOf(JSON.parse(inflateRawSync(Buffer.from(packed, 'base64url'), { maxOutputLength: MAX_JSON_BYTES }).toString()))
  } catch (error) {
    if (isMillpondError(error)) throw error
    throw refused('it is none of this service')
  }
}

function contentOf(json: unknown): CursorContent {
  if (!Array.isArray(json) || json.length !== 4) throw refused('it is none of this service')
  const [asking, order, asked, topics] = json as unknown[]
  const { query } = parseRequest(asking, { nowMs: 0, limits: RECORD_LIMITS })
  if ((order !== 'lane' && order !== 'time') || (asked !== null && typeof asked !== 'string') || !Array.isArray(topics)) {
    throw refused('it is none of this service')
  }
  return { query, order, asked: asked ?? undefined, spans: topics.flatMap(spansOf) }
}

function spansOf(json: unknown): LaneSpan[] {
  const [topic, topicId, lanes] = Array.isArray(json) ? (json as unknown[]) : []
  if (!isName(topic) || !isName(topicId) || !Array.isArray(lanes)) throw refused('it names no lanes')
  return lanes.map((one: unknown) => {
    const [lane, from, to] = Array.isArray(one) ? (one as unknown[]) : []
    if (!isName(lane) || !isPosition(from) || !isPosition(to) || from >= to) throw refused('it names no part of a lane')
    return { lane: { topic, topicId, lane }, from, to }
  })
}

const isName = (value: unknown): value is string => typeof value === 'string' && value.isWellFormed()
const isPosition = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
