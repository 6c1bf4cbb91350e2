import { hostname, userInfo } from 'node:os'
import { readRemovals, type RemovalNote } from '../commit/removals.ts'
import type { Config } from '../config/config.ts'
import { isMillpondError } from '../errors.ts'
import { fitsPattern } from '../expire/retention.ts'
import { laneName } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import type { Cli } from './command.ts'
import { formatMessages, formatTime } from './format.ts'
import { openArchive } from './open.ts'

/** Who asks for a removal, as records tell it: the user of this machine. */
export function askedBy(): string {
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    // A container may run under a number that no user has.
    return `uid ${process.getuid?.() ?? '?'}@${hostname()}`
  }
}

/** Whether the configuration says that nothing of a topic may be removed. */
export const holdsOf =
  ({ archive }: Config) =>
  (topic: string): boolean =>
    archive.expire.holds.some((pattern) => fitsPattern(topic, pattern))

/** One record of removed messages, for people. */
export function removalText({ lane, kind, firstPosition, nextPosition, messages, by, why, timeMs, key }: RemovalNote): string {
  const range = `positions ${firstPosition} to ${nextPosition - 1}`
  return `${laneName(lane)}  ${range}: ${formatMessages(messages)} ${kind} at ${formatTime(timeMs)} by ${by} (${why}), record ${key}`
}

/** Lets the index of this machine see what was removed, before the objects go. Where it cannot, it does later. */
export async function followIndex(cli: Cli, config: Config, topic?: string): Promise<void> {
  try {
    await using _ = await openArchive(config, { follow: true, topic, signal: cli.signal })
  } catch (error) {
    if (!isMillpondError(error) || cli.signal.aborted) throw error
    cli.note(`the index does not know yet what was removed: ${error.message}`)
  }
}

/** Says which of the positions that are asked for were removed from the archive: nothing of them can be given. */
export async function tellRemovals(
  cli: Cli,
  store: Store,
  asked: {
    readonly topic?: string | undefined
    readonly lanes?: readonly string[] | undefined
    readonly positions?: { readonly from?: number; readonly to?: number } | undefined
    readonly timestamps?: { readonly from?: number; readonly to?: number } | undefined
  },
): Promise<void> {
  const { topic, lanes, positions = {}, timestamps = {} } = asked
  const told = new Map<string, { messages: number; records: number; last: RemovalNote }>()
  for await (const note of readRemovals(store, topic === undefined ? {} : { topic }, cli.signal)) {
    if (lanes !== undefined && !lanes.includes(note.lane.lane)) continue
    if (note.nextPosition <= (positions.from ?? 0) || note.firstPosition >= (positions.to ?? Infinity)) continue
    if (note.maxTimestamp < (timestamps.from ?? -Infinity) || note.minTimestamp >= (timestamps.to ?? Infinity)) continue
    const name = `${laneName(note.lane)} ${note.kind}`
    const sum = told.get(name) ?? { messages: 0, records: 0, last: note }
    told.set(name, { messages: sum.messages + note.messages, records: sum.records + 1, last: note })
  }
  for (const { messages, records, last } of told.values())
    cli.note(
      `${laneName(last.lane)}: ${formatMessages(messages)} of this range were ${last.kind} (${last.why}${records > 1 ? `, ${records} records` : ''}); the others are given`,
    )
}
