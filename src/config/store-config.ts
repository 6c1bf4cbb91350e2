import type { Secret } from '../secret.ts'

/** What the sections of all stores behind a network have. */
interface CloudConfig {
  /** Ends in `/`, unless it is empty. */
  readonly prefix: string
  readonly proxy: Secret | undefined
  readonly partBytes: number
  readonly maxConcurrent: number | undefined
  readonly timeoutMs: number
}

export interface S3Config extends CloudConfig {
  readonly bucket: string
  readonly region: string | undefined
  readonly endpoint: string | undefined
  readonly pathStyle: boolean
  readonly credentials:
    | { readonly accessKeyId: string; readonly secretAccessKey: Secret; readonly sessionToken?: Secret }
    | undefined
  readonly profile: string | undefined
  readonly caFile: string | undefined
  readonly encryption:
    | { readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse'; readonly kmsKeyId?: string; readonly bucketKey: boolean }
    | undefined
  readonly storageClass: string | undefined
  readonly tags: Readonly<Record<string, string>>
  readonly requesterPays: boolean
  readonly expectedBucketOwner: string | undefined
  readonly checksum: 'crc32c' | 'sha256' | 'none'
}

export interface GcsConfig extends CloudConfig {
  readonly bucket: string
  readonly credentials:
    | { readonly kind: 'default' }
    | { readonly kind: 'file'; readonly path: string }
    | { readonly kind: 'json'; readonly json: Secret }
    | { readonly kind: 'anonymous' }
  readonly endpoint: string | undefined
  readonly caFile: string | undefined
  readonly userProject: string | undefined
  readonly storageClass: string | undefined
  readonly kmsKeyName: string | undefined
  readonly metadata: Readonly<Record<string, string>>
}

export interface AzureConfig extends CloudConfig {
  readonly container: string
  /** The blob service's URL; a connection string has its own. */
  readonly endpoint: string | undefined
  readonly credentials:
    | { readonly kind: 'connection-string'; readonly connectionString: Secret }
    | { readonly kind: 'key'; readonly account: string; readonly key: Secret }
    | { readonly kind: 'sas'; readonly token: Secret }
    | { readonly kind: 'sas-url'; readonly url: Secret }
    | { readonly kind: 'anonymous' }
    | { readonly kind: 'default'; readonly clientId?: string }
  readonly accessTier: 'Hot' | 'Cool' | 'Cold' | undefined
  readonly encryptionScope: string | undefined
  readonly customerKey: Secret | undefined
  readonly caFile: string | undefined
  readonly tags: Readonly<Record<string, string>>
  readonly metadata: Readonly<Record<string, string>>
}
