import type { Command } from 'commander'
import { type Cli, defineCommand } from '../command.ts'
import { packageVersion } from '../version.ts'

/** `millpond openapi`. */
export function openapiCommand(cli: Cli): Command {
  return defineCommand('openapi', {
    summary: 'print the HTTP interface in OpenAPI, for clients, gateways and tests',
    description: `Prints an OpenAPI 3.1 document of the HTTP interface that millpond serve has with this configuration: every address, what it takes
and answers, its errors, and which scope a caller needs. It opens nothing; a running service answers the same at /openapi.json.

Addresses in it are relative: give the tool that reads it the address of the service.`,
    examples: [
      { run: 'millpond openapi > openapi.json', does: 'for a generator of clients, or a gateway' },
      { run: 'millpond openapi --json | jq -r ".paths | keys[]"', does: 'on one line; here its addresses' },
      { run: 'curl localhost:7070/openapi.json', does: 'the same, of a running service' },
    ],
  }).action(async () => {
    const config = await cli.loadConfig()
    const { describeOffline } = await import('../../api/openapi/offline.ts')
    const document = await describeOffline(config, packageVersion())
    await cli.write(`${JSON.stringify(document, undefined, cli.json ? undefined : 2)}\n`)
  })
}
