import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { cachedFolder, cachedMissing } from '../servers/cache.ts'
import { debianFiles, librariesOf } from '../servers/debian.ts'

/** The jq of Debian 12 with the libraries it takes, for machines that have none or another one. */
const jqFiles = debianFiles('jq', '1.6', ['jq', 'libjq1', 'libonig5'])

/** Runs the program over each input in turn. Gives the lines that it wrote, and what it said of errors. */
export type RealJq = (
  program: string,
  inputs: readonly unknown[],
) => Promise<{ readonly lines: string[]; readonly errors: string }>

const isInstalled = (): boolean => {
  try {
    return execFileSync('jq', ['--version'], { encoding: 'utf8' }).trim() === 'jq-1.6'
  } catch {
    return false
  }
}

/** Why there is no jq 1.6 to compare with; undefined where there is, and always under CI, where it has to be. */
export function realJqMissing(): string | undefined {
  if (process.env['CI'] === 'true' || isInstalled()) return undefined
  return cachedMissing(jqFiles)
}

export async function openRealJq(): Promise<RealJq> {
  if (isInstalled()) return runner('jq', {})
  const folder = await cachedFolder(jqFiles)
  return runner(join(folder, 'usr/bin/jq'), { LD_LIBRARY_PATH: librariesOf(folder) })
}

/** A program that jq does not end by itself is a mistake of the test. */
const LIMIT_MS = 60_000

const runner =
  (command: string, env: Readonly<Record<string, string>>): RealJq =>
  (program, inputs) =>
    new Promise((resolve, reject) => {
      const child = execFile(
        command,
        ['-c', program],
        { env: { PATH: process.env['PATH'], TZ: 'UTC', ...env }, maxBuffer: 1 << 28, timeout: LIMIT_MS },
        (error, stdout, stderr) => {
          // 5 says that the program raised an error, which is an answer like others.
          if (error !== null && error.code !== 5) reject(new Error(`jq ended with ${error.code ?? error.signal}: ${stderr}`))
          else resolve({ lines: stdout.split('\n').slice(0, -1), errors: stderr })
        },
      )
      // A program that is none ends jq before it has read everything; how it ended says why.
      child.stdin!.on('error', () => undefined)
      child.stdin!.end(inputs.map((input) => JSON.stringify(input)).join('\n'))
    })
