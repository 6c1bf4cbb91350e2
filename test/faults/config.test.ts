import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProgram } from '../live/program.ts'

const TEN_MISTAKES = `dat: ./elsewhere
store:
  type: s4
source:
  topics: orders
archive:
  codec: zstd
  rotate:
    maxAge: ten minutes
  memory: 1 KiB
local:
  partitions: 0
http:
  port: 99999
  token: \${NOT_SET_ANYWHERE}
  requestTimeout: -1s
`

/** Where each of them is: line, column, and a word of what would be right. */
const PLACES = [
  { at: '1:1', says: 'data' },
  { at: '3:3', says: 'file' },
  { at: '5:3', says: 'list' },
  { at: '7:3', says: 'zstandard' },
  { at: '9:5', says: 'maxAge' },
  { at: '10:3', says: '16 MiB' },
  { at: '12:3', says: '1 to 1024' },
  { at: '14:3', says: '65535' },
  { at: '15:3', says: 'NOT_SET_ANYWHERE' },
  { at: '16:3', says: 'requestTimeout' },
]

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-config-'))
  await writeFile(join(dir, 'millpond.yaml'), TEN_MISTAKES)
})
afterAll(async () => {
  await rm(dir, { recursive: true })
})

describe('ten mistakes in one configuration', () => {
  it.each(['config check', 'serve', 'archive --once', 'ingest a', 'search --topic a', 'verify', 'topics', 'jobs'])(
    'give ten messages and exit code 3 before anything is opened: %s',
    async (command) => {
      const { exitCode, stdout, stderr } = await runProgram([...command.split(' '), '--dir', dir])
      const told = stderr.split('\n').filter((line) => /^ {2}\d+:\d+ {2}/u.test(line))
      expect(told.map((line) => line.trim().split(' ')[0])).toEqual(PLACES.map(({ at }) => at))
      for (const [i, { says }] of PLACES.entries()) expect(told[i]).toContain(says)
      expect([exitCode, stdout.toString()]).toEqual([3, ''])
      expect(await readdir(dir)).toEqual(['millpond.yaml'])
    },
  )

  it.each(['config check', 'serve'])('are ten objects with --json: %s', async (command) => {
    const { exitCode, stderr } = await runProgram([...command.split(' '), '--json', '--dir', dir])
    const { error } = JSON.parse(stderr) as { error: { code: string; details: { mistakes: { line: number }[] } } }
    expect([exitCode, error.code, error.details.mistakes.length]).toEqual([3, 'CONFIG_INVALID', 10])
    expect(error.details.mistakes.map(({ line }) => `${line}`)).toEqual(PLACES.map(({ at }) => at.split(':')[0]))
  })
})
