import type { PutObjectCommandInput } from '@aws-sdk/client-s3'
import type { S3StoreOptions } from './options.ts'

/** What requests carry by the options of the store. */
export interface ObjectSettings {
  /** With each request. */
  readonly asked: Pick<PutObjectCommandInput, 'RequestPayer' | 'ExpectedBucketOwner'> & { readonly Bucket: string }
  /** With those that make an object. */
  readonly made: Pick<
    PutObjectCommandInput,
    'ServerSideEncryption' | 'SSEKMSKeyId' | 'BucketKeyEnabled' | 'StorageClass' | 'Tagging'
  >
}

export function objectSettings(options: S3StoreOptions): ObjectSettings {
  const { bucket, encryption, storageClass, tags, requesterPays, expectedBucketOwner } = options
  return {
    asked: {
      Bucket: bucket,
      ...(requesterPays === true ? { RequestPayer: 'requester' } : {}),
      ...(expectedBucketOwner === undefined ? {} : { ExpectedBucketOwner: expectedBucketOwner }),
    },
    made: {
      ...(encryption === undefined ? {} : encryptionFields(encryption)),
      // The SDK's list of classes may be older than the service.
      ...(storageClass === undefined ? {} : { StorageClass: storageClass as NonNullable<PutObjectCommandInput['StorageClass']> }),
      ...(tags === undefined ? {} : { Tagging: new URLSearchParams(tags).toString() }),
    },
  }
}

const encryptionFields = ({ algorithm, kmsKeyId, bucketKey }: NonNullable<S3StoreOptions['encryption']>) => ({
  ServerSideEncryption: algorithm,
  ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
  ...(bucketKey === undefined ? {} : { BucketKeyEnabled: bucketKey }),
})
