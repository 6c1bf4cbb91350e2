import type { Secret } from '../../secret.ts'
import type { ObserveRequest, RequestPrices } from '../../store/requests.ts'
import type { RetryPolicy } from '../../store/retry.ts'

/** Who the store is asked as. */
export type GcsCredentials =
  /** Application Default Credentials: GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, workload identity, the machine's service account. */
  | { readonly kind: 'default' }
  /** A file with a key or with the configuration of an external account (workload identity federation). */
  | { readonly kind: 'file'; readonly path: string }
  /** The text of such a file. */
  | { readonly kind: 'json'; readonly json: Secret }
  /** Nobody: for public buckets and emulators. */
  | { readonly kind: 'anonymous' }

/** Where a store in Google Cloud Storage lies and how it is used. */
export interface GcsStoreOptions {
  readonly bucket: string
  /** The folder in the bucket that holds the store, ending in `/`; empty for the whole bucket. */
  readonly prefix?: string
  /** `default` unless given. */
  readonly credentials?: GcsCredentials
  /** The service's address, where it is not the public one: a private endpoint, an emulator. */
  readonly endpoint?: string
  /**
   * The proxy's address; without one, the environment's (`HTTPS_PROXY`, `NO_PROXY`), which an endpoint on this machine does without. May hold
   * a password.
   */
  readonly proxy?: Secret
  /** Who signed the endpoint's certificate, PEM; the system's own authorities unless given. */
  readonly ca?: string
  /** The project that pays for requests, where the bucket makes the requester pay. */
  readonly userProject?: string
  /** The storage class of new objects (`NEARLINE`); the bucket's own unless given. */
  readonly storageClass?: string
  /** The Cloud KMS key of new objects: `projects/…/locations/…/keyRings/…/cryptoKeys/…`; the bucket's own unless given. */
  readonly kmsKeyName?: string
  /** Custom metadata of new objects. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Objects of up to this many bytes are sent whole, larger ones in parts of as many where there is no room for them, in units of 256 KiB. 5 MiB unless given. */
  readonly partBytes?: number
  /** What all writers of the store together hold back before the largest of them sends parts; without it each sends what is more than a part. */
  readonly holdBytes?: number
  /** Parts on their way at once, of all objects together; each object sends one at a time. 4 unless given. */
  readonly maxPartsInFlight?: number
  /** Requests under way at once; 64 unless given. */
  readonly maxConcurrent?: number
  /** A request without any progress for this long is given up; 15 s unless given. */
  readonly timeoutMs?: number
  /** How requests that failed for a passing reason are repeated; for up to a minute unless given. */
  readonly retry?: RetryPolicy
  /** What requests cost; the list prices of the standard class unless given, and nothing with an `endpoint` of others. */
  readonly prices?: RequestPrices
  /** Told of each request. */
  readonly observe?: ObserveRequest
}
