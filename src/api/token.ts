import { hash, timingSafeEqual } from 'node:crypto'
import { isLoopback } from '../config/loopback.ts'
import type { Secret } from '../secret.ts'
import { MillpondError } from '../errors.ts'

const digest = (text: string): Buffer => hash('sha256', text, 'buffer')

/** Whether an `Authorization` header carries the token; it takes as long for a nearly right one as for a wrong one. */
export function createTokenCheck(token: string): (authorization: string | undefined) => boolean {
  const wanted = digest(token)
  return (authorization) => {
    const given = /^Bearer +(\S+) *$/iu.exec(authorization ?? '')?.[1]
    return given !== undefined && timingSafeEqual(digest(given), wanted)
  }
}

/**
 * Refuses to listen where others than this machine reach it, unless there is a token.
 * @throws MillpondError `CONFIG_INVALID`.
 */
export function requireTokenFor({ host, token }: { readonly host: string; readonly token: Secret | undefined }): void {
  if (isLoopback(host) || token !== undefined) return
  throw new MillpondError('CONFIG_INVALID', `others than this machine reach ${host}, so http.token must be set`, {
    details: { host },
  })
}
