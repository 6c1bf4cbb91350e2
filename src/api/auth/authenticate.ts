import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { credentialOf } from './credentials.ts'
import { type Identity, NOBODY } from './identity.ts'
import type { KeyRing } from './keys.ts'
import type { TokenCheck } from './tokens.ts'

/** Who sends a request, or why that is not known: it brought nothing, or nothing that is right. */
export type Authentication = Identity | 'nothing' | 'wrong'

/** Says who sends a request; at once, unless a signature has to be checked. */
export type Authenticate = (request: IncomingMessage) => Authentication | Promise<Authentication>

/** Where there are neither keys nor an issuer, nobody is asked. */
export function createAuthenticate(ring: KeyRing | undefined, checkToken: TokenCheck | undefined): Authenticate {
  if (ring === undefined && checkToken === undefined) return () => NOBODY
  const ofToken = async (token: string, check: TokenCheck) => (await check(token)) ?? 'wrong'
  return (request) => {
    const credential = credentialOf(request.headers)
    if (credential === undefined) return ofCertificate(request, ring) ?? 'nothing'
    if (credential === 'unclear') return 'wrong'
    const holder = ring?.holderOf(credential.text)
    if (holder !== undefined) return holder
    return credential.kind === 'bearer' && checkToken !== undefined ? ofToken(credential.text, checkToken) : 'wrong'
  }
}

function ofCertificate({ socket }: IncomingMessage, ring: KeyRing | undefined): Identity | undefined {
  if (ring === undefined || !(socket instanceof TLSSocket) || !socket.authorized) return undefined
  // Node gives an empty object where there is no certificate.
  const commonName = (socket.getPeerCertificate() as { subject?: { CN?: unknown } }).subject?.CN
  return typeof commonName === 'string' ? ring.ofCertificate(commonName) : undefined
}
