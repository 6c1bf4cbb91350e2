import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isMillpondError, MillpondError } from '../errors.ts'
import type { MessageFunction } from '../functions/function.ts'
import type { FunctionFile } from '../replay/job.ts'

/**
 * The file as a job names it, once it is known to load here.
 * @throws MillpondError `FUNCTION_INVALID`.
 */
export async function describeFunction(path: string): Promise<FunctionFile> {
  const file = { path: resolve(path), sha256: await hashOf(resolve(path)) }
  await openFunction(file)
  return file
}

/**
 * A function of the folder by its file name.
 * @throws MillpondError `FUNCTION_INVALID`, also for a name that would lead out of the folder.
 */
export async function findFunction(folder: string, name: string): Promise<FunctionFile> {
  if (!/^[\w][\w.-]{0,200}$/u.test(name))
    throw invalid(name, 'a function is named by its file in the folder jobs.functions, like clean.ts')
  return describeFunction(join(folder, name)).catch((error: unknown) => {
    if (!isMillpondError(error, 'FUNCTION_INVALID')) throw error
    // Who calls over HTTP need not know where the folder is.
    const message = error.message.replaceAll(`${resolve(folder)}${sep}`, '')
    throw new MillpondError('FUNCTION_INVALID', message, { cause: error, details: { path: name } })
  })
}

/**
 * Loads the function of a file: JavaScript, or TypeScript whose types Node strips. It runs in this process, with all that this process may do.
 * @throws MillpondError `FUNCTION_INVALID` where the file is gone, is another than the job was made with, or has no function as its default export.
 */
export async function openFunction({ path, sha256 }: FunctionFile): Promise<MessageFunction> {
  if ((await hashOf(path)) !== sha256) throw invalid(path, 'it is not the file that the job was made with')
  // By its content too, so that a process that runs for long takes a file that has changed since.
  const address = `${pathToFileURL(path).href}?sha256=${sha256}`
  const loaded = (await import(address).catch((error: unknown) => {
    throw invalid(path, `it does not load: ${String(error).slice(0, 300)}`, error)
  })) as { readonly default?: unknown }
  if (typeof loaded.default !== 'function') throw invalid(path, 'its default export is no function')
  return loaded.default as MessageFunction
}

async function hashOf(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw invalid(path, 'it cannot be read', error)
  })
  return createHash('sha256').update(bytes).digest('hex')
}

function invalid(path: string, why: string, cause?: unknown): MillpondError {
  return new MillpondError(
    'FUNCTION_INVALID',
    `the function ${path}: ${why}`,
    cause === undefined ? { details: { path } } : { cause, details: { path } },
  )
}
