import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCommand } from '../live/command.ts'
import { until } from '../live/until.ts'
import { cachedFolder } from './cache.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'millpond-cache-'))
})
afterEach(() => {
  rmSync(home, { recursive: true })
})

const words = (milliseconds: number, exitCode = 0) => [
  join(import.meta.dirname, 'cache-child.ts'),
  String(milliseconds),
  String(exitCode),
]
const at = (name: string) => join(home, 'millpond', 'servers', name)
const get = (milliseconds: number, exitCode = 0) =>
  runCommand(home, 'env', [`XDG_CACHE_HOME=${home}`, process.execPath, ...words(milliseconds, exitCode)])

describe('cachedFolder', () => {
  it('gets a thing once, for all processes that ask for it at a time', async () => {
    const ended = await Promise.all([get(1_000), get(1_000), get(1_000)])
    expect(ended.map(({ stdout }) => stdout)).toEqual(Array(3).fill(at('something-1')))
    expect(readFileSync(at('begun'), 'utf8')).toBe('.')
    expect(existsSync(join(at('something-1'), 'last'))).toBe(true)
    expect(ended.filter(({ stderr }) => stderr.includes('waiting for another process'))).toHaveLength(2)
  })

  it('gets it anew, and whole, after the process that was getting it was killed', async () => {
    const killed = spawn(process.execPath, words(60_000), { env: { ...process.env, XDG_CACHE_HOME: home }, stdio: 'ignore' })
    await until(() => existsSync(at('begun')), 'the first to begin')
    const second = get(0)
    killed.kill('SIGKILL')
    expect(await second).toMatchObject({ exitCode: 0, stdout: at('something-1') })
    expect(readFileSync(at('begun'), 'utf8')).toBe('..')
    expect(existsSync(join(at('something-1'), 'last'))).toBe(true)
  })

  it('says what a tool that failed said, and leaves nothing that looks whole', async () => {
    const { exitCode, stderr } = await get(0, 7)
    expect(exitCode).toBe(1)
    expect(stderr).toContain('ended with 7:\nsaid this')
    expect(existsSync(at('something-1'))).toBe(false)
    expect(await get(0)).toMatchObject({ exitCode: 0 })
  })

  it('names the tools that the machine does not have', async () => {
    const got = cachedFolder({
      name: 'thing',
      version: '1',
      tools: ['sh', 'no-such-a', 'no-such-b'],
      get: () => Promise.resolve(),
    })
    await expect(got).rejects.toThrow('thing takes no-such-a and no-such-b, which this machine does not have')
  })
})
