import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Config } from '../config/config.ts'
import { MillpondError } from '../errors.ts'

/** The words for a thread that runs the program's own `archive` on the same configuration. */
function wordsFor({ file, folder }: Config, once: boolean): string[] {
  return ['archive', ...(once ? ['--once', '--json'] : []), '--dir', folder, ...(file === undefined ? [] : ['--config', file])]
}

/** What a thread printed on its standard output, once it has ended well. */
async function runThread(config: Config, once: boolean, signal: AbortSignal): Promise<string> {
  const here = fileURLToPath(import.meta.url)
  const worker = new Worker(new URL(`./main${extname(here)}`, import.meta.url), { argv: wordsFor(config, once), stdout: true })
  const stop = (): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
    worker.postMessage('stop')
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  let output = ''
  worker.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = Promise.withResolvers<number>()
  worker.once('error', ended.reject)
  worker.once('exit', ended.resolve)
  try {
    const exitCode = await ended.promise
    if (exitCode === 0) return output
    throw new MillpondError('INTERNAL', `an archiver's thread ended with exit code ${exitCode}; what it says is on stderr`)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/**
 * Runs whole archivers in so many threads, each a member of the group by itself; they share nothing. Gives what each printed.
 * @throws MillpondError of the first that did not end well, when all have ended.
 */
export async function runArchiveThreads(
  config: Config,
  { threads, once }: { readonly threads: number; readonly once: boolean },
  signal: AbortSignal,
): Promise<string[]> {
  const ended = await Promise.allSettled(Array.from({ length: threads }, () => runThread(config, once, signal)))
  const failed = ended.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return ended.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : ''))
}
