import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { type Certificates, newCertificates } from './certificates.ts'
import { goProgram } from './go-files.ts'
import { answersPing } from './mongo-probe.ts'
import { type Server, startServer } from './server.ts'

/** A small program of ours around FerretDB's package for embedding. */
export const ferretdbFiles = goProgram('ferretdb')

export interface FerretdbOptions {
  /** Speaks TLS alone, with a certificate of its own authority. */
  readonly tls?: boolean
}

/** A server that speaks MongoDB's protocol. */
export interface Ferretdb extends Server {
  /** `mongodb://127.0.0.1:PORT/`, with what TLS takes but the authority. */
  readonly url: string
  readonly certificates: Certificates | undefined
}

/**
 * Starts FerretDB over files of SQLite, which outlast its ends. Its updates are not atomic: it finds, then writes by `_id`. What it
 * inserts is unique by `_id`. It looks up by index only what is asked for by `_id` alone.
 */
export async function startFerretdb({ tls = false }: FerretdbOptions = {}): Promise<Ferretdb> {
  const files = await cachedFolder(ferretdbFiles)
  const certificates = tls ? await newCertificates() : undefined
  const urlOf = (port: number | undefined) => `mongodb://127.0.0.1:${port}/${tls ? '?tls=true' : ''}`
  const server = await startServer({
    name: 'ferretdb',
    portCount: 1,
    async prepare({ folder, ports: [port] }) {
      const data = join(folder, 'data')
      await mkdir(data, { recursive: true })
      const words = ['-address', `127.0.0.1:${port}`, '-folder', data]
      if (certificates !== undefined) words.push(...(await certificateWords(folder, certificates)))
      return { command: join(files, 'ferretdb'), words }
    },
    probe: ({ ports: [port] }) => answersPing(urlOf(port), certificates?.ca),
  })
  return Object.assign(server, { url: urlOf(server.ports[0]), certificates })
}

async function certificateWords(folder: string, { server, ca }: Certificates): Promise<string[]> {
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), text)
    return join(folder, name)
  }
  // The listener wants an authority too, and asks nobody for a certificate of it.
  await file('ca.pem', ca)
  return ['-certificate', await file('server.pem', server.certificate), '-key', await file('server.key', server.key)]
}
