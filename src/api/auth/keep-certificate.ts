import { Server } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { SafetyParts } from './safety-parts.ts'
import type { ServerTls } from './tls.ts'

/** How long before its end a certificate is told of. */
const SOON_MS = 7 * 86_400_000

/** Looks at the files of the certificate when it is called; the server uses new ones for the connections that come then. */
export function keepCertificate(
  { server }: Pick<FastifyInstance, 'server'>,
  tls: ServerTls,
  { readiness, onNews }: Pick<SafetyParts, 'readiness' | 'onNews'>,
): () => Promise<void> {
  let told: string | undefined
  const tellEnd = (): void => {
    const until = new Date(tls.validUntilMs).toISOString()
    const isSoon = tls.validUntilMs - Date.now() < SOON_MS
    readiness.tell('tls', { state: isSoon ? 'amber' : 'green', why: `the certificate holds until ${until}` })
  }
  return async () => {
    try {
      if (await tls.reload()) {
        // Fastify types every server as one without TLS.
        const listening: unknown = server
        if (listening instanceof Server) listening.setSecureContext(tls.context)
        onNews('info', 'the certificate was read again')
      }
      tellEnd()
      told = undefined
    } catch (error) {
      const why = `new files of the certificate are not used: ${error instanceof Error ? error.message : String(error)}`
      readiness.tell('tls', { state: 'amber', why })
      if (why !== told) onNews('warn', why)
      told = why
    }
  }
}
