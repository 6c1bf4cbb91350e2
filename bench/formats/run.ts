// `npm run -s bench:formats -- --help`: how fast each format is written.
import { execFile } from 'node:child_process'
import { parseArgs, promisify } from 'node:util'
import { type FormatCase, formatCases } from './cases.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '2000000' },
    case: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const HELP = `bench:formats [--case NAME]… [--messages N] [--json]

Measures each case in a process of its own and prints a line for it: messages a second, CPU time of all threads a message, the most memory that the
process had, and bytes of segments a message. What fails is told as \`failed\`, and the exit code is 1.

  --case NAME    one of those below; all unless given
  --messages N   2000000 unless given

Cases:
${formatCases.map(({ name, summary }) => `  ${name.padEnd(16)}${summary}`).join('\n')}
`

const FIGURES = ['messagesPerSecond', 'cpuMicrosPerMessage', 'peakMemoryMB', 'bytesPerMessage', 'ran'] as const
const run = promisify(execFile)

/** The line of a case. */
async function measured({ name, words }: FormatCase): Promise<Record<string, unknown>> {
  try {
    const { stdout } = await run(process.execPath, [...words(Number(values.messages))])
    const figures = JSON.parse(stdout) as Record<string, unknown>
    return { case: name, ...Object.fromEntries(FIGURES.map((figure) => [figure, figures[figure]])) }
  } catch (error) {
    process.exitCode = 1
    const said = (error as { readonly stderr?: string }).stderr?.trim()
    return { case: name, failed: said === undefined || said === '' ? String(error) : said }
  }
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(HELP)
  const unknown = values.case?.find((wanted) => formatCases.every(({ name }) => name !== wanted))
  if (unknown !== undefined)
    throw new Error(`there is no case ${unknown}; there are ${formatCases.map(({ name }) => name).join(', ')}`)
  for (const one of formatCases) {
    if (values.case !== undefined && !values.case.includes(one.name)) continue
    const { case: name, ...figures } = await measured(one)
    const line = values.json ? JSON.stringify({ case: name, ...figures }) : `${String(name)}: ${JSON.stringify(figures)}`
    process.stdout.write(`${line}\n`)
  }
}

await main()
