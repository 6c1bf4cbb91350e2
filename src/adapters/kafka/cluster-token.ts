import { readFile } from 'node:fs/promises'
import { MillpondError, wrapError } from '../../errors.ts'
import type { KafkaTokenSource } from './cluster-options.ts'

const TOKEN_TIMEOUT_MS = 15_000
/** A token is asked for again when this part of its life is over. */
const LIFE_SHARE = 0.8

interface TokenAnswer {
  readonly access_token?: unknown
  readonly expires_in?: unknown
}

/** Gives the bearer token of the source, each time one that is valid for a while. */
export function createTokenProvider(source: KafkaTokenSource, nowMs: () => number = Date.now): () => Promise<string> {
  if (source.kind === 'static') return async () => source.token.reveal()
  if (source.kind === 'file') {
    const { path } = source
    return async () => {
      try {
        return (await readFile(path, 'utf8')).trim()
      } catch (error) {
        throw wrapError(error, 'BROKER_REFUSED', 'the file of the OAUTHBEARER token cannot be read', { path })
      }
    }
  }
  let known: { readonly token: Promise<string>; readonly renewMs: () => number } | undefined
  return () => {
    if (known === undefined || nowMs() >= known.renewMs()) {
      let renewMs = Infinity
      const asked = askForToken(source)
      const token = asked.then((answer) => {
        renewMs = nowMs() + answer.lifeMs * LIFE_SHARE
        return answer.token
      })
      const made = { token, renewMs: () => renewMs }
      known = made
      token.catch(() => {
        if (known === made) known = undefined
      })
    }
    return known.token
  }
}

async function askForToken(
  source: Extract<KafkaTokenSource, { kind: 'client-credentials' }>,
): Promise<{ readonly token: string; readonly lifeMs: number }> {
  const { endpoint, clientId, clientSecret, scope, audience } = source
  const details = { endpoint, clientId }
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  if (scope !== undefined) form.set('scope', scope)
  if (audience !== undefined) form.set('audience', audience)
  // RFC 6749, 2.3.1: both are form-encoded before they become a basic credential.
  const credential = [clientId, clientSecret.reveal()].map((text) => encodeURIComponent(text)).join(':')
  let response: Response
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      body: form,
      headers: { authorization: `Basic ${Buffer.from(credential).toString('base64')}`, accept: 'application/json' },
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
      redirect: 'error',
    })
  } catch (error) {
    throw wrapError(error, 'BROKER_UNAVAILABLE', `the token endpoint ${endpoint} does not answer`, details)
  }
  if (!response.ok) {
    const code = response.status >= 500 || response.status === 429 ? 'BROKER_UNAVAILABLE' : 'BROKER_REFUSED'
    await response.body?.cancel()
    throw new MillpondError(code, `the token endpoint ${endpoint} answered ${response.status}; check client id and secret`, {
      details: { ...details, status: response.status },
    })
  }
  const answer = (await response.json().catch(() => ({}))) as TokenAnswer
  if (typeof answer.access_token !== 'string' || answer.access_token === '') {
    throw new MillpondError('BROKER_REFUSED', `the token endpoint ${endpoint} gave no access_token`, { details })
  }
  const seconds = Number(answer.expires_in)
  return { token: answer.access_token, lifeMs: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0 }
}
