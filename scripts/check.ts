// Everything that must hold before a change is taken: `npm run check`. A step that fails does not keep the others from being told.
import { spawn } from 'node:child_process'

/** How one npm script ended, and what it printed where that was kept back. */
interface Ended {
  readonly name: string
  readonly failed: boolean
  readonly seconds: number
  readonly output: string
}

/** These only read, so they run side by side. */
const readers = ['format:check', 'lint', 'types', 'dead-code']
/** These take all of the machine and write, so they run one after the other. */
const writers = ['build', 'servers', 'test']

function run(name: string, stdio: 'inherit' | 'pipe'): Promise<Ended> {
  const start = performance.now()
  const child = spawn('npm', ['run', '-s', name], { stdio: ['ignore', stdio, stdio], shell: process.platform === 'win32' })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = Promise.withResolvers<Ended>()
  child.once('error', ended.reject)
  child.once('close', (code) => {
    ended.resolve({ name, failed: code !== 0, seconds: Math.round((performance.now() - start) / 1000), output })
  })
  return ended.promise
}

function tell({ name, failed, seconds, output }: Ended): void {
  console.log(`${failed ? '✗' : '✓'} ${name} (${seconds} s)`)
  if (failed && output !== '') console.log(output.trimEnd())
}

const results = await Promise.all(readers.map((name) => run(name, 'pipe')))
for (const result of results) tell(result)
for (const name of writers) {
  const result = await run(name, 'inherit')
  tell(result)
  results.push(result)
}
const failed = results.filter((result) => result.failed).map(({ name }) => name)
console.log(failed.length === 0 ? 'check passed' : `check failed: ${failed.join(', ')}`)
if (failed.length > 0) process.exitCode = 1
