import type { Server } from './server.ts'

/** A server that speaks S3, with buckets in the path. */
export interface S3Server extends Server {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** What a client has to trust, where the endpoint is https. */
  readonly ca: string | undefined
  readonly createBucket: (name: string) => Promise<void>
}

export const S3_REGION = 'us-east-1'
export const S3_ACCESS_KEY = { accessKeyId: 'millpond', secretAccessKey: 'millpond-secret' } as const

/** Makes a bucket by the SDK alone. */
export async function createBucket(endpoint: string, ca: string | undefined, name: string): Promise<void> {
  const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    endpoint,
    region: S3_REGION,
    credentials: S3_ACCESS_KEY,
    forcePathStyle: true,
    ...(ca !== undefined && { requestHandler: { httpsAgent: { ca } } }),
  })
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }))
  } finally {
    client.destroy()
  }
}
