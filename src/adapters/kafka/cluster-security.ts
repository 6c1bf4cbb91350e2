import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type * as Kafka from '@platformatic/kafka'
import { MillpondError } from '../../errors.ts'
import type { KafkaSasl, KafkaTls } from './cluster-options.ts'
import { createTokenProvider } from './cluster-token.ts'
import type { Protocol } from './protocol.ts'

/** Options of node:tls for these certificates. */
export function tlsOptions({ ca, certificate, key, passphrase, serverName, verify = true }: KafkaTls): TlsOptions {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key: key.reveal() }),
    ...(passphrase === undefined ? {} : { passphrase: passphrase.reveal() }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    rejectUnauthorized: verify,
  }
}

/** Speaks SASL on a new connection; tells how long the broker lets the session live, 0 for ever. */
export type Authentication = (onLifetime: (lifetimeMs: number) => void) => Kafka.SASLOptions

/** How connections of these credentials authenticate. Tokens are shared by all of them. */
export function createAuthentication(protocol: Protocol, sasl: KafkaSasl): Authentication {
  const { saslPlain, saslScramSha } = protocol
  const begin = exchangeOf(sasl)
  return (onLifetime) => ({
    mechanism: sasl.mechanism,
    authenticate(_mechanism, connection, api, _username, _password, _token, callback) {
      void answerBy(callback, async () => {
        const response = await begin({ saslPlain, saslScramSha, connection, api })
        onLifetime(Number(response.sessionLifetimeMs))
        // A connection is replaced before its session ends: what is on its way while it authenticates anew would be refused.
        return { ...response, sessionLifetimeMs: 0n }
      })
    },
  })
}

/** Hands the outcome to who waits for it by a callback. */
async function answerBy<T>(callback: (error: Error | null, answer?: T) => void, act: () => Promise<T>): Promise<void> {
  let answer: T
  try {
    answer = await act()
  } catch (error) {
    callback(error instanceof Error ? error : new Error('SASL failed', { cause: error }))
    return
  }
  callback(null, answer)
}

interface Exchange extends Pick<Protocol, 'saslPlain' | 'saslScramSha'> {
  readonly connection: Kafka.Connection
  readonly api: Kafka.saslAuthenticateV2.SASLAuthenticationAPI
}

function exchangeOf(sasl: KafkaSasl): (exchange: Exchange) => Promise<Kafka.saslAuthenticateV2.SaslAuthenticateResponse> {
  if (sasl.mechanism === 'OAUTHBEARER') {
    const token = createTokenProvider(sasl.token)
    return async ({ connection, api }) => bear(connection, api, await token(), sasl.extensions ?? {})
  }
  const { mechanism, username, password } = sasl
  if (mechanism === 'PLAIN') {
    return ({ saslPlain, connection, api }) => saslPlain.authenticate(api, connection, username, password.reveal())
  }
  const algorithm = mechanism === 'SCRAM-SHA-256' ? 'SHA-256' : 'SHA-512'
  return ({ saslScramSha, connection, api }) => saslScramSha.authenticate(api, connection, algorithm, username, password.reveal())
}

/** RFC 7628, 3: a refusal comes as an answer with text, which the client has to acknowledge by one byte to be told the end. */
async function bear(
  connection: Kafka.Connection,
  api: Kafka.saslAuthenticateV2.SASLAuthenticationAPI,
  token: string,
  extensions: Readonly<Record<string, string>>,
): Promise<Kafka.saslAuthenticateV2.SaslAuthenticateResponse> {
  const fields = Object.entries(extensions).map(([name, value]) => `\u0001${name}=${value}`)
  const first = `n,,\u0001auth=Bearer ${token}${fields.join('')}\u0001\u0001`
  const response = await api.async(connection, Buffer.from(first))
  if (response.authBytes.length === 0) return response
  const { status } = parseRefusal(response.authBytes)
  await api.async(connection, Buffer.of(1)).catch(() => undefined)
  throw new MillpondError('BROKER_REFUSED', `the broker refused the OAUTHBEARER token: ${status}; check the token`, {
    details: { reason: 'SASL_AUTHENTICATION_FAILED' },
  })
}

function parseRefusal(bytes: Uint8Array): { readonly status: string } {
  try {
    const { status } = JSON.parse(Buffer.from(bytes).toString()) as { status?: unknown }
    return { status: typeof status === 'string' ? status : 'no status given' }
  } catch {
    return { status: 'no status given' }
  }
}
