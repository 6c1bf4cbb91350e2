import type { Secret } from '../secret.ts'

/** The schema registry. Paths are absolute. */
export interface RegistryConfig {
  /** Empty where there is no registry. */
  readonly urls: readonly string[]
  readonly login:
    | { readonly kind: 'basic'; readonly username: string; readonly password: Secret }
    | { readonly kind: 'token'; readonly token: Secret }
    | { readonly kind: 'token-file'; readonly path: string }
    | undefined
  readonly timeoutMs: number
  readonly cacheCount: number
  readonly tls: {
    readonly caFile: string | undefined
    readonly certificateFile: string | undefined
    readonly keyFile: string | undefined
    readonly passphrase: Secret | undefined
    readonly serverName: string | undefined
    readonly verify: boolean
  }
}
