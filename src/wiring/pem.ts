import { readFile } from 'node:fs/promises'
import { MillpondError } from '../errors.ts'

/** A file of certificates or keys. @throws MillpondError `CONFIG_INVALID` where it cannot be read. */
export async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new MillpondError('CONFIG_INVALID', `${path} cannot be read: ${why}`, { cause: error, details: { path } })
  }
}
