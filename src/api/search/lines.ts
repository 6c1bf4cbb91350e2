import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { MillpondError } from '../../errors.ts'
import { errorJson } from '../answer.ts'
import type { SearchEnd } from './run.ts'

interface SendOptions {
  readonly asError: (error: unknown) => MillpondError
  readonly requestId: string
  /** Aborts when the search has to end, though its caller takes nothing. */
  readonly signal: AbortSignal
}

/**
 * Writes lines as they are found, no faster than they are taken; the last one says how the search ended: `{"end":true,…}`, or `{"error":…}`, after which the
 * connection breaks off, so that nobody takes what came for the whole. Gives the error that a search ended with after its first line.
 */
export async function sendLines(
  response: ServerResponse,
  lines: AsyncIterable<Uint8Array>,
  end: () => SearchEnd,
  { asError, requestId, signal }: SendOptions,
): Promise<MillpondError | undefined> {
  try {
    for await (const chunk of lines) {
      if (response.destroyed) return undefined
      if (!response.write(chunk)) await drained(response, signal)
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

/** Until the caller has taken what was written, or it is gone, or the search has to end. */
async function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const done = new AbortController()
  const options = { signal: done.signal }
  try {
    await Promise.race([once(response, 'drain', options), once(response, 'close', options), once(signal, 'abort', options)])
  } finally {
    done.abort()
  }
}
