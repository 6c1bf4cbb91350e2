import { readFile } from 'node:fs/promises'
import type { RegistryLogin } from '../adapters/registry/options.ts'
import type { RegistryConfig } from '../config/registry-config.ts'
import { createSecret } from '../secret.ts'
import { standardRetry } from '../store/retry.ts'
import type { SchemaRegistry } from '../values/schema-registry.ts'
import { readPem } from './pem.ts'

/** Opens the schema registry; undefined where none is named. @throws MillpondError `CONFIG_INVALID` where a file cannot be read. */
export async function openRegistry({
  urls,
  login,
  timeoutMs,
  cacheCount,
  tls,
}: RegistryConfig): Promise<SchemaRegistry | undefined> {
  if (urls.length === 0) return undefined
  const { openSchemaRegistry } = await import('../adapters/registry/schema-registry.ts')
  const pem = async (path: string | undefined) => (path === undefined ? undefined : readPem(path))
  const key = await pem(tls.keyFile)
  return openSchemaRegistry({
    urls,
    timeoutMs,
    cacheCount,
    retry: standardRetry,
    tls: {
      ca: await pem(tls.caFile),
      certificate: await pem(tls.certificateFile),
      key: key === undefined ? undefined : createSecret(key),
      passphrase: tls.passphrase,
      serverName: tls.serverName,
      verify: tls.verify,
    },
    ...(login === undefined ? {} : { login: registryLogin(login) }),
  })
}

function registryLogin(login: NonNullable<RegistryConfig['login']>): RegistryLogin {
  if (login.kind === 'basic') return login
  if (login.kind === 'token') return { kind: 'bearer', token: async () => login.token }
  return { kind: 'bearer', token: async () => createSecret((await readFile(login.path, 'utf8')).trim()) }
}
