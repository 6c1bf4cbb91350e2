import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { goFiles } from './go-files.ts'
import { type Server, startServer } from './server.ts'

export const toxiproxyFiles = goFiles('toxiproxy', 'github.com/Shopify/toxiproxy/v2/cmd/server', 'v2.12.0')

/** What a network can do to a connection; `rate` is KB a second, times are milliseconds. */
export interface ToxicAttributes {
  readonly latency: { readonly latency: number; readonly jitter?: number }
  readonly bandwidth: { readonly rate: number }
  /** Closes by RST, after the time. */
  readonly reset_peer: { readonly timeout: number }
  /** Lets nothing through, and closes after the time; with 0 never. */
  readonly timeout: { readonly timeout: number }
  readonly limit_data: { readonly bytes: number }
  readonly slow_close: { readonly delay: number }
}

export interface ToxicOptions {
  /** `downstream`, what the client receives, unless given. */
  readonly stream?: 'upstream' | 'downstream'
  /** The share of connections that it meets; all unless given. */
  readonly toxicity?: number
}

/** A way to a server that can be made bad. */
export interface Proxy {
  readonly name: string
  /** Where clients connect: `host:port`. */
  readonly address: string
  readonly port: number
  /** Adds a toxic, to open connections too; gives what takes it away again. */
  readonly add: <K extends keyof ToxicAttributes>(
    type: K,
    attributes: ToxicAttributes[K],
    options?: ToxicOptions,
  ) => Promise<() => Promise<void>>
  /** Closes every connection and refuses new ones, until `enable`. */
  readonly disable: () => Promise<void>
  readonly enable: () => Promise<void>
  /** Takes it away, and with it its connections. */
  readonly remove: () => Promise<void>
}

export interface Toxiproxy extends Server {
  /** Opens a port that leads to `upstream`, `host:port`. */
  readonly createProxy: (name: string, upstream: string) => Promise<Proxy>
  /** Takes away all toxics and enables all proxies. */
  readonly reset: () => Promise<void>
}

/** Starts toxiproxy, which stands between clients and servers and is bad to them on demand. Its proxies do not outlive a restart. */
export async function startToxiproxy(): Promise<Toxiproxy> {
  const files = await cachedFolder(toxiproxyFiles)
  const server = await startServer({
    name: 'toxiproxy',
    portCount: 1,
    prepare: ({ ports }) => ({ command: join(files, 'server'), words: ['-host', '127.0.0.1', '-port', String(ports[0])] }),
    probe: async ({ ports }) => (await fetch(`http://127.0.0.1:${ports[0]}/version`)).ok,
  })
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${server.ports[0]}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`toxiproxy: ${method} ${path} gave ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  let toxicCount = 0

  return Object.assign(server, {
    async createProxy(name: string, upstream: string): Promise<Proxy> {
      const path = `/proxies/${encodeURIComponent(name)}`
      const { listen } = (await ask('POST', '/proxies', { name, upstream, listen: '127.0.0.1:0', enabled: true })) as {
        listen: string
      }
      const setEnabled = async (enabled: boolean) => void (await ask('POST', path, { enabled }))
      return {
        name,
        address: listen,
        port: Number(listen.split(':').at(-1)),
        async add(type, attributes, { stream = 'downstream', toxicity = 1 } = {}) {
          const toxic = `${type}-${(toxicCount += 1)}`
          await ask('POST', `${path}/toxics`, { name: toxic, type, stream, toxicity, attributes })
          return async () => void (await ask('DELETE', `${path}/toxics/${toxic}`))
        },
        disable: () => setEnabled(false),
        enable: () => setEnabled(true),
        remove: async () => void (await ask('DELETE', path)),
      }
    },
    reset: async () => void (await ask('POST', '/reset')),
  })
}
