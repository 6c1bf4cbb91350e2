import { crc32 } from 'node:zlib'

/** A document that tells of any later change of its own: `check` is a CRC-32 of the rest. */
export type Checked<T> = T & { readonly check: number }

/** The document with its check. */
export const withCheck = <T extends object>(document: T): Checked<T> => ({ ...document, check: checkOf(document) })

/** Whether nothing of the document was changed. */
export function isSound(document: Checked<object>): boolean {
  const { check, ...rest } = document
  return check === checkOf(rest)
}

/** Whatever order a server gives the fields in. */
const checkOf = (document: object): number => crc32(JSON.stringify(sorted(document)))

function sorted(value: unknown): unknown {
  if (value instanceof Uint8Array) return crc32(value)
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => [key, sorted(inner)])
  return entries.sort(([a], [b]) => (a < b ? -1 : 1))
}
