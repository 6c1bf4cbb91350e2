import type { Secret } from '../../secret.ts'
import type { RetryPolicy } from '../../store/retry.ts'

/** Certificates for https; all text is PEM. */
export interface RegistryTls {
  readonly ca: string | undefined
  readonly certificate: string | undefined
  readonly key: Secret | undefined
  readonly passphrase: Secret | undefined
  /** The name in the registry's certificate, where it is not its host. */
  readonly serverName: string | undefined
  /** False takes any certificate. */
  readonly verify: boolean
}

/** How to say who asks. */
export type RegistryLogin =
  | { readonly kind: 'basic'; readonly username: string; readonly password: Secret }
  /** Asked for before every request: what it comes from may change. */
  | { readonly kind: 'bearer'; readonly token: () => Promise<Secret> }

/** How a registry is reached. */
export interface RegistryOptions {
  /** One registry's addresses: the next is asked where one does not answer. */
  readonly urls: readonly string[]
  readonly login?: RegistryLogin
  readonly tls?: RegistryTls
  /** The longest time for one answer. */
  readonly timeoutMs: number
  /** Schemas that are remembered. */
  readonly cacheCount: number
  readonly retry: RetryPolicy
}
