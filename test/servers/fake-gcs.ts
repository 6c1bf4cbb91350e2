import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { goFiles } from './go-files.ts'
import { statusOf } from './http-probe.ts'
import { type Server, startServer } from './server.ts'

export const fakeGcsFiles = goFiles('fake-gcs-server', 'github.com/fsouza/fake-gcs-server', 'v1.56.1')

export interface FakeGcsOptions {
  /** Where objects are; `memory`, which is quicker, forgets them at its end. Folders unless given. */
  readonly backend?: 'memory' | 'filesystem'
}

export interface FakeGcs extends Server {
  /** `new Storage({ apiEndpoint, projectId })`. */
  readonly apiEndpoint: string
  readonly projectId: string
  readonly createBucket: (name: string) => Promise<void>
}

const PROJECT_ID = 'millpond-test'

/** Starts fake-gcs-server. Of conditions it knows `ifGenerationMatch` of uploads alone. What names its address names that of the request's `Host`. */
export async function startFakeGcs({ backend = 'filesystem' }: FakeGcsOptions = {}): Promise<FakeGcs> {
  const files = await cachedFolder(fakeGcsFiles)
  const server = await startServer({
    name: 'fake-gcs',
    portCount: 1,
    prepare({ folder, ports: [port] }) {
      const address = ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)]
      const told = ['-external-url', `http://127.0.0.1:${port}`, '-public-host', `127.0.0.1:${port}`]
      const data = ['-backend', backend, '-filesystem-root', join(folder, 'data'), '-log-level', 'warn']
      return { command: join(files, 'fake-gcs-server'), words: [...address, ...told, ...data] }
    },
    probe: async ({ ports }) => (await statusOf(`http://127.0.0.1:${ports[0]}/_internal/healthcheck`)) === 200,
  })
  const apiEndpoint = `http://127.0.0.1:${server.ports[0]}`
  return Object.assign(server, {
    apiEndpoint,
    projectId: PROJECT_ID,
    async createBucket(name: string) {
      const response = await fetch(`${apiEndpoint}/storage/v1/b?project=${PROJECT_ID}`, {
        method: 'POST',
        body: JSON.stringify({ name }),
        headers: { 'content-type': 'application/json' },
      })
      if (!response.ok) throw new Error(`fake-gcs-server: bucket ${name}: ${response.status} ${await response.text()}`)
    },
  })
}
