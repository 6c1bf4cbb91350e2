import { hash, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls'
import type { HttpTlsConfig } from '../../config/http-config.ts'
import { MillpondError } from '../../errors.ts'

/** The certificate of the service, kept as new as its files. */
export interface ServerTls {
  /** For connections that come now. */
  readonly context: SecureContextOptions
  readonly asksForCertificates: boolean
  readonly requiresCertificates: boolean
  /** Until when the certificate holds. */
  readonly validUntilMs: number
  /** Looks at the files: true where they are others than before, and good. What is wrong with new ones leaves the old ones. @throws MillpondError `CONFIG_INVALID`. */
  reload(): Promise<boolean>
}

/**
 * Reads the files of the certificate.
 * @throws MillpondError `CONFIG_INVALID` where they cannot be read or do not belong together.
 */
export async function loadTls(config: HttpTlsConfig): Promise<ServerTls> {
  let loaded = await read(config)
  return {
    get context() {
      return loaded.context
    },
    get validUntilMs() {
      return loaded.validUntilMs
    },
    asksForCertificates: config.caFile !== undefined,
    requiresCertificates: config.caFile !== undefined && config.clientCertificates === 'require',
    async reload() {
      const fresh = await read(config)
      const isNew = fresh.digest !== loaded.digest
      loaded = fresh
      return isNew
    },
  }
}

/** What a server that begins needs to speak TLS. */
export function tlsOptions({ context, asksForCertificates, requiresCertificates }: ServerTls): TlsOptions & SecureContextOptions {
  return { ...context, requestCert: asksForCertificates, rejectUnauthorized: requiresCertificates }
}

interface Loaded {
  readonly digest: string
  readonly context: SecureContextOptions
  readonly validUntilMs: number
}

async function read(config: HttpTlsConfig): Promise<Loaded> {
  const [cert, key, ca] = await Promise.all([config.certFile, config.keyFile, config.caFile].map(readPem))
  const context: SecureContextOptions = {
    cert,
    key,
    ...(ca === undefined ? {} : { ca }),
    ...(config.passphrase === undefined ? {} : { passphrase: config.passphrase.reveal() }),
    minVersion: config.minVersion,
  }
  try {
    createSecureContext(context)
    const validUntilMs = new X509Certificate(cert!).validToDate.getTime()
    return { digest: hash('sha256', JSON.stringify([cert, key, ca])), context, validUntilMs }
  } catch (error) {
    throw unusable(`${config.certFile} and ${config.keyFile}`, error)
  }
}

async function readPem(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw unusable(file, error)
  }
}

function unusable(what: string, error: unknown): MillpondError {
  const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  return new MillpondError('CONFIG_INVALID', `http.tls: cannot use ${what}: ${reason}`, { cause: error })
}
