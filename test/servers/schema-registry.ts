import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { type Certificates, newCertificates } from './certificates.ts'
import { goProgram } from './go-files.ts'
import { statusOf } from './http-probe.ts'
import { type Server, startServer } from './server.ts'

/** A small program of ours around the registry that the Go client franz-go brings for tests. */
export const schemaRegistryFiles = goProgram('schema-registry')

export interface SchemaRegistryOptions {
  /** What callers must send as `Authorization`: `Bearer …` or `Basic …`. */
  readonly authorization?: string
  /** Serves https with a certificate of its own authority; `mutual` refuses who has no certificate of that authority. */
  readonly tls?: boolean | 'mutual'
}

export interface SchemaRegistry extends Server {
  readonly url: string
  readonly certificates: Certificates | undefined
  /** Registers a schema and gives its id; over http alone. */
  readonly register: (subject: string, schema: RegisteredSchema) => Promise<number>
}

/** A schema as the registry's API takes it. */
export interface RegisteredSchema {
  readonly schema: string
  readonly schemaType?: 'AVRO' | 'JSON' | 'PROTOBUF'
  readonly references?: readonly { readonly name: string; readonly subject: string; readonly version: number }[]
}

/**
 * Starts a schema registry with the API of Confluent's. It keeps over its ends what was registered, gives ids from 1 on in order, and GUIDs by
 * content; it checks no compatibility.
 */
export async function startSchemaRegistry({ authorization, tls = false }: SchemaRegistryOptions = {}): Promise<SchemaRegistry> {
  const files = await cachedFolder(schemaRegistryFiles)
  const certificates = tls === false ? undefined : await newCertificates()
  const urlOf = (port: number | undefined) => `${certificates === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  const server = await startServer({
    name: 'schema-registry',
    portCount: 1,
    async prepare({ folder, ports: [port] }) {
      const words = ['-address', `127.0.0.1:${port}`, '-journal', join(folder, 'journal')]
      if (authorization !== undefined) words.push('-auth', authorization)
      if (certificates !== undefined) words.push(...(await certificateWords(folder, certificates, tls === 'mutual')))
      return { command: join(files, 'schema-registry'), words }
    },
    probe: async ({ ports }) => (await statusOf(`${urlOf(ports[0])}/health`, certificates?.ca)) === 200,
  })
  const url = urlOf(server.ports[0])
  return Object.assign(server, {
    url,
    certificates,
    async register(subject: string, schema: RegisteredSchema) {
      const response = await fetch(`${url}/subjects/${encodeURIComponent(subject)}/versions`, {
        method: 'POST',
        body: JSON.stringify(schema),
        headers: {
          'content-type': 'application/vnd.schemaregistry.v1+json',
          ...(authorization === undefined ? {} : { authorization }),
        },
      })
      const answer = (await response.json()) as { readonly id?: number }
      if (answer.id === undefined) throw new Error(`schema-registry: ${subject}: ${response.status} ${JSON.stringify(answer)}`)
      return answer.id
    },
  })
}

async function certificateWords(folder: string, { ca, server }: Certificates, isMutual: boolean): Promise<string[]> {
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), text)
    return join(folder, name)
  }
  const words = ['-certificate', await file('server.pem', server.certificate), '-key', await file('server.key', server.key)]
  return isMutual ? [...words, '-client-ca', await file('ca.pem', ca)] : words
}
