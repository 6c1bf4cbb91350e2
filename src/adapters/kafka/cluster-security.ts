import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type * as Kafka from '@platformatic/kafka'
import { MillpondError } from '../../errors.ts'
import type { KafkaSasl, KafkaTls } from './cluster-options.ts'
import { createTokenProvider } from './cluster-token.ts'
import type { ApiRanges } from './connection.ts'
import { protocol } from './protocol.ts'

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

/**
 * Speaks SASL on a new connection whose broker knows these versions; gives how long the broker lets the session live, ms, 0 for ever.
 * @throws AuthenticationError of the protocol layer.
 */
export type Authentication = (connection: Kafka.Connection, versions: ApiRanges) => Promise<number>

/** Versions of SaslAuthenticate; the same in all but what comes at their ends. */
const authenticateApis = [protocol.saslAuthenticateV2.api, protocol.saslAuthenticateV1.api, protocol.saslAuthenticateV0.api]

/** How connections of these credentials authenticate. Tokens are shared by all of them. */
export function createAuthentication(sasl: KafkaSasl): Authentication {
  const exchange = exchangeOf(sasl)
  return async (connection, versions) => {
    const [newest] = authenticateApis
    const spoken = versions.get(newest!.key)
    const api = authenticateApis.find(({ version }) => spoken && version >= spoken.oldest && version <= spoken.newest) ?? newest!
    await protocol.saslHandshakeV1.api.async(connection, sasl.mechanism).catch((cause: Error) => {
      throw new protocol.AuthenticationError('Cannot find a suitable SASL mechanism.', { cause })
    })
    const { sessionLifetimeMs = 0n } = await exchange(connection, api)
    return Number(sessionLifetimeMs)
  }
}

type Exchange = (
  connection: Kafka.Connection,
  api: Kafka.saslAuthenticateV2.SASLAuthenticationAPI,
) => Promise<Partial<Kafka.saslAuthenticateV2.SaslAuthenticateResponse>>

function exchangeOf(sasl: KafkaSasl): Exchange {
  const { saslPlain, saslScramSha } = protocol
  if (sasl.mechanism === 'OAUTHBEARER') {
    const token = createTokenProvider(sasl.token)
    return async (connection, api) => bear(connection, api, await token(), sasl.extensions ?? {})
  }
  const { mechanism, username, password } = sasl
  if (mechanism === 'PLAIN') {
    return (connection, api) => saslPlain.authenticate(api, connection, username, password.reveal())
  }
  const algorithm = mechanism === 'SCRAM-SHA-256' ? 'SHA-256' : 'SHA-512'
  return (connection, api) => saslScramSha.authenticate(api, connection, algorithm, username, password.reveal())
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
