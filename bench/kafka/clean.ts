import { DeleteBucketCommand, DeleteObjectsCommand, ListBucketsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { mkdir, rm } from 'node:fs/promises'
import type { Bench } from './bench.ts'

/** Removes what a round made of a topic, so that the disk does not fill: all buckets, all folders, and topics whose names begin with its own. */
export async function removeCopies(bench: Bench, topic: string): Promise<void> {
  const { kafka, folder } = bench
  const words = ['--bootstrap-server', kafka.bootstrap, '--delete', '--if-exists', '--topic', `${topic}-.*`]
  await kafka.tool('TopicCommand', words)
  await removeBuckets(bench)
  await rm(folder, { recursive: true })
  await mkdir(folder)
}

async function removeBuckets({ minio }: Bench): Promise<void> {
  const { endpoint, region, accessKeyId, secretAccessKey } = minio
  const client = new S3Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true })
  const { Buckets = [] } = await client.send(new ListBucketsCommand())
  for (const { Name: Bucket } of Buckets) {
    for (;;) {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }))
      if (Contents.length === 0) break
      await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } }))
    }
    await client.send(new DeleteBucketCommand({ Bucket }))
  }
  client.destroy()
}
