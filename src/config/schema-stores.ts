import { z } from 'zod'
import {
  duration,
  MiB,
  oneOf,
  optionalNumber,
  optionalPath,
  optionalText,
  section,
  secretText,
  size,
  truth,
  words,
} from './fields.ts'

const prefix = z
  .string({ error: 'must be text' })
  .regex(/^(?:[^/]+\/)*[^/]*$/u, { error: 'must be a path of folders like archive/prod, without a / at its beginning' })
  .meta({ description: 'The folder that holds the archive. Without it: the whole of it.' })
  .default('')

const requests = {
  partSize: size(
    5 * MiB,
    5120 * MiB,
    'Larger objects are sent in parts of this size, unless a quarter of `archive.memory` has room for them.',
  ).default('5 MiB'),
  maxRequests: optionalNumber(1, 4096, 'Requests under way at once. Without it: 64.'),
  timeout: duration(100, 3_600_000, 'A request that makes no progress for so long is given up and tried again.').default('30s'),
}

const proxy = secretText('The URL of a proxy. Without it: that of the environment (`HTTPS_PROXY`, `NO_PROXY`).')

/** A bucket of S3, or of what speaks it. */
export const s3Section = section(
  {
    bucket: optionalText('The bucket.'),
    prefix,
    region: optionalText("The region. Without it: the environment's or the profile's; with an `endpoint` us-east-1."),
    endpoint: optionalText("The URL of the service, where it is not Amazon's: `http://localhost:9000`."),
    pathStyle: truth(false, 'Whether addresses hold the bucket in their path; always so with an `endpoint`.'),
    accessKeyId: optionalText(
      "The id of an access key. Without it: the SDK's own chain (environment, profiles, web identity, container, machine).",
    ),
    secretAccessKey: secretText('The access key. Best `${file:/run/secrets/…}` or `${NAME}`.'),
    sessionToken: secretText('For keys that pass.'),
    profile: optionalText('The profile of the shared configuration files.'),
    proxy,
    ca: optionalPath("File of the authority that signed the endpoint's certificate, PEM."),
    encryption: z
      .enum(['AES256', 'aws:kms', 'aws:kms:dsse'], { error: 'must be one of AES256, aws:kms, aws:kms:dsse' })
      .meta({ description: 'How the service encrypts objects. Without it: as the bucket says.' })
      .optional(),
    kmsKeyId: optionalText('The key of `aws:kms` and `aws:kms:dsse`.'),
    bucketKey: truth(false, 'Asks the key service once a bucket instead of once an object.'),
    storageClass: optionalText('The storage class of new objects. They have to be readable at any time.'),
    tags: words('tags', 'Tags of new objects, by name.'),
    requesterPays: truth(false, 'Pays for the requests to a bucket of somebody else.'),
    expectedBucketOwner: optionalText('The account that the bucket must belong to.'),
    checksum: oneOf(
      ['crc32c', 'sha256', 'none'],
      'crc32c',
      'What the service checks objects by; `none` for services that know neither.',
    ),
    ...requests,
  },
  'Amazon S3, and services that speak it, where `store.type` is `s3`. They must obey `If-None-Match` (checked at start-up).',
)

/** A bucket of Google Cloud Storage. */
export const gcsSection = section(
  {
    bucket: optionalText('The bucket.'),
    prefix,
    credentials: optionalPath(
      'A key file or the configuration of a workload identity. Without it: Application Default Credentials.',
    ),
    credentialsJson: secretText('The text of such a file.'),
    anonymous: truth(false, 'Asks as nobody: public buckets, emulators.'),
    endpoint: optionalText("The URL of the service, where it is not Google's."),
    proxy,
    ca: optionalPath("File of the authority that signed the endpoint's certificate, PEM."),
    userProject: optionalText('The project that pays for requests, where the bucket makes the requester pay.'),
    storageClass: optionalText('The storage class of new objects.'),
    kmsKeyName: optionalText('The Cloud KMS key of new objects.'),
    metadata: words('metadata', 'Custom metadata of new objects, by name.'),
    ...requests,
  },
  'Google Cloud Storage, where `store.type` is `gcs`.',
)

/** A container of Azure Blob Storage. */
export const azureSection = section(
  {
    container: optionalText('The container.'),
    prefix,
    account: optionalText('The storage account, where neither an endpoint nor a connection string names it.'),
    endpoint: optionalText('The URL of the blob service: `https://ACCOUNT.blob.core.windows.net`.'),
    connectionString: secretText('A connection string, with a key or a shared access signature.'),
    accountKey: secretText('The key of `account`.'),
    sasToken: secretText('A shared access signature.'),
    sasUrl: secretText('The address of the container or the account with such a signature.'),
    anonymous: truth(false, 'Asks as nobody: public containers, which are only read.'),
    clientId: optionalText(
      'The managed identity to use, where there are several. Without any credentials: the chain of the Azure SDK (environment, workload identity, managed identity, CLI).',
    ),
    proxy,
    accessTier: oneOf(['account', 'Hot', 'Cool', 'Cold'], 'account', "The tier of new objects; `account` is the account's own."),
    encryptionScope: optionalText('The encryption scope of new objects.'),
    customerKey: secretText('A key of AES-256 in base64 that the service encrypts with and forgets; every read needs it too.'),
    ca: optionalPath("File of the authority that signed the endpoint's certificate, PEM."),
    tags: words('tags', 'Index tags of new objects, by name.'),
    metadata: words('metadata', 'Metadata of new objects, by name.'),
    ...requests,
  },
  'Azure Blob Storage, where `store.type` is `azure`.',
)
