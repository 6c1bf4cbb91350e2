import { type Command, Option } from 'commander'
import { type Cli, defineCommand } from '../command.ts'

interface DataphosOptions {
  readonly only?: 'indexer' | 'resubmitter'
}

/** `millpond dataphos`: the interfaces of Dataphos Persistor. */
export function dataphosCommand(cli: Cli): Command {
  return defineCommand('dataphos', {
    summary: 'answer clients of Dataphos Persistor: its Indexer API and its Resubmitter',
    description: `Answers the requests of Dataphos' Indexer API (port 8080) and Resubmitter (port 8081) from the archive, as Dataphos does, so that clients stay as
they are. The index follows what others archive; dataphos.enabled makes millpond serve do the same.

Variables of Dataphos are read and go before millpond.yaml: IDX_API_SERVER_ADDRESS, RSB_SERVER_ADDRESS, TOPIC_ID and so on. Those without a meaning here
are named in the log.`,
    examples: [
      { run: 'millpond dataphos', does: 'both, at 127.0.0.1:8080 and :8081' },
      {
        run: 'TOPIC_ID=orders-again millpond dataphos --only resubmitter',
        does: 'the Resubmitter, with a topic for requests that name none',
      },
      {
        run: `curl -XPOST -d '{"broker_id": "orders"}' 'localhost:8081/range/indexer_collection?topic=orders-again'`,
        does: 'resubmits a topic',
      },
    ],
  })
    .addOption(new Option('--only <interface>', 'one of the two').choices(['indexer', 'resubmitter']))
    .action(async ({ only }: DataphosOptions) => {
      const config = await cli.loadConfig()
      const { createLogger } = await import('../logger.ts')
      const { runDataphos } = await import('../../api/dataphos/service.ts')
      await runDataphos(
        config,
        {
          env: process.env,
          which: only ?? 'both',
          logger: createLogger(config.log.level),
          onListening: ({ indexerUrl, resubmitterUrl }) => {
            const told = [indexerUrl && `Indexer API at ${indexerUrl}`, resubmitterUrl && `Resubmitter at ${resubmitterUrl}`]
            const line = told.filter((text) => text !== undefined).join(', ')
            void (cli.json ? cli.printJson({ indexerUrl, resubmitterUrl, pid: process.pid }) : cli.print(line))
          },
        },
        cli.signal,
      )
    })
}
