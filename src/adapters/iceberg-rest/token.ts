import { MillpondError } from '../../errors.ts'
import type { Secret } from '../../secret.ts'
import { ask } from './answers.ts'

/** How a caller says who it is. */
export type RestLogin =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: Secret }
  | {
      readonly kind: 'client-credentials'
      readonly endpoint: string
      readonly clientId: string
      readonly clientSecret: Secret
      readonly scope: string
    }

/** A token is asked for again when this part of its life is over; one that does not say how long it lives, after an hour. */
const LIFE_SHARE = 0.8
const DEFAULT_LIFE_SECONDS = 3600

/** Gives the `Authorization` header of each request, with a token that is valid for a while. */
export function createLogin(
  login: RestLogin,
  { timeoutMs, nowMs }: { readonly timeoutMs: number; readonly nowMs: () => number },
): (signal?: AbortSignal) => Promise<Readonly<Record<string, string>>> {
  if (login.kind === 'none') return () => Promise.resolve({})
  if (login.kind === 'token') return () => Promise.resolve({ authorization: `Bearer ${login.token.reveal()}` })
  const { endpoint, clientId, clientSecret, scope } = login
  let known: { readonly token: string; readonly renewMs: number } | undefined
  return async (signal) => {
    if (known === undefined || nowMs() >= known.renewMs) {
      // Source: RFC 6749, 4.4; the catalogue's own endpoint wants the secret in the form.
      const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret.reveal(), scope }
      const { body } = await ask({
        method: 'POST',
        url: endpoint,
        headers: { accept: 'application/json' },
        body: new URLSearchParams(form),
        timeoutMs,
        signal,
      })
      const token = body['access_token']
      if (typeof token !== 'string' || token === '')
        throw new MillpondError('CATALOG_REFUSED', `the token endpoint ${endpoint} gave no access_token`, {
          details: { endpoint },
        })
      const seconds = Number(body['expires_in'] ?? DEFAULT_LIFE_SECONDS)
      known = { token, renewMs: nowMs() + seconds * 1000 * LIFE_SHARE }
    }
    return { authorization: `Bearer ${known.token}` }
  }
}
