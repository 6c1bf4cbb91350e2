import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'

/** A service in a process of its own; disposing stops it. */
export interface Service extends AsyncDisposable {
  readonly url: string
  /** CPU time of the process so far, all threads. */
  cpuSeconds(): Promise<number>
}

/** Writes the configuration of a folder. */
export async function writeConfig(folder: string, config: object): Promise<void> {
  await mkdir(folder, { recursive: true })
  // YAML takes JSON.
  await writeFile(join(folder, 'millpond.yaml'), JSON.stringify(config, undefined, 2))
}

/** Starts `millpond serve` over the folder, at a free port. */
export async function startService(program: readonly string[], folder: string): Promise<Service> {
  const [command = '', ...first] = program
  const child = spawn(command, [...first, 'serve', '--dir', folder, '--port', '0', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [unknown]
  if (typeof line !== 'string') throw new Error(`the service of ${folder} ended with ${String(line)}`)
  const { url } = JSON.parse(line) as { readonly url: string }
  return {
    url,
    async cpuSeconds() {
      // Behind the name in parentheses: user and system time, in hundredths of a second.
      const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}
