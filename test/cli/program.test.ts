import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorTable } from '../../src/errors.ts'
import { jsonLines, runProgram } from '../live/program.ts'

const COMMANDS = [
  'quickstart',
  'serve',
  'ingest',
  'archive',
  'import',
  'topics',
  'search',
  'query',
  'tail',
  'replay',
  'jobs',
  'schedules',
  'verify',
  'index',
  'config',
  'openapi',
  'bench',
  'completion',
]

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-cli-'))
})
afterAll(() => rm(dir, { recursive: true }))

const run = (...words: string[]) => runProgram([...words, '--dir', dir])

describe('help', () => {
  it.each([[['--help']], [[]], [['help']]])('for %j lists every command', async (words) => {
    const { exitCode, stdout, stderr } = await runProgram(words)
    for (const command of COMMANDS) expect(stdout.toString()).toMatch(new RegExp(`^  ${command} `, 'mu'))
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  })

  it.each(COMMANDS)('of %s teaches with examples', async (command) => {
    const { exitCode, stdout } = await runProgram([command, '--help'])
    expect(exitCode).toBe(0)
    expect(stdout.toString()).toContain(`Usage: millpond ${command}`)
    expect(stdout.toString()).toMatch(/Examples:\n {2}\S/u)
    expect(stdout.toString()).toContain('--json')
  })

  it('reaches the commands of a command', async () => {
    expect((await runProgram(['topics', 'create', '--help'])).stdout.toString()).toContain('--partitions')
  })

  it('is not more than the version with --version', async () => {
    expect((await runProgram(['--version'])).stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/u)
  })
})

describe('wrong use', () => {
  it.each([
    { words: ['serach'], says: 'Did you mean search?' },
    { words: ['search', '--tpoic', 'x'], says: 'Did you mean --topic?' },
    { words: ['topics', 'craete'], says: 'Did you mean create?' },
    { words: ['search', '--from', 'yesterday'], says: '--from must be a time like' },
    { words: ['search', '--position', 'a..b'], says: '--position must be a whole number' },
    { words: ['search', '--format', 'xml'], says: 'json, raw, table' },
    { words: ['search', '--limit', '0'], says: '--limit must be a whole number' },
    { words: ['replay', '--resume', '7f3a', '--to', 'count'], says: 'cannot be used' },
    { words: ['ingest'], says: "missing required argument 'topic'" },
    { words: ['replay', '--to', 'nowhere'], says: '--to must be topic:NAME' },
    { words: ['config', 'check', '--config', '/nowhere/millpond.yaml'], says: 'ENOENT' },
  ])('is told for $words, with exit code 2', async ({ words, says }) => {
    const { exitCode, stdout, stderr } = await run(...words)
    expect(stderr).toMatch(/^error: /u)
    expect(stderr).toContain(says)
    expect(stderr).toMatch(/\nnext: /u)
    expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: 2, stdout: '' })
  })

  it('is one JSON object on stderr with --json', async () => {
    const { exitCode, stderr } = await run('search', '--nope', '--json')
    expect(exitCode).toBe(2)
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'USAGE', message: expect.stringContaining('--nope') } })
  })
})

describe('config', () => {
  it('tells every mistake, with exit code 3', async () => {
    const file = join(dir, 'bad.yaml')
    await writeFile(file, 'http:\n  prot: 1\n  port: x\n')
    const { exitCode, stderr } = await run('config', 'check', '--config', file)
    expect(exitCode).toBe(3)
    expect(stderr).toContain('2:3  http.prot: there is no such key; did you mean http.port?')
    expect(stderr).toContain('3:3  http.port: must be a whole number')
  })

  it('stops every command before it opens anything', async () => {
    const file = join(dir, 'bad2.yaml')
    await writeFile(file, 'nope: 1')
    for (const words of [['search'], ['serve'], ['ingest', 'x', file], ['verify']]) {
      expect((await run(...words, '--config', file)).exitCode).toBe(3)
    }
  })

  it('writes a file to start from, once, and shows what holds without secrets', async () => {
    const folder = await mkdtemp(join(dir, 'init-'))
    expect((await runProgram(['config', 'init', '--dir', folder])).exitCode).toBe(0)
    expect((await runProgram(['config', 'init', '--dir', folder])).exitCode).toBe(2)
    expect((await runProgram(['config', 'check', '--dir', folder])).exitCode).toBe(0)
    await writeFile(join(folder, 'millpond.yaml'), 'http: { host: 0.0.0.0, token: "${TOKEN}" }')
    const { stdout } = await runProgram(['config', 'show', '--dir', folder], { env: { TOKEN: 'hunter2-hunter2' } })
    expect(stdout.toString()).toContain('[secret]')
    expect(stdout.toString()).not.toContain('hunter2')
  })

  it('prints the schema for editors', async () => {
    const { stdout } = await run('config', 'schema')
    expect(JSON.parse(stdout.toString())).toMatchObject({ title: 'millpond.yaml', properties: { http: {} } })
  })
})

