import { stringify } from 'yaml'
import type { FileConfig } from './schema.ts'

/** A configuration as YAML, secrets hidden. */
export function configYaml(written: FileConfig): string {
  // Through JSON, so that a secret shows itself as it does everywhere.
  return stringify(JSON.parse(JSON.stringify(written)), { lineWidth: 0 })
}

/** What `millpond config init` writes. */
export const STARTER = `# yaml-language-server: $schema=https://unpkg.com/millpond/docs/config.schema.json
# Every key has a default: an empty file works too. docs/config.md lists all of them.

# Archive, log, index, jobs and dead letters lie below this folder, unless they have a path of their own.
data: ./millpond-data

source:
  topics: ['*']

archive:
  lookups:
    # Headers whose values are to be found fast.
    headers: []
  rotate:
    maxBytes: 128 MiB
    maxAge: 10m

local:
  partitions: 4
  # What is in the archive may leave the log:
  # retention: { maxAge: 7d, maxBytes: 10 GiB }

http:
  host: 127.0.0.1
  port: 7070
  # Compulsory as soon as others than this machine reach the host:
  # token: \${file:/run/secrets/millpond-token}
`
