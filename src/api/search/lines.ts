import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { MillpondError } from '../../errors.ts'
import { errorJson } from '../answer.ts'
import type { SearchEnd } from './run.ts'

/**
 * Writes lines as they are found, no faster than they are taken; the last one says how the search ended: `{"end":true,…}`, or `{"error":…}`, after which the
 * connection breaks off, so that nobody takes what came for the whole. Gives the error that a search ended with after its first line.
 */
export async function sendLines(
  response: ServerResponse,
  lines: AsyncIterable<Uint8Array>,
  end: () => SearchEnd,
  { asError, requestId }: { readonly asError: (error: unknown) => MillpondError; readonly requestId: string },
): Promise<MillpondError | undefined> {
  try {
    for await (const chunk of lines) {
      if (response.destroyed) return undefined
      if (!response.write(chunk)) await drained(response)
    }
    response.end(`${JSON.stringify({ end: true, ...end() })}\n`)
    return undefined
  } catch (error) {
    if (response.destroyed) return undefined
    const known = asError(error)
    // Without the last chunk of the transfer encoding, which says that all is there.
    await new Promise<void>((resolve) => response.write(`${errorJson(known, requestId)}\n`, () => resolve()))
    response.socket?.destroySoon()
    return known
  }
}

async function drained(response: ServerResponse): Promise<void> {
  const done = new AbortController()
  try {
    await Promise.race([once(response, 'drain', { signal: done.signal }), once(response, 'close', { signal: done.signal })])
  } finally {
    done.abort()
  }
}
