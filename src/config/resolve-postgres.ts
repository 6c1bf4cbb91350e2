import { resolve } from 'node:path'
import { createSecret } from '../secret.ts'
import type { Secret } from '../secret.ts'
import { isLoopback } from './resolve-http.ts'
import type { Finding } from './mistake.ts'
import type { PostgresConfig, PostgresEndpoint } from './postgres-config.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration } from './units.ts'

const STANDARD_PORT = 5432
const TLS_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const
/** What libpq knows too; both may give an open connection where nobody expects one. */
const OPEN_MODES: ReadonlySet<string> = new Set(['allow', 'prefer'])

/** The database as it is written, its addresses taken apart. */
export function resolvePostgres(postgres: FileConfig['postgres'], folder: string): PostgresConfig {
  const { url, readUrls, schema, maxConnections, connectTimeout, statementTimeout, pooler, ca } = postgres
  // The rules have let through only addresses that can be taken apart.
  const endpoint = (address: Secret) => endpointOf(address) as PostgresEndpoint
  return {
    primary: url && endpoint(url),
    replicas: readUrls.map(endpoint),
    schema,
    maxConnections,
    connectTimeoutMs: parseDuration(connectTimeout)!,
    statementTimeoutMs: parseDuration(statementTimeout)!,
    pooler,
    caFile: ca === undefined ? undefined : resolve(folder, ca),
  }
}

/** What no key of the section can tell alone. */
export function postgresRules({ postgres, index, jobs }: FileConfig): Finding[] {
  const findings: Finding[] = []
  const tell = (path: readonly (string | number)[], message: string) => findings.push({ path: ['postgres', ...path], message })
  if (postgres.url === undefined && index.type === 'postgres') tell(['url'], 'index.type is postgres: name the database')
  else if (postgres.url === undefined && jobs.type === 'postgres') tell(['url'], 'jobs.type is postgres: name the database')
  const check = (path: readonly (string | number)[], address: Secret) => {
    const endpoint = endpointOf(address)
    if (typeof endpoint === 'string') tell(path, endpoint)
  }
  if (postgres.url !== undefined) check(['url'], postgres.url)
  for (const [at, address] of postgres.readUrls.entries()) check(['readUrls', at], address)
  return findings
}

/** The address taken apart, or what is wrong with it, without any of its text but names of parameters. */
function endpointOf(address: Secret): PostgresEndpoint | string {
  const written = address.reveal()
  if (!URL.canParse(written)) return 'must be an address like postgres://user:password@host:5432/name'
  const { protocol, hostname, port, username, password, pathname, searchParams } = new URL(written)
  if (protocol !== 'postgres:' && protocol !== 'postgresql:') return 'must begin with postgres: or postgresql:'
  const unknown = [...searchParams.keys()].find((name) => name !== 'sslmode' && name !== 'host')
  if (unknown !== undefined) return `has the parameter ${unknown}; known are sslmode and host (the folder of a socket)`
  const login = [username, password, pathname.slice(1)].map(decoded)
  const [user, secret, database] = login
  if (user === undefined || secret === undefined || database === undefined) return 'has a % that escapes nothing'
  if (database === '') return 'must name the database behind the host: postgres://host:5432/name'
  const host = searchParams.get('host') ?? hostname.replace(/^\[(.*)\]$/u, '$1')
  if (host === '') return 'must name the host'
  const tls = tlsOf(searchParams.get('sslmode'), host)
  if (tls === undefined) {
    const mode = searchParams.get('sslmode') ?? ''
    const why = OPEN_MODES.has(mode) ? ', which may be open without a word' : ''
    return `has an sslmode that is not known${why}: it is one of ${TLS_MODES.join(', ')}`
  }
  return {
    host,
    port: port === '' ? STANDARD_PORT : Number(port),
    database,
    user: user === '' ? undefined : user,
    password: secret === '' ? undefined : createSecret(secret),
    tls,
  }
}

function tlsOf(mode: string | null, host: string): PostgresEndpoint['tls'] | undefined {
  if (mode === null) return isLoopback(host) || host.startsWith('/') ? 'disable' : 'verify-full'
  return TLS_MODES.find((known) => known === mode)
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
