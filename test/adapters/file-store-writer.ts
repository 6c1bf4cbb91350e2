import { createHash, randomBytes } from 'node:crypto'
import { openFileStore } from '../../src/adapters/file/store.ts'

/*
 * A process that writes objects into a file store until it is killed, and prints a line for each that the store answered:
 * `<outcome> <key> <hash of the object>`. Each object begins with the SHA-256 of its rest. Arguments: the store's folder, and the round,
 * whose keys two such processes race for.
 */
const [, , path = '', round = ''] = process.argv
const store = await openFileStore({ path })

/** One object: its hash, and what the hash is of. */
function makeObject(): Uint8Array {
  const body = randomBytes(1 + Math.floor(Math.random() * 300_000))
  return Buffer.concat([createHash('sha256').update(body).digest(), body])
}

async function writeOne(key: string, streamed: boolean): Promise<void> {
  const bytes = makeObject()
  let outcome: string
  if (streamed) {
    const writer = await store.openWriter(key)
    for (let at = 0; at < bytes.length; at += 20_000) await writer.write(bytes.subarray(at, at + 20_000))
    outcome = await writer.finish()
  } else {
    outcome = await store.putIfAbsent(key, bytes)
  }
  process.stdout.write(`${outcome} ${key} ${Buffer.from(bytes.subarray(0, 32)).toString('hex')}\n`)
}

async function writeMany(lane: number): Promise<never> {
  for (let at = 0; ; at++) await writeOne(`lane-${lane}/${round}/${at}`, (at + lane) % 2 === 0)
}

await Promise.all(Array.from({ length: 6 }, (_, lane) => writeMany(lane)))
