// `node requests.ts <count>`: bodies of produce requests for so many user events, one a line.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventRequests } from './events.ts'

const schema = JSON.stringify(JSON.parse(readFileSync(join(import.meta.dirname, 'user-event.avsc'), 'utf8')))
const count = Number(process.argv[2])
if (!Number.isSafeInteger(count) || count < 1) throw new Error('say how many events: a whole number from 1 on')
for (const events of eventRequests(count)) {
  process.stdout.write(`${JSON.stringify({ value_schema: schema, records: events.map((value) => ({ value })) })}\n`)
}