describe('serve', () => {
  it('refuses an address that others reach without a token', async () => {
    const { exitCode, stderr } = await run('serve', '--host', '0.0.0.0', '--port', '0')
    expect(exitCode).toBe(3)
    expect(stderr).toContain('http.token')
  })
})

describe('a reader that goes away', () => {
  it('ends the program quietly', async () => {
    const lines = Array.from({ length: 200_000 }, (_, n) => `{"value":${n}}\n`).join('')
    expect((await runProgram(['ingest', 'many', '--dir', dir], { input: lines })).exitCode).toBe(0)
    expect((await run('archive', '--once')).exitCode).toBe(0)
    const { spawn } = await import('node:child_process')
    const main = join(import.meta.dirname, '../../src/cli/main.ts')
    const child = spawn(process.execPath, [main, 'search', '--dir', dir], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.stdout.once('data', () => child.stdout.destroy())
    const exitCode = await new Promise((resolve) => child.once('close', resolve))
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  })
})

describe('an old Node', () => {
  it('is told to be too old before anything else is read', async () => {
    const pretend = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.1' } })"
    const nodeWords = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`]
    const { exitCode, stderr } = await runProgram(['--help'], { nodeWords })
    expect(exitCode).toBe(errorTable.NODE_TOO_OLD.exitCode)
    expect(stderr).toContain('NODE_TOO_OLD')
  })
})

describe('what is compiled for a start', () => {
  it('is kept for the next, below the folder of the user for what can be made again', async () => {
    const env = { XDG_CACHE_HOME: join(dir, 'caches') }
    const { exitCode, stderr } = await runProgram(['config', 'check', '--dir', dir], { env })
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    const kept = await readdir(join(dir, 'caches/millpond/compiled'), { recursive: true })
    // A folder for this Node, and in it a file for each that was loaded.
    expect(kept.length).toBeGreaterThan(10)
  })

  it('is lost without a word where nothing can be written', async () => {
    const notFolder = join(dir, 'not-a-folder')
    await writeFile(notFolder, '')
    const { exitCode, stderr } = await runProgram(['config', 'check', '--dir', dir], { env: { XDG_CACHE_HOME: notFolder } })
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  })
})

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s knows commands, their commands and their options', async (shell) => {
    const { exitCode, stdout } = await runProgram(['completion', shell])
    expect(exitCode).toBe(0)
    for (const word of ['ingest', 'rebuild', shell === 'fish' ? '-l allow-loop' : '--allow-loop'])
      expect(stdout.toString()).toContain(word)
  })

  it('works in bash', async () => {
    const { stdout } = await runProgram(['completion', 'bash'])
    const { spawnSync } = await import('node:child_process')
    const ask = (line: string) => {
      const script = `${stdout.toString()}\nCOMP_WORDS=(${line} ""); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _millpond; echo "\${COMPREPLY[@]}"`
      return spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' }).stdout
    }
    expect(ask('millpond')).toContain('verify')
    expect(ask('millpond index')).toContain('rebuild')
    expect(ask('millpond --json topics create')).toContain('--retention-age')
  })
})

describe('jobs and topics of an empty folder', () => {
  it('are none, and nothing is made', async () => {
    const folder = await mkdtemp(join(dir, 'empty-'))
    expect(jsonLines((await runProgram(['topics', '--dir', folder, '--json'])).stdout)).toEqual([])
    expect((await runProgram(['search', '--dir', folder])).exitCode).toBe(errorTable.STORE_UNAVAILABLE.exitCode)
    expect((await runProgram(['tail', 'x', '--dir', folder])).exitCode).toBe(errorTable.TOPIC_UNKNOWN.exitCode)
  })
})
