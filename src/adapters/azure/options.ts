import type { Secret } from '../../secret.ts'
import type { ObserveRequest, RequestPrices } from '../../store/requests.ts'
import type { RetryPolicy } from '../../store/retry.ts'

/** Who the store is asked as, and where the account is, as far as that is part of it. */
export type AzureCredentials =
  /**
   * The identity that this machine or environment has: variables, workload identity, managed identity, the developer's tools. `clientId` is
   * that of a user-assigned managed identity.
   */
  | { readonly kind: 'default'; readonly clientId?: string | undefined }
  /** What the portal shows under "Access keys" or "Shared access signature"; names the account too. */
  | { readonly kind: 'connection-string'; readonly connectionString: Secret }
  /** An access key of the account. */
  | { readonly kind: 'key'; readonly account: string; readonly key: Secret }
  /** A shared access signature of the account or the container: `sv=…&sig=…`. */
  | { readonly kind: 'sas'; readonly token: Secret }
  /** The address of the container or the account with such a signature. */
  | { readonly kind: 'sas-url'; readonly url: Secret }
  /** Nobody: for public containers, which are only read. */
  | { readonly kind: 'anonymous' }

/** Where a store in Azure Blob Storage lies and how it is used. */
export interface AzureStoreOptions {
  readonly container: string
  /** The folder in the container that holds the store, ending in `/`; empty for the whole container. */
  readonly prefix?: string
  /**
   * The account's address: `https://<account>.blob.core.windows.net`. Needed unless the credentials name it; with a connection string or an
   * address among them, those are taken.
   */
  readonly endpoint?: string
  /** `default` unless given. */
  readonly credentials?: AzureCredentials
  /** The proxy's address; without one, the environment's (`HTTPS_PROXY`, `NO_PROXY`). May hold a password. */
  readonly proxy?: Secret
  /** Who signed the endpoint's certificate, PEM; the system's own authorities unless given. */
  readonly ca?: string
  /** The access tier of new objects (`Cool`, `Cold`); the account's own unless given. Objects have to be readable at any time. */
  readonly accessTier?: string
  /** The encryption scope of new objects; the container's own unless given. */
  readonly encryptionScope?: string
  /** A key of AES-256 in base64 that the service encrypts with and forgets; every read needs it too. */
  readonly customerKey?: Secret
  /** Custom metadata of new objects; names of letters, digits and underscores. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Index tags of new objects. */
  readonly tags?: Readonly<Record<string, string>>
  /** Objects of up to this many bytes are sent whole, larger ones in parts of as many where there is no room for them, of which one has 50,000 at the most. 5 MiB unless given. */
  readonly partBytes?: number
  /** What all writers of the store together hold back before the largest of them sends parts; without it each sends what is more than a part. */
  readonly holdBytes?: number
  /** Parts on their way at once, of all objects together; 4 unless given. */
  readonly maxPartsInFlight?: number
  /** Requests under way at once; 64 unless given. */
  readonly maxConcurrent?: number
  /** A request without any progress for this long is given up; 15 s unless given. */
  readonly timeoutMs?: number
  /** How requests that failed for a passing reason are repeated; for up to a minute unless given. */
  readonly retry?: RetryPolicy
  /** What requests cost; the list prices of the hot tier unless given, and nothing with an `endpoint` of others. */
  readonly prices?: RequestPrices
  /** Told of each request. */
  readonly observe?: ObserveRequest
}
