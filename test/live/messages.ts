import { expect } from 'vitest'
import { type Ended, jsonLines, type ProgramOptions, runProgram, type Served } from './program.ts'
import { until } from './until.ts'

/** A message as the program prints it. */
export interface PrintedMessage {
  readonly topic: string
  readonly lane: string
  readonly position: number
  readonly timestamp: number
  readonly key?: string | null
  readonly value?: unknown
  readonly id?: string | null
  readonly headers?: readonly { readonly name: string; readonly value?: string | null }[]
}

/** Posts messages as JSON lines. */
export async function postLines({ url }: Pick<Served, 'url'>, topic: string, messages: readonly object[]): Promise<Response> {
  return fetch(`${url}/topics/${encodeURIComponent(topic)}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: messages.map((message) => JSON.stringify(message)).join('\n'),
  })
}

/** Posts messages that the program must take. */
export async function postTaken(served: Pick<Served, 'url'>, topic: string, messages: readonly object[]): Promise<void> {
  const response = await postLines(served, topic, messages)
  expect([response.status, ((await response.json()) as { count?: number }).count]).toEqual([200, messages.length])
}

/** Runs the program on the folder; it must end well. */
export async function succeed(dir: string, words: readonly string[], options?: ProgramOptions): Promise<Ended> {
  const ended = await runProgram([...words, '--dir', dir], options)
  expect([words, ended.exitCode, ended.exitCode === 0 ? '' : ended.stderr]).toEqual([words, 0, ''])
  return ended
}

/** What `millpond search` finds in the folder, in its order. */
export async function searched(dir: string, ...words: string[]): Promise<PrintedMessage[]> {
  return jsonLines((await succeed(dir, ['search', ...words])).stdout) as PrintedMessage[]
}

/**
 * Archives what the log of the folder holds, however often it takes: lanes of a process that was killed stay in its hands until
 * its session ends.
 */
export async function archiveAll(dir: string): Promise<void> {
  await until(
    async () => {
      const { stdout } = await succeed(dir, ['archive', '--once', '--json'])
      return (jsonLines(stdout)[0] as { left: number }).left === 0
    },
    'everything to be archived',
    60_000,
  )
}

/** What `millpond verify` reports of the folder; it must find nothing wrong. */
export async function verified(
  dir: string,
  ...words: string[]
): Promise<{ readonly messages: number; readonly compared: number }> {
  const { exitCode, stdout, stderr } = await runProgram(['verify', '--json', '--dir', dir, ...words])
  const report = jsonLines(stdout)[0] as { clean: boolean; messages: number; compared: number; problems: unknown[] }
  expect([exitCode, report?.problems, exitCode === 0 ? '' : stderr]).toEqual([0, [], ''])
  return report
}
