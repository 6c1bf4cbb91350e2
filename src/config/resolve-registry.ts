import { resolve } from 'node:path'
import type { Finding } from './mistake.ts'
import type { RegistryConfig } from './registry-config.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration } from './units.ts'

type Written = FileConfig['registry']

/** The registry as it is written, its units counted and its paths absolute. */
export function resolveRegistry(registry: Written, folder: string): RegistryConfig {
  const { urls, timeout, cache, tls } = registry
  const file = (path: string | undefined) => (path === undefined ? undefined : resolve(folder, path))
  return {
    urls,
    login: loginOf(registry, folder),
    timeoutMs: parseDuration(timeout)!,
    cacheCount: cache,
    tls: {
      caFile: file(tls.ca),
      certificateFile: file(tls.certificate),
      keyFile: file(tls.key),
      passphrase: tls.passphrase,
      serverName: tls.serverName,
      verify: tls.verify,
    },
  }
}

// The rules have let through only what is whole.
function loginOf({ username, password, token, tokenFile }: Written, folder: string): RegistryConfig['login'] {
  if (username !== undefined) return { kind: 'basic', username, password: password! }
  if (token !== undefined) return { kind: 'token', token }
  return tokenFile === undefined ? undefined : { kind: 'token-file', path: resolve(folder, tokenFile) }
}

/** What no key of the section can tell alone. */
export function registryRules({ registry }: FileConfig): Finding[] {
  const { urls, username, password, token, tokenFile, tls } = registry
  const findings: Finding[] = []
  const tell = (path: readonly (string | number)[], message: string) => findings.push({ path: ['registry', ...path], message })
  for (const [index, url] of urls.entries()) {
    const reason = urlFault(url)
    if (reason !== undefined) tell(['urls', index], reason)
  }
  if ((username === undefined) !== (password === undefined)) {
    tell([username === undefined ? 'username' : 'password'], 'a username and its password are given together')
  }
  const ways = Object.entries({ username, token, tokenFile }).filter(([, value]) => value !== undefined)
  for (const [key] of ways.slice(1)) tell([key], `is a second way to log in, beside ${ways[0]![0]}`)
  if ((tls.certificate === undefined) !== (tls.key === undefined)) {
    tell(['tls', tls.certificate === undefined ? 'certificate' : 'key'], 'a certificate and its key are given together')
  }
  return findings
}

function urlFault(url: string): string | undefined {
  if (!URL.canParse(url)) return 'must be an address like http://localhost:8081'
  const { protocol, username, password } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:') return 'must begin with http: or https:'
  return username === '' && password === ''
    ? undefined
    : 'must be without a login: that goes into registry.username and registry.password'
}
