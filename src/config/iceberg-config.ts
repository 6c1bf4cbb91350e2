import type { PartitionTerm } from '../iceberg/transform.ts'
import type { Secret } from '../secret.ts'

/** Topics as Iceberg tables. */
export interface IcebergConfig {
  readonly topics: readonly string[]
  readonly catalog: 'files' | 'rest'
  /** Ends in `/`, unless it is empty. */
  readonly prefix: string
  readonly namespace: readonly string[]
  /** The store's address, without `/` at its end; undefined where it cannot be known. */
  readonly root: string | undefined
  readonly partition: readonly PartitionTerm[]
  readonly tables: Readonly<Record<string, { readonly table: string; readonly partition: readonly PartitionTerm[] }>>
  readonly rest: {
    readonly url: string
    readonly warehouse: string | undefined
    readonly login:
      | { readonly kind: 'none' }
      | { readonly kind: 'token'; readonly token: Secret }
      | {
          readonly kind: 'client-credentials'
          readonly endpoint: string
          readonly clientId: string
          readonly clientSecret: Secret
          readonly scope: string
        }
    readonly headers: Readonly<Record<string, string>>
    readonly timeoutMs: number
  }
}
