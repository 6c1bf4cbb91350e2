import type { Writable } from 'node:stream'
import { MillpondError } from '../../errors.ts'
import { errnoOf } from './errors.ts'
import { fileFailure, type SinkOutput } from './sink-file.ts'

/** Standard output, or another stream: what it took counts as durable. Closing leaves the stream open, it is not ours. */
export function createStreamOutput(stream: Writable, name: string): SinkOutput {
  let failure: MillpondError | undefined
  // The stream tells of a reader that went away also between writes; without a listener that would end the process.
  const onError = (error: unknown): void => {
    failure ??= streamFailure(error, name)
  }
  stream.on('error', onError)
  return {
    async append(chunks) {
      for (const chunk of chunks) {
        if (failure !== undefined) throw failure
        await new Promise<void>((resolve, reject) => {
          stream.write(chunk, (error) => {
            if (error) onError(error)
            if (failure === undefined) resolve()
            else reject(failure)
          })
        })
      }
    },
    async close() {
      // Kept where it failed: the error may come once more.
      if (failure === undefined) stream.off('error', onError)
    },
  }
}

function streamFailure(error: unknown, name: string): MillpondError {
  if (errnoOf(error) !== 'EPIPE') return fileFailure(error, 'write to', name)
  return new MillpondError('STOPPED', `nobody reads ${name} any more`, { cause: error })
}
