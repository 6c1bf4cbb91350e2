import { type Command, Option } from 'commander'
import { readRemovals } from '../../commit/removals.ts'
import { openStore } from '../../wiring/store.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatCount, formatMessages } from '../format.ts'
import { removalText } from '../removal-text.ts'

/** `millpond removals`: what was expired and forgotten. */
export function removalsCommand(cli: Cli): Command {
  return defineCommand('removals', {
    summary: 'list what was expired and forgotten, by whom and why',
    description: `Lists every record of removed messages, as they lie beside the chains, oldest first in each lane. \`millpond verify\` proves that they account for all that is not
there any more.`,
    examples: [
      { run: 'millpond removals', does: 'all of them' },
      { run: 'millpond removals --topic orders --json', does: 'of one topic, as JSON lines' },
    ],
  })
    .addOption(new Option('-t, --topic <topic>', 'only of this topic'))
    .addOption(new Option('-l, --lane <lane>', 'only of this lane'))
    .action((words: { readonly topic?: string; readonly lane?: string }) => list(cli, words))
}

async function list(cli: Cli, { topic, lane }: { readonly topic?: string; readonly lane?: string }): Promise<void> {
  await using store = await openStore(await cli.loadConfig(), 'read')
  const filter = { ...(topic === undefined ? {} : { topic }), ...(lane === undefined ? {} : { lane }) }
  let records = 0
  let messages = 0
  for await (const note of readRemovals(store, filter, cli.signal)) {
    records++
    messages += note.messages
    await (cli.json ? cli.printJson(note) : cli.print(removalText(note)))
  }
  if (!cli.json) await cli.print(`${formatCount(records)} records, ${formatMessages(messages)} removed`)
}
