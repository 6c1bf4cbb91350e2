import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { MillpondError } from '../errors.ts'

/** Standard output that waits for whoever reads it, and knows when nobody reads any more. */
export interface Output {
  /** Whether the reader went away, as `head` does when it has enough. */
  readonly closed: boolean
  /** @throws MillpondError `STOPPED` when the reader went away. */
  write(content: Uint8Array | string): Promise<void>
}

/** Watches a stream; `onClosed` is called once when its reader goes away. Any other error of the stream is thrown by `write`. */
export function createOutput(stream: Writable, onClosed: () => void): Output {
  let failure: Error | undefined
  let closed = false
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'EOF') {
      closed = true
      onClosed()
    } else failure = error
  })
  const check = (): void => {
    if (closed) throw new MillpondError('STOPPED', 'nobody reads the output any more')
    if (failure !== undefined)
      throw new MillpondError('OUTPUT_FAILED', `cannot write to the output: ${failure.message}`, { cause: failure })
  }
  return {
    get closed() {
      return closed
    },
    async write(content) {
      check()
      if (stream.write(content)) return
      await Promise.race([once(stream, 'drain'), once(stream, 'close')]).catch(() => undefined)
      check()
    },
  }
}
