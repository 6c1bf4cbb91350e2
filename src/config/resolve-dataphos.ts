import { resolve } from 'node:path'
import type { DataphosConfig, DataphosServerConfig } from './dataphos-config.ts'
import type { Finding } from './mistake.ts'
import { isLoopback } from './resolve-http.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration } from './units.ts'

type Written = FileConfig['dataphos']

/** The section as it is written, its units counted and its paths absolute. */
export function resolveDataphos(written: Written, folder: string): DataphosConfig {
  const { indexer, resubmitter, ...others } = written
  return {
    ...others,
    defaultTopic: written.defaultTopic,
    indexer: serverOf(indexer, folder),
    resubmitter: serverOf(resubmitter, folder),
  }
}

function serverOf({ host, port, timeout, certificate, key }: Written['indexer'], folder: string): DataphosServerConfig {
  const hasTls = certificate !== undefined && key !== undefined
  return {
    host,
    port,
    headerTimeoutMs: parseDuration(timeout)!,
    tls: hasTls ? { certificateFile: resolve(folder, certificate), keyFile: resolve(folder, key) } : undefined,
  }
}

/** What no key of the section can tell alone. */
export function dataphosRules({ dataphos, http }: FileConfig): Finding[] {
  const isGuarded = http.token !== undefined || http.keys.length > 0 || http.oidc.issuer !== undefined
  return (['indexer', 'resubmitter'] as const).flatMap((name): Finding[] => {
    const { host, certificate, key } = dataphos[name]
    const findings: Finding[] = []
    if ((certificate === undefined) !== (key === undefined)) {
      const path = ['dataphos', name, certificate === undefined ? 'certificate' : 'key']
      findings.push({ path, message: 'a certificate and its key are given together' })
    }
    if (dataphos.enabled && !isLoopback(host) && !isGuarded) {
      const message = `others than this machine reach ${host}: set http.token, http.keys or http.oidc`
      findings.push({ path: ['dataphos', name, 'host'], message })
    }
    return findings
  })
}
