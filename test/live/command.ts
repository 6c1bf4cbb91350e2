import { spawn } from 'node:child_process'
import { expect } from 'vitest'

/** Runs any command in a folder until it ends well, and gives its standard output; where it fails, the test fails with what it said. */
export async function outputOf(folder: string, command: string, words: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(folder, command, words)
  expect(exitCode, `${command} ${words.join(' ')}\n${stdout}\n${stderr}`).toBe(0)
  return stdout
}

/** Runs any command in a folder until it ends, however it does; `exitCode` is null where a signal ended it. */
export async function runCommand(folder: string, command: string, words: readonly string[]) {
  const child = spawn(command, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const exitCode = await new Promise<number | null>((ended, failed) => {
    child.once('error', failed)
    child.once('close', ended)
  })
  return { exitCode, stdout, stderr }
}
