import { createHash, type Hash } from 'node:crypto'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { type Message, messageAt } from '../../src/batch/view.ts'
import { type Ledger, sentCount } from './ledger.ts'
import { idOfKey, messageOf } from './message.ts'

/** How what was found compares with what was sent. */
export interface CheckReport {
  /** Messages that were found, whether acknowledged or not. */
  readonly found: number
  /** Acknowledged, and not found. */
  readonly lost: number
  /** Found more often than once: each time beyond the first. */
  readonly doubled: number
  /** Key, value, headers or timestamp are not what was sent. */
  readonly changed: number
  /** In another partition, or (of those that were acknowledged) out of order or not at the offset that the broker told. */
  readonly misplaced: number
  /** Never sent. */
  readonly foreign: number
  /** Of those that were not acknowledged. */
  readonly unacknowledgedFound: number
  /** By partition: SHA-256 over all that was found, in order. */
  readonly digests: readonly string[]
  /** The first that are wrong, for people. */
  readonly examples: readonly string[]
}

export interface CheckOptions {
  readonly startMs: number
  /** Whether messages have to lie at the offsets of their first topic. */
  readonly atOffsets: boolean
}

/** Takes what a topic or an archive holds, each partition in order, and says at the end what is wrong with it. */
export interface Checker {
  readonly add: (partition: number, batch: MessageBatch) => void
  readonly report: () => CheckReport
}

const MAX_EXAMPLES = 20
const UNACKNOWLEDGED = -1

interface Partition {
  /** Of each message that was sent, by number. */
  readonly offsets: Float64Array
  readonly timesFound: Uint8Array
  readonly digest: Hash
  lastNumber: number
}

export function createChecker(ledger: Ledger, { startMs, atOffsets }: CheckOptions): Checker {
  const partitions = ledger.partitions.map((batches): Partition => {
    const offsets = new Float64Array(sentCount(batches)).fill(UNACKNOWLEDGED)
    for (const { first, count, baseOffset } of batches) {
      if (baseOffset !== undefined) for (let at = 0; at < count; at++) offsets[first + at] = baseOffset + at
    }
    return { offsets, timesFound: new Uint8Array(offsets.length), digest: createHash('sha256'), lastNumber: -1 }
  })
  const counts = { found: 0, lost: 0, doubled: 0, changed: 0, misplaced: 0, foreign: 0, unacknowledgedFound: 0 }
  const examples: string[] = []
  const note = (what: 'lost' | 'doubled' | 'changed' | 'misplaced' | 'foreign', text: () => string) => {
    counts[what]++
    if (examples.length < MAX_EXAMPLES) examples.push(`${what}: ${text()}`)
  }

  const check = (partition: number, message: Message) => {
    const { position, key } = message
    const place = () => `${partition}@${position}`
    const id = idOfKey(key)
    const home = id && partitions[id.partition]
    counts.found++
    if (id === undefined || home === undefined || id.number >= home.offsets.length) {
      return note('foreign', () => `${place()} has the key ${key === null ? 'null' : Buffer.from(key).toString()}`)
    }
    const name = `${id.partition}-${id.number}`
    const times = home.timesFound[id.number]!
    home.timesFound[id.number] = Math.min(times + 1, 255)
    if (times > 0) note('doubled', () => `${name} is at ${place()} too`)
    const difference = differenceOf(message, id, startMs)
    if (difference !== undefined) note('changed', () => `the ${difference} of ${name} at ${place()}`)
    const offset = home.offsets[id.number]!
    if (id.partition !== partition) return note('misplaced', () => `${name} is at ${place()}`)
    if (offset === UNACKNOWLEDGED) {
      if (times === 0) counts.unacknowledgedFound++
      return
    }
    if (id.number <= home.lastNumber) note('misplaced', () => `${name} at ${place()} comes after ${partition}-${home.lastNumber}`)
    else if (atOffsets && position !== offset) note('misplaced', () => `${name} is at ${place()}, the broker said ${offset}`)
    home.lastNumber = Math.max(home.lastNumber, id.number)
  }

  return {
    add(partition, batch) {
      const digest = partitions[partition]?.digest
      for (let row = 0; row < batch.count; row++) {
        const message = messageAt(batch, row)
        check(partition, message)
        if (digest) addTo(digest, message)
      }
    },
    report() {
      for (const [partition, { offsets, timesFound }] of partitions.entries()) {
        for (const [number, offset] of offsets.entries()) {
          if (offset !== UNACKNOWLEDGED && timesFound[number] === 0)
            note('lost', () => `${partition}-${number}, acknowledged at ${offset}`)
        }
      }
      return { ...counts, digests: partitions.map(({ digest }) => digest.digest('hex')), examples }
    },
  }
}

/** What of the message is not as it was sent. */
function differenceOf(
  { timestamp, value, headers }: Message,
  id: { readonly partition: number; readonly number: number },
  startMs: number,
): 'timestamp' | 'value' | 'headers' | undefined {
  const sent = messageOf(id, startMs)
  if (timestamp !== sent.timestamp) return 'timestamp'
  if (!isSame(sent.value, value)) return 'value'
  const isSameHeaders =
    headers.length === sent.headers.length &&
    sent.headers.every(({ name, value }, at) => headers[at]!.name === name && isSame(value, headers[at]!.value))
  return isSameHeaders ? undefined : 'headers'
}

const isSame = (sent: Buffer | null, found: Uint8Array | null): boolean =>
  sent === null || found === null ? sent === found : sent.equals(found)

function addTo(digest: Hash, { timestamp, key, value, headers }: Message): void {
  digest.update(`${timestamp} ${headers.length}`)
  for (const bytes of [key, value, ...headers.flatMap((header) => [Buffer.from(header.name), header.value])]) {
    digest.update(bytes === null ? '-' : `${bytes.length}:`)
    if (bytes !== null) digest.update(bytes)
  }
}
