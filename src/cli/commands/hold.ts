import { type Command, Option } from 'commander'
import { allHolds, changeHold, holdHistory, type StoredHold } from '../../commit/holds.ts'
import { openStore } from '../../wiring/store.ts'
import { addDefault, type Cli, defineCommand } from '../command.ts'
import { formatTable, formatTime } from '../format.ts'
import { askedBy } from '../removal-text.ts'

/** `millpond hold`: legal holds. */
export function holdCommand(cli: Cli): Command {
  const command = defineCommand('hold', {
    summary: 'keep a topic from being expired or forgotten',
    description: `A topic under legal hold is never expired or forgotten, whoever asks. The hold lies in the store, so that every machine sees it, and its history stays.
Topics may also be held by the configuration (archive.expire.holds). Without more it lists what is held.`,
    examples: [
      { run: "millpond hold add orders --reason 'case 2026-17'", does: 'holds a topic, also one that is not there yet' },
      { run: 'millpond hold list', does: 'what is held, since when, and why' },
      { run: "millpond hold remove orders --reason 'case closed'", does: 'ends it' },
    ],
  })
  return addDefault(command, listCommand(cli)).addCommand(changeCommand(cli, 'add')).addCommand(changeCommand(cli, 'remove'))
}

function listCommand(cli: Cli): Command {
  return defineCommand('list', {
    summary: 'what is held, since when, and why',
    description: 'Lists topics under legal hold; with --history also what was held and released before.',
    examples: [{ run: 'millpond hold list --history --json', does: 'every record as a JSON line' }],
  })
    .addOption(new Option('--history', 'also what has ended'))
    .action((words: { readonly history?: true }) => list(cli, words.history === true))
}

async function list(cli: Cli, isHistory: boolean): Promise<void> {
  const config = await cli.loadConfig()
  await using store = await openStore(config, 'read')
  const newest = await Array.fromAsync(allHolds(store, cli.signal))
  const records: StoredHold[] = []
  for (const { topic } of newest) {
    const history = await Array.fromAsync(holdHistory(store, topic, cli.signal))
    records.push(...(isHistory ? history : history.slice(0, 1).filter(({ action }) => action === 'hold')))
  }
  const configured = config.archive.expire.holds
  if (cli.json) {
    for (const record of records) await cli.printJson(record)
    for (const pattern of configured) await cli.printJson({ topic: pattern, action: 'hold', configured: true })
    return
  }
  const rows = records.map(({ topic, action, timeMs, by, reason }) => [topic, action, formatTime(timeMs), by, reason])
  if (rows.length > 0) await cli.print(formatTable([['topic', 'what', 'since', 'by', 'reason'], ...rows]))
  for (const pattern of configured) await cli.print(`${pattern}  held by archive.expire.holds of this configuration`)
  if (rows.length + configured.length === 0) await cli.print('nothing is held')
}

function changeCommand(cli: Cli, name: 'add' | 'remove'): Command {
  const text =
    name === 'add'
      ? { summary: 'hold a topic', description: 'From now on nothing of the topic is expired or forgotten.' }
      : { summary: 'release a topic', description: 'Ends a hold. What was due meanwhile goes with the next `expire`.' }
  return defineCommand(name, { ...text, examples: [{ run: `millpond hold ${name} orders`, does: text.summary }] })
    .argument('<topic>', 'the topic, by its name')
    .addOption(new Option('--reason <text>', 'what the record says').default('', 'nothing'))
    .action((topic: string, words: { readonly reason: string }) => change(cli, name, topic, words.reason))
}

async function change(cli: Cli, name: 'add' | 'remove', topic: string, reason: string): Promise<void> {
  await using store = await openStore(await cli.loadConfig(), 'write')
  const action = name === 'add' ? 'hold' : 'release'
  const record = await changeHold(store, { topic, action, reason, by: askedBy(), timeMs: Date.now() }, cli.signal)
  if (cli.json) return cli.printJson({ topic, action, changed: record !== undefined, ...record })
  const state = name === 'add' ? 'held' : 'not held'
  await cli.print(record === undefined ? `${topic} is ${state} already` : `${topic} is ${state} now`)
}
