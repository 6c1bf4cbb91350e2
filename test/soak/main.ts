// `npm run -s soak -- --minutes 15 --json`: exactly once under fire, as long as wanted. Progress goes to standard error; the last line of
// standard output is what came of it. Exit code 1 where a message was lost or doubled, or anything else is wrong.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { isFlawless } from './report.ts'
import { runSoak } from './soak.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    rate: { type: 'string', default: '3000' },
    seed: { type: 'string' },
    'group-protocol': { type: 'string', default: 'classic' },
    logs: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const report = await runSoak({
  minutes: Number(values.minutes),
  messagesPerSecond: Number(values.rate),
  seed: values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed),
  groupProtocol: values['group-protocol'] === 'consumer' ? 'consumer' : 'classic',
  logsPath: values.logs,
  tell: (line) => process.stderr.write(`${line}\n`),
})
process.stdout.write(`${values.json ? JSON.stringify(report) : JSON.stringify(report, undefined, 2)}\n`)
process.exitCode = isFlawless(report) ? 0 : 1
