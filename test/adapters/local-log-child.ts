import { openLocalLog } from '../../src/adapters/local/log.ts'
import { openLocalSource } from '../../src/adapters/local/source.ts'
import { withoutPassed } from '../../src/source/source.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { numbered } from '../contract/source.ts'
import { toAppend } from './local-fixtures.ts'

// A process of its own that uses a log: appends, or consumes as a member of a group, and prints what is done, line by line.

const [path, role, name, sessionMs] = process.argv.slice(2) as [string, string, string, string]
const log = await openLocalLog({ path })

/** Batches of all sizes, side by side; each printed when it is durable, as its first and last number. */
async function append(): Promise<void> {
  let next = 0
  const one = async (size: number) => {
    const from = next
    next += size
    await log.append('orders', toAppend(numbered(from, next, (number) => `${name}-${number % 5}`).map(named)))
    process.stdout.write(`${from} ${next}\n`)
  }
  const sizes = [1, 3, 50, 1, 2000]
  await Promise.all(
    sizes.map(async (_, offset) => {
      for (let i = offset; ; i++) await one(sizes[i % sizes.length]!)
    }),
  )
}

const named = <T extends { readonly value?: unknown }>(message: T) => ({ ...message, value: `${name}:${String(message.value)}` })

/** Reads every lane it is given, from its acknowledged position; acknowledges and prints what it has read. */
async function consume(): Promise<void> {
  await using source = openLocalSource(log, {
    topics: ['orders'],
    group: 'readers',
    member: name,
    start: 'acknowledged',
    heartbeatMs: 100,
    sessionMs: Number(sessionMs),
  })
  const running = new AbortController().signal
  for await (const lane of source.lanes(running)) {
    process.stdout.write(`lane ${lane.lane}\n`)
    const read = async () => {
      for await (const batch of withoutPassed(source.read(lane, lane.startPosition, running))) {
        const lines = [...messagesOf(batch)].map(
          ({ position, value }) => `read ${lane.lane} ${position} ${Buffer.from(value!).toString()}`,
        )
        process.stdout.write(`${lines.join('\n')}\n`)
        await source.acknowledge(lane, batch.positions[batch.count - 1]! + 1)
      }
      process.stdout.write(`left ${lane.lane}\n`)
    }
    void read()
  }
}

await (role === 'append' ? append() : consume())
