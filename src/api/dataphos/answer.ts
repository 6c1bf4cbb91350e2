import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { MillpondError, wrapError } from '../../errors.ts'
import type { IndexedLane } from '../../index/segment-index.ts'
import type { Caller, Scope } from '../access.ts'
import { goString } from './go-text.ts'
import type { IndexView } from './view.ts'

/** What the routes of both interfaces need. */
export interface Serving {
  readonly view: IndexView
  /** Names of collections that there are; every name where it is empty. */
  readonly collections: readonly string[]
  readonly nowMs: () => number
  /** Told of errors that this side has to look after. */
  onError(error: MillpondError): void
}

const JSON_TYPE = 'application/json; charset=utf-8'

/** Answers JSON text, or texts by name as Go writes a map. */
export function answer(
  reply: FastifyReply,
  status: number,
  content: string | Readonly<Record<string, string>>,
  type: string = JSON_TYPE,
): FastifyReply {
  const text =
    typeof content === 'string'
      ? content
      : `{${Object.entries(content)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => `${goString(name)}:${goString(value)}`)
          .join(',')}}`
  return reply.code(status).type(type).send(Buffer.from(text))
}

/** An answer up to this size is made whole, so that an error in the middle can still be told. */
const WHOLE_CHARACTERS = 1024 * 1024

/** Answers text piece by piece; a small one at once. */
export async function streamed(reply: FastifyReply, pieces: AsyncGenerator<string>): Promise<FastifyReply> {
  let text = ''
  for (;;) {
    const next = await pieces.next()
    if (next.done === true) return answer(reply, 200, text)
    text += next.value
    if (text.length > WHOLE_CHARACTERS) break
  }
  async function* all(): AsyncGenerator<string> {
    yield text
    yield* joined(pieces)
  }
  return reply
    .code(200)
    .type(JSON_TYPE)
    .send(Readable.from(all(), { objectMode: false }))
}

const PIECE_CHARACTERS = 64 * 1024

async function* joined(pieces: AsyncGenerator<string>): AsyncGenerator<string> {
  let text = ''
  for await (const piece of pieces) {
    text += piece
    if (text.length < PIECE_CHARACTERS) continue
    yield text
    text = ''
  }
  if (text !== '') yield text
}

/** Whether there is a collection of that name. */
export const isCollection = ({ collections }: Serving, name: string): boolean =>
  collections.length === 0 || collections.includes(name)

/**
 * The lanes of topics with which the caller may do that, in their order.
 * @throws MillpondError `FORBIDDEN` where there are topics and the caller may do it with none.
 */
export async function lanesFor({ view }: Serving, caller: Caller, scope: Scope): Promise<readonly IndexedLane[]> {
  // Asked even where there is no topic yet: nobody is answered whom nothing was asked of.
  const maySeeAll = caller.may(scope)
  const lanes = await view.archive.index.lanes()
  const allowed = maySeeAll ? lanes : lanes.filter(({ topic }) => caller.may(scope, topic))
  if (allowed.length > 0 || lanes.length === 0) return allowed
  throw new MillpondError('FORBIDDEN', `${caller.name} may not ${scope} any topic`, { details: { scope } })
}

/** The error as one of ours. */
export const goError = (error: unknown): MillpondError => wrapError(error, 'INTERNAL', 'a defect in Millpond')
