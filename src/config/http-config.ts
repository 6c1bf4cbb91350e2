import type { Secret } from '../secret.ts'

/** What a caller may do, and with which topics; `*` in a topic stands for any text. */
export interface GrantConfig {
  readonly scope: 'write' | 'read' | 'replay' | 'admin'
  readonly topics: readonly string[]
}

/** A caller with a key or a client certificate. */
export interface KeyConfig {
  readonly name: string
  /** The SHA-256 of the key, hexadecimal; undefined where a certificate is meant. */
  readonly sha256: string | undefined
  /** The common name of a client certificate. */
  readonly certificate: string | undefined
  readonly grants: readonly GrantConfig[]
  readonly expiresMs: number | undefined
}

/** Whose tokens are taken, and what they give. */
export interface OidcConfig {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly jwksUrl: string | undefined
  readonly algorithms: readonly string[]
  readonly clockToleranceMs: number
  readonly scopesClaim: string
  readonly scopePrefix: string
  readonly topicsClaim: string | undefined
  readonly grants: readonly {
    readonly claim: string
    readonly value: string
    readonly scopes: readonly GrantConfig['scope'][]
    readonly topics: readonly string[]
  }[]
  readonly nameClaim: string
  readonly timeoutMs: number
  readonly refreshMs: number
  readonly cooldownMs: number
  readonly keepKeysMs: number
}

/** TLS of the HTTP interface; files are PEM, their paths absolute. */
export interface HttpTlsConfig {
  readonly certFile: string
  readonly keyFile: string
  readonly passphrase: Secret | undefined
  /** Whom client certificates must be of; undefined where none is asked for. */
  readonly caFile: string | undefined
  readonly clientCertificates: 'request' | 'require'
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly reloadMs: number
}

/** The audit log. */
export interface AuditConfig {
  readonly path: string
  readonly rotateBytes: number
  readonly onFailure: 'refuse-changes' | 'refuse-all' | 'go-on'
  readonly puts: boolean
  readonly hashKey: Secret | undefined
}

/** How much one caller may ask; undefined is no limit. */
export interface CallerLimits {
  /** Requests a second. */
  readonly rate: number | undefined
  readonly burst: number | undefined
  readonly concurrent: number | undefined
}

/** How much callers may ask, and what holds for some by their names instead. */
export interface LimitsConfig extends CallerLimits {
  readonly refusedPerMinute: number
  readonly callers: readonly (CallerLimits & { readonly name: string })[]
}

/** The HTTP interface. */
export interface HttpConfig {
  readonly host: string
  readonly port: number
  readonly token: Secret | undefined
  readonly keys: readonly KeyConfig[]
  readonly oidc: OidcConfig | undefined
  readonly tls: HttpTlsConfig | undefined
  readonly behindProxy: boolean
  readonly openProbes: boolean
  readonly corsOrigins: readonly string[]
  readonly limits: LimitsConfig
  /** `auto` is decided where it is known at which address the service listens. */
  readonly audit: AuditConfig & { readonly type: 'auto' | 'file' | 'none' }
  readonly maxBodyBytes: number
  readonly maxMessageBytes: number
  readonly maxConnections: number
  readonly requestTimeoutMs: number
}
