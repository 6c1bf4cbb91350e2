import type { Secret } from '../../secret.ts'
import type { ObserveRequest, RequestPrices } from '../../store/requests.ts'
import type { RetryPolicy } from '../../store/retry.ts'

/** A key of its own; without one the SDK's chain is asked (environment, profiles, web identity, container, machine). */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly sessionToken?: Secret
}

/** How the service encrypts new objects; the bucket's own default unless given. */
export interface S3Encryption {
  /** `AES256` with keys of the service; `aws:kms` and `aws:kms:dsse` with those of a key management service. */
  readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse'
  /** The id, ARN or alias of the key; the account's own for S3 unless given. */
  readonly kmsKeyId?: string
  /** Asks the key management service once a bucket instead of once an object. */
  readonly bucketKey?: boolean
}

/** What each object and each part is sent with, for the service to check: CRC-32C costs a third of SHA-256. */
export type S3Checksum = 'crc32c' | 'sha256' | 'none'

/** Where a store in S3, or in what speaks it, lies and how it is used. */
export interface S3StoreOptions {
  readonly bucket: string
  /** The folder in the bucket that holds the store, ending in `/`; empty for the whole bucket. */
  readonly prefix?: string
  /** Unless given: the environment's or the profile's, and `us-east-1` with an `endpoint`. */
  readonly region?: string
  /** The service's address, where it is not Amazon's: `https://minio.example:9000`. */
  readonly endpoint?: string
  /** Whether the bucket stands in the path of addresses instead of in their host; true with an `endpoint` unless given. */
  readonly pathStyle?: boolean
  readonly credentials?: S3Credentials
  /** The profile of the shared configuration files that region and credentials come from. */
  readonly profile?: string
  /**
   * The proxy's address; without one, the environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), which an endpoint on this machine does
   * without. May hold a password.
   */
  readonly proxy?: Secret
  /** Who signed the endpoint's certificate, PEM; the system's own authorities unless given. */
  readonly ca?: string
  readonly encryption?: S3Encryption
  /** The storage class of new objects (`STANDARD_IA`); the service's default unless given. Objects have to be readable at any time. */
  readonly storageClass?: string
  /** Tags of new objects. */
  readonly tags?: Readonly<Record<string, string>>
  /** Pays for requests where the bucket makes the requester pay. */
  readonly requesterPays?: boolean
  /** The account that the bucket must belong to. */
  readonly expectedBucketOwner?: string
  /** `crc32c` unless given; `none` for services that know none of them. */
  readonly checksum?: S3Checksum
  /**
   * Whether the SHA-256 of what is sent is part of the signature, which costs more than everything else together. Unless given: where the
   * connection is not encrypted and leaves this machine.
   */
  readonly signPayload?: boolean
  /** Objects of up to this many bytes are sent whole, larger ones in parts of as many where there is no room for them; at least 5 MiB. 5 MiB unless given. */
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
  /** What requests cost; Amazon's list prices unless given, and nothing with an `endpoint` of others. */
  readonly prices?: RequestPrices
  /** Told of each request. */
  readonly observe?: ObserveRequest
}
