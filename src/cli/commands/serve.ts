import { type Command, Option } from 'commander'
import { type Cli, defineCommand } from '../command.ts'
import { wholeNumber } from '../parse.ts'
import { packageVersion } from '../version.ts'

interface ServeOptions {
  readonly port?: number
  readonly host?: string
}

/** `millpond serve`: everything in one process. */
export function serveCommand(cli: Cli): Command {
  return defineCommand('serve', {
    summary: 'run it all: HTTP in, archive, index, retention',
    description: `Takes messages by HTTP into the local log, archives them, keeps the index and applies retention, in one process.

Further processes on the same folder (millpond archive, ingest, search, replay, a second serve at another port) share the work
safely: the log shares its lanes among archivers, and commits are put only where none is. Two at one port end in ADDRESS_IN_USE.

A first SIGINT or SIGTERM stops it gracefully: no more requests, what was taken is answered, what was read is committed.`,
    examples: [
      { run: 'millpond serve', does: 'at http://127.0.0.1:7070, everything in ./millpond-data' },
      { run: 'millpond serve --dir /var/lib/pond --port 0', does: 'another folder, a free port' },
      {
        run: 'curl -d \'{"key":"a","value":{"n":1}}\' -H content-type:application/json localhost:7070/topics/orders/messages',
        does: 'puts a message',
      },
      { run: 'curl localhost:7070/readyz', does: 'each part and how it is' },
    ],
  })
    .addOption(
      new Option('--port <port>', 'instead of http.port; 0 takes a free one').argParser(wholeNumber('--port', 0, 65_535)),
    )
    .addOption(new Option('--host <address>', 'instead of http.host'))
    .action(async ({ port, host }: ServeOptions) => {
      const loaded = await cli.loadConfig()
      const config = { ...loaded, http: { ...loaded.http, port: port ?? loaded.http.port, host: host ?? loaded.http.host } }
      const { requireKeysFor } = await import('../../api/auth/safety.ts')
      requireKeysFor(config.http)
      const { createLogger } = await import('../logger.ts')
      const { runService } = await import('../../api/service.ts')
      const onListening = (url: string): void => {
        void (cli.json ? cli.printJson({ url, pid: process.pid }) : cli.print(`listening at ${url}`))
      }
      await runService(config, { version: packageVersion(), logger: createLogger(config.log.level), onListening }, cli.signal)
    })
}
