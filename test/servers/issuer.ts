import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, type JWK, SignJWT } from 'jose'
import { Provider } from 'oidc-provider'

/** An OpenID Connect issuer (oidc-provider) at a port of its own. */
export interface Issuer extends AsyncDisposable {
  readonly url: string
  /** How often its keys were asked for. */
  readonly keysAsked: () => number
  /** A token by the flow of client credentials. @throws Error where the issuer gives none. */
  token(scope: string, audience?: string): Promise<string>
  /** A token with any claims, signed by the key that the issuer uses now; it names that key, another one, or with an empty text none. */
  sign(claims: JWTPayload, header?: { readonly kid?: string }): Promise<string>
  /** The public key that the issuer uses now. */
  readonly publicKey: () => JWK
  /** From now on another key signs, and the one before is gone, unless it is kept. */
  rotate(keepsOld?: boolean): Promise<void>
  /** Answers nothing but 503, or works again. */
  setDown(isDown: boolean): void
}

const CLIENT = { id: 'archivist', secret: 'a-secret-of-the-client' }
const SCOPES = ['millpond.read', 'millpond.write', 'millpond.replay', 'millpond.admin', 'millpond.write:orders*']

/** Clients are given, and tokens are signed: nothing has to be kept. */
const STORES_NOTHING = {
  upsert: () => Promise.resolve(),
  find: () => Promise.resolve(undefined),
  findByUserCode: () => Promise.resolve(undefined),
  findByUid: () => Promise.resolve(undefined),
  consume: () => Promise.resolve(),
  destroy: () => Promise.resolve(),
  revokeByGrantId: () => Promise.resolve(),
}

/** Starts an issuer whose tokens are JWTs that hold for a minute. */
export async function startIssuer(): Promise<Issuer> {
  let asked = 0
  let isDown = false
  let keys = 0
  let answer: (request: IncomingMessage, response: ServerResponse) => Promise<void> | void
  const server = createServer((request, response) => {
    if (request.url === '/jwks') asked += 1
    if (isDown) response.writeHead(503).end()
    else void answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let signing = await newSigningKey(++keys)
  answer = providerOf(url, [signing.jwk])
  return {
    url,
    keysAsked: () => asked,
    token: (scope, audience = 'https://millpond.example') => tokenOf(url, scope, audience),
    sign: (claims, header = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', ...(header.kid === '' ? {} : { kid: header.kid ?? signing.jwk.kid! }) })
        .sign(signing.privateKey),
    publicKey: () => ({ kty: signing.jwk.kty!, n: signing.jwk.n!, e: signing.jwk.e! }),
    async rotate(keepsOld = false) {
      const old = signing
      signing = await newSigningKey(++keys)
      answer = providerOf(url, keepsOld ? [signing.jwk, old.jwk] : [signing.jwk])
    },
    setDown(down) {
      isDown = down
    },
    [Symbol.asyncDispose]: () => close(server),
  }
}

async function newSigningKey(count: number) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { privateKey, jwk: { ...(await exportJWK(privateKey)), kid: `key-${count}`, alg: 'RS256', use: 'sig' } as JWK }
}

function providerOf(url: string, keys: JWK[]) {
  const provider = new Provider(url, {
    jwks: { keys },
    adapter: () => STORES_NOTHING,
    ttl: { ClientCredentials: 60 },
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        scope: SCOPES.join(' '),
      },
    ],
    scopes: SCOPES,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, audience) => ({
          scope: SCOPES.join(' '),
          audience,
          accessTokenFormat: 'jwt' as const,
          accessTokenTTL: 60,
          jwt: { sign: { alg: 'RS256' as const } },
        }),
      },
    },
  })
  return provider.callback()
}

async function tokenOf(url: string, scope: string, audience: string): Promise<string> {
  const answer = await fetch(`${url}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${CLIENT.id}:${CLIENT.secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource: audience }),
  })
  const { access_token: token } = (await answer.json()) as { access_token?: string }
  if (token === undefined) throw new Error(`the issuer answered ${answer.status}`)
  return token
}

async function close(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}
