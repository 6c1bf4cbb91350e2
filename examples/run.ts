// `npm run example -- <name>`: runs a tour with real servers, each command printed before it runs. `--keep` leaves the servers running.
import { readdirSync } from 'node:fs'

const [name = ''] = process.argv.slice(2)
const names = readdirSync(import.meta.dirname, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
)
if (names.includes(name)) {
  const { tour } = (await import(`./${name}/tour.ts`)) as { tour: (words: readonly string[]) => Promise<void> }
  await tour(process.argv.slice(3))
} else {
  process.stderr.write(`usage: npm run example -- <name>; there are: ${names.join(', ')}\n`)
  process.exitCode = 2
}
