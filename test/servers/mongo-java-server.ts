import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cached, cachedFolder } from './cache.ts'
import { answersPing } from './mongo-probe.ts'
import { type Server, startServer } from './server.ts'

const SOURCE = join(import.meta.dirname, 'mongo-java-server')
const FILES = ['Main.java', 'pom.xml'] as const

/** A small program of ours around mongo-java-server over H2, and the jars that it takes. */
export const mongoJavaServerFiles: Cached = {
  name: 'mongo-java-server',
  version: FILES.reduce((hash, file) => hash.update(readFileSync(join(SOURCE, file))), createHash('sha256'))
    .digest('hex')
    .slice(0, 16),
  tools: ['java', 'javac', 'mvn'],
  async get(folder, run) {
    for (const file of FILES) await copyFile(join(SOURCE, file), join(folder, file))
    const jars = join(folder, 'libs')
    await run('mvn', ['-q', '-B', '-f', join(folder, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`])
    await run('javac', ['-cp', join(jars, '*'), '-d', join(folder, 'classes'), join(folder, 'Main.java')])
  },
}

export interface MongoJavaServer extends Server {
  /** `mongodb://127.0.0.1:PORT/`. */
  readonly url: string
}

/** Starts mongo-java-server over a file, which outlasts its ends. Its updates are atomic; it has unique indexes alone, and no transactions. */
export async function startMongoJavaServer(): Promise<MongoJavaServer> {
  const files = await cachedFolder(mongoJavaServerFiles)
  const urlOf = (port: number | undefined) => `mongodb://127.0.0.1:${port}/`
  const server = await startServer({
    name: 'mongo-java-server',
    portCount: 1,
    async prepare({ folder, ports: [port] }) {
      await mkdir(join(folder, 'data'), { recursive: true })
      // 60,000 commits are more than 256 MB hold; without memory its store closes itself.
      const java = ['-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
      const classes = ['-cp', `${join(files, 'classes')}:${join(files, 'libs', '*')}`]
      return { command: 'java', words: [...java, ...classes, 'Main', String(port), join(folder, 'data', 'documents.mv')] }
    },
    probe: ({ ports: [port] }) => answersPing(urlOf(port)),
  })
  return Object.assign(server, { url: urlOf(server.ports[0]) })
}
