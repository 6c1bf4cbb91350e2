import { azuriteMissing } from './azurite.ts'
import { type Cached, cachedMissing, toolsMissing } from './cache.ts'
import { fakeGcsFiles } from './fake-gcs.ts'
import { ferretdbFiles } from './ferretdb.ts'
import { kafkaFiles } from './kafka/files.ts'
import { minioFiles } from './minio.ts'
import { mongoJavaServerFiles } from './mongo-java-server.ts'
import { schemaRegistryFiles } from './schema-registry.ts'
import { pgbouncerFiles } from './pgbouncer.ts'
import { postgresMissing } from './postgres.ts'
import { toxiproxyFiles } from './toxiproxy.ts'
import { versitygwFiles } from './versitygw.ts'

const servers = {
  kafka: { files: kafkaFiles('4.3.1'), tools: ['java', 'openssl'] },
  'kafka-3.9': { files: kafkaFiles('3.9.2'), tools: ['java', 'openssl'] },
  minio: { files: minioFiles, tools: ['openssl'] },
  versitygw: { files: versitygwFiles, tools: [] },
  'fake-gcs': { files: fakeGcsFiles, tools: [] },
  ferretdb: { files: ferretdbFiles, tools: ['openssl'] },
  'mongo-java-server': { files: mongoJavaServerFiles, tools: ['java'] },
  pgbouncer: { files: pgbouncerFiles, tools: [] },
  'schema-registry': { files: schemaRegistryFiles, tools: [] },
  toxiproxy: { files: toxiproxyFiles, tools: [] },
} satisfies Record<string, { readonly files: Cached; readonly tools: readonly string[] }>

export type ServerName = keyof typeof servers | 'azurite' | 'postgres'

/** The servers that have to be got before they can be started. */
export const GOT_SERVERS = Object.entries(servers).map(([name, { files }]) => ({ name: name as ServerName, files }))

const told = new Set<ServerName>()

/**
 * Why a server cannot be had here, for `describe.skipIf`, which is told once; undefined where it can, and always under CI, where its tests
 * have to run.
 */
export function serverMissing(name: ServerName): string | undefined {
  if (process.env['CI'] === 'true') return undefined
  const reason = reasonOf(name)
  if (reason !== undefined && !told.has(name)) {
    told.add(name)
    process.stderr.write(`tests that take ${name} are left out: ${reason}\n`)
  }
  return reason
}

function reasonOf(name: ServerName): string | undefined {
  if (name === 'azurite') return azuriteMissing()
  if (name === 'postgres') return postgresMissing()
  const { files, tools } = servers[name]
  return toolsMissing(name, tools) ?? cachedMissing(files)
}
