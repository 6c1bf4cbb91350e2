import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { goFiles } from './go-files.ts'
import { statusOf } from './http-probe.ts'
import { createBucket, S3_ACCESS_KEY, S3_REGION, type S3Server } from './s3.ts'
import { startServer } from './server.ts'

export const versitygwFiles = goFiles('versitygw', 'github.com/versity/versitygw/cmd/versitygw', 'v1.8.0')

/** Starts versitygw over one folder: the quickest S3 here that obeys conditions, of DELETE too. */
export async function startVersitygw(): Promise<S3Server> {
  const files = await cachedFolder(versitygwFiles)
  const server = await startServer({
    name: 'versitygw',
    portCount: 1,
    async prepare({ folder, ports }) {
      const [data, sidecar] = [join(folder, 'data'), join(folder, 'sidecar')]
      for (const path of [data, sidecar]) await mkdir(path, { recursive: true })
      const words = ['--port', `127.0.0.1:${ports[0]}`, '--region', S3_REGION, '--quiet', '--health', '/health']
      return {
        command: join(files, 'versitygw'),
        words: [...words, 'posix', '--sidecar', sidecar, data],
        env: { ROOT_ACCESS_KEY: S3_ACCESS_KEY.accessKeyId, ROOT_SECRET_KEY: S3_ACCESS_KEY.secretAccessKey },
      }
    },
    probe: async ({ ports }) => (await statusOf(`http://127.0.0.1:${ports[0]}/health`)) === 200,
  })
  const endpoint = `http://127.0.0.1:${server.ports[0]}`
  return Object.assign(server, {
    endpoint,
    region: S3_REGION,
    ...S3_ACCESS_KEY,
    ca: undefined,
    createBucket: (name: string) => createBucket(endpoint, undefined, name),
  })
}
