import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { type Certificates, newCertificates } from './certificates.ts'
import { goFiles } from './go-files.ts'
import { statusOf } from './http-probe.ts'
import { createBucket, S3_ACCESS_KEY, S3_REGION, type S3Server } from './s3.ts'
import { startServer } from './server.ts'

export const minioFiles = goFiles('minio', 'github.com/minio/minio', 'v0.0.0-20260212201848-7aac2a2c5b7c')

/** The key that MinIO encrypts with where SSE-S3 or SSE-KMS is asked for. */
const KMS_KEY_NAME = 'millpond-key'
const KMS_KEY = createHash('sha256').update(KMS_KEY_NAME).digest('base64')

export interface MinioOptions {
  /** Serves https, with a certificate of its own authority; without it keys of the client's (SSE-C) are refused. */
  readonly tls?: boolean
  /** The folder of its data, where it is not to be one of its own: a file system that can be filled. */
  readonly dataPath?: string
}

export interface Minio extends S3Server {
  readonly kmsKeyName: string
}

/** Starts MinIO over one folder. Conditions of DELETE are ignored by it; other conditions hold. */
export async function startMinio({ tls = false, dataPath }: MinioOptions = {}): Promise<Minio> {
  const files = await cachedFolder(minioFiles)
  const certificates = tls ? await newCertificates() : undefined
  const ca = certificates?.ca
  const endpointOf = (port: number | undefined) => `${tls ? 'https' : 'http'}://127.0.0.1:${port}`
  const server = await startServer({
    name: 'minio',
    portCount: 1,
    async prepare({ folder, ports }) {
      const words = [
        '--quiet',
        '--address',
        `127.0.0.1:${ports[0]}`,
        '--certs-dir',
        await certificateFolder(folder, certificates),
      ]
      return {
        command: join(files, 'minio'),
        words: ['server', ...words, dataPath ?? join(folder, 'data')],
        env: {
          MINIO_ROOT_USER: S3_ACCESS_KEY.accessKeyId,
          MINIO_ROOT_PASSWORD: S3_ACCESS_KEY.secretAccessKey,
          MINIO_REGION: S3_REGION,
          MINIO_KMS_SECRET_KEY: `${KMS_KEY_NAME}:${KMS_KEY}`,
          MINIO_BROWSER: 'off',
          MINIO_UPDATE: 'off',
        },
      }
    },
    probe: async ({ ports }) => (await statusOf(`${endpointOf(ports[0])}/minio/health/ready`, ca)) === 200,
  })
  const endpoint = endpointOf(server.ports[0])
  return Object.assign(server, {
    endpoint,
    region: S3_REGION,
    ...S3_ACCESS_KEY,
    ca,
    kmsKeyName: KMS_KEY_NAME,
    createBucket: (name: string) => createBucket(endpoint, ca, name),
  })
}

/** MinIO serves https where it finds these files. */
async function certificateFolder(folder: string, certificates: Certificates | undefined): Promise<string> {
  const path = join(folder, 'certificates')
  await mkdir(path, { recursive: true })
  if (certificates) {
    await writeFile(join(path, 'public.crt'), certificates.server.certificate)
    await writeFile(join(path, 'private.key'), certificates.server.key)
  }
  return path
}
