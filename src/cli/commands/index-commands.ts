import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { followChains, rebuildIndex } from '../../index/follow.ts'
import { joinFollowers, type Membership } from '../../index/followers.ts'
import type { IndexedLane, SegmentIndex } from '../../index/segment-index.ts'
import { isMillpondError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { openIndex, setAsideDamagedIndex } from '../../wiring.ts'
import { openStore } from '../../wiring/store.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatDuration, formatMessages, formatTable, formatTime } from '../format.ts'
import { durationOf } from '../parse.ts'

/** `millpond index`: status, follow, rebuild. */
export function indexCommand(cli: Cli): Command {
  return defineCommand('index', {
    summary: 'show, follow or rebuild the index',
    description: 'The index says where messages lie. It follows the archive, and everything in it can be made anew from there.',
    examples: [
      { run: 'millpond index status', does: 'what the index knows, lane by lane' },
      { run: 'millpond index rebuild', does: 'makes it anew from the archive' },
    ],
  })
    .addCommand(statusCommand(cli))
    .addCommand(followCommand(cli))
    .addCommand(rebuildCommand(cli))
}

const sum = (lanes: readonly IndexedLane[], count: (lane: IndexedLane) => number): number =>
  lanes.reduce((total, lane) => total + count(lane), 0)

function statusCommand(cli: Cli): Command {
  return defineCommand('status', {
    summary: 'what the index knows of each lane',
    description: 'Shows the lanes of the index as it is, without asking the archive.',
    examples: [{ run: 'millpond index status --topic orders --json', does: 'one topic, as JSON' }],
  })
    .addOption(new Option('-t, --topic <topic>', 'only this topic'))
    .action(async ({ topic }: { readonly topic?: string }) => {
      await using index = await openIndex(await cli.loadConfig())
      const lanes = await index.lanes(topic)
      const totals = {
        lanes: lanes.length,
        messages: sum(lanes, (lane) => lane.messages),
        bytes: sum(lanes, (lane) => lane.bytes),
      }
      if (cli.json) return cli.printJson({ ...totals, index: index.name, lane: lanes })
      const rows = lanes.map((lane) => [
        `${lane.topic}/${lane.lane}`,
        formatCount(lane.messages),
        formatBytes(lane.bytes),
        formatCount(lane.segments),
        `${lane.firstPosition}..${lane.nextPosition}`,
        lane.maxTimestamp === null ? '' : formatTime(lane.maxTimestamp),
      ])
      await cli.print(formatTable([['lane', 'messages', 'bytes', 'segments', 'positions', 'newest'], ...rows]))
      await cli.print(
        `${formatMessages(totals.messages)}, ${formatBytes(totals.bytes)} in ${totals.lanes} lanes  (${index.name})`,
      )
    })
}

function followCommand(cli: Cli): Command {
  return defineCommand('follow', {
    summary: 'take what the archive has and the index has not',
    description:
      'Follows the archive until it is stopped. `millpond serve` and `millpond archive` do this by themselves. Several that follow for one index share the lanes; when one is gone the others take its own.',
    examples: [{ run: 'millpond index follow --once', does: 'until the index has everything' }],
  })
    .addOption(new Option('--once', 'end when the index has everything'))
    .addOption(new Option('--every <duration>', 'how often to look').argParser(durationOf('--every')).default(5000, '5s'))
    .action(async ({ once, every }: { readonly once?: true; readonly every: number }) => {
      const config = await cli.loadConfig()
      await using store = await openStore(config, 'read')
      await using index = await openIndex(config)
      const tell = (commits: number) =>
        cli.json ? cli.printJson({ commits }) : cli.print(`${formatCount(commits)} commits added`)
      if (once) return tell((await followChains(store, index, {}, cli.signal)).commits)
      await using members = joinFollowers(index, {
        role: 'follow',
        id: randomUUID(),
        leaseMs: Math.max(MIN_LEASE_MS, LEASE_LOOKS * every),
      })
      while (!cli.signal.aborted) {
        const commits = await followShare({ cli, store, index, members })
        if (commits > 0) await tell(commits)
        await wait(every, undefined, { signal: cli.signal }).catch(() => undefined)
      }
    })
}

/** How many looks a follower may be late before others take its lanes, and how long that is at the least. */
const LEASE_LOOKS = 3
const MIN_LEASE_MS = 5000

interface Share {
  readonly cli: Cli
  readonly store: Store
  readonly index: SegmentIndex
  readonly members: Membership
}

/** One look at the lanes that are this process's own. What passes by itself is told, and looked for at the next. */
async function followShare({ cli, store, index, members }: Share): Promise<number> {
  try {
    return (await followChains(store, index, { isMine: await members.share() }, cli.signal)).commits
  } catch (error) {
    if (cli.signal.aborted) return 0
    if (!isMillpondError(error) || !error.retryable) throw error
    cli.note(`${error.code}: ${error.message}; it is tried again`)
    return 0
  }
}

function rebuildCommand(cli: Cli): Command {
  return defineCommand('rebuild', {
    summary: 'make the index anew from the archive',
    description:
      'Forgets all that the index knows and reads every commit of the archive again. Until it is done, search finds less.',
    examples: [{ run: 'millpond index rebuild', does: 'after INDEX_CORRUPT, or when the file was lost' }],
  }).action(async () => {
    const config = await cli.loadConfig()
    await using store = await openStore(config, 'read')
    const setAside = await setAsideDamagedIndex(config)
    if (setAside !== undefined) cli.note(setAside)
    await using index = await openIndex(config)
    const startedMs = performance.now()
    const { commits } = await rebuildIndex(store, index, cli.signal)
    const lanes = await index.lanes()
    const milliseconds = Math.round(performance.now() - startedMs)
    const messages = sum(lanes, (lane) => lane.messages)
    if (cli.json) return cli.printJson({ commits, lanes: lanes.length, messages, milliseconds })
    await cli.print(
      `${formatCount(commits)} commits, ${formatMessages(messages)} in ${lanes.length} lanes, in ${formatDuration(milliseconds)}`,
    )
  })
}
