import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkConfig, loadConfig } from '../../src/config/load.ts'
import type { MillpondError } from '../../src/errors.ts'

const check = (text: string, env: Record<string, string> = {}, files: Record<string, string> = {}) =>
  checkConfig(
    text,
    { file: '/etc/pond/millpond.yaml', folder: '/etc/pond' },
    {
      env,
      readFile: (path) =>
        Object.hasOwn(files, path)
          ? Promise.resolve(files[path]!)
          : Promise.reject(Object.assign(new Error('no'), { code: 'ENOENT' })),
    },
  )

/** The lines of the error, without its heading. */
async function mistakesOf(text: string, env: Record<string, string> = {}): Promise<string[]> {
  const error = await check(text, env).then(
    () => undefined,
    (error: MillpondError) => error,
  )
  expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
  return error!.message
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
}

describe('checkConfig', () => {
  it.each(['', '---', '# nothing', 'http:\nstore: ~\n'])('takes %j as defaults alone', async (text) => {
    const { config } = await check(text)
    expect(config).toMatchObject({
      store: { type: 'file', path: '/etc/pond/millpond-data/archive' },
      source: { type: 'local', topics: ['*'], group: 'millpond' },
      local: { path: '/etc/pond/millpond-data/log.sqlite', partitions: 4 },
      index: { path: '/etc/pond/millpond-data/index.sqlite' },
      archive: { codec: 'zstandard', lookups: ['key', 'id'], memoryBytes: 128 * 1024 * 1024 },
      http: { host: '127.0.0.1', port: 7070, token: undefined },
    })
  })

  it('counts units, puts parts below `data` and paths below the folder of the file', async () => {
    const { config } = await check(`
data: ../var
store: { path: /mnt/archive }
archive: { memory: 256 MiB, blockBytes: 4096, lookups: { id: false, headers: [order, order, type] }, rotate: { maxAge: 1h30m, idle: 500 ms } }
local: { partitions: 2, retention: { maxAge: 7d }, topics: { orders: { retention: { maxBytes: 1.5GB } }, 'a/b': { partitions: 9 } } }
`)
    expect(config.store.path).toBe('/mnt/archive')
    expect(config.local.path).toBe('/etc/var/log.sqlite')
    expect(config.archive).toMatchObject({
      memoryBytes: 268_435_456,
      blockBytes: 4096,
      lookups: ['key', 'header:order', 'header:type'],
    })
    expect(config.archive.rotate).toMatchObject({ maxAgeMs: 5_400_000, idleMs: 500 })
    expect(config.local.topics).toEqual({
      orders: { partitions: 2, retention: { maxAgeMs: 604_800_000, maxBytes: 1_500_000_000 } },
      'a/b': { partitions: 9, retention: { maxAgeMs: 604_800_000, maxBytes: undefined } },
    })
  })

  it('tells ten mistakes in ten messages, each with its place', async () => {
    const text = `store:
  tpye: file
  path: 3
sorce: {}
http:
  prot: 80
  port: "80a"
  maxBodyBytes: 12 XB
archive:
  codec: lz4
  rotate: [1]
  lookups: { headers: [a, 3] }
memory: 5
`
    expect(await mistakesOf(text)).toEqual([
      '2:3  store.tpye: there is no such key; did you mean store.type?',
      '3:3  store.path: must be a path, not 3',
      '4:1  sorce: there is no such key; did you mean source?',
      '6:3  http.prot: there is no such key; did you mean http.port?',
      '7:3  http.port: must be a whole number from 0 to 65535, not "80a"',
      '8:3  http.maxBodyBytes: must be a size from 1 KiB to 1 GiB, like 256 MiB or 10 MB, not "12 XB"',
      '10:3  archive.codec: must be one of zstandard, deflate, gzip, snappy, null, not "lz4"',
      '11:3  archive.rotate: must be a section with keys of its own, not a list',
      '12:27  archive.lookups.headers[1]: must be text, not 3',
      '13:1  memory: there is no such key here; did you mean archive.memory?',
    ])
  })

  it('tells a key that stands twice together with other mistakes', async () => {
    expect(await mistakesOf('http:\n  port: 1\n  port: 2\n  hots: x\n')).toEqual([
      '3:3  the key port stands here a second time',
      '4:3  http.hots: there is no such key; did you mean http.host?',
    ])
  })

  it.each([
    { text: 'http: { port: 1', because: 'a bracket is open' },
    { text: 'http:\n\tport: 1', because: 'of a tab' },
    { text: 'a: *b', because: 'of an alias to nothing' },
    { text: 'a: 1\n---\nb: 2', because: 'there are two documents' },
    { text: 'log: !special { level: info }', because: 'of a tag that means nothing here' },
  ])('refuses $text as YAML, because $because', async ({ text }) => {
    expect((await mistakesOf(text)).join('\n')).toMatch(/^\d+:\d+ {2}no valid YAML: /u)
  })

  it('refuses aliases that unfold into masses', async () => {
    const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(',')}]`)
    expect(await mistakesOf(`l0: &l0 [x]\n${levels.join('\n')}`)).toEqual([expect.stringContaining('alias')])
  })

  it.each([
    { text: 'http: { host: 0.0.0.0 }', mistake: 'others than this machine reach 0.0.0.0' },
    { text: 'http: { host: "::" }', mistake: 'others than this machine reach ::' },
    { text: 'archive: { codec: snappy, level: 3 }', mistake: 'the codec snappy has no level' },
    { text: 'archive: { codec: deflate, level: 10 }', mistake: 'must be from 1 to 9' },
    { text: 'http: { maxBodyBytes: 1 MiB }', mistake: 'must not be more than http.maxBodyBytes' },
    { text: 'store: { path: a }\nlocal: { path: ./a }', mistake: 'is the path of store.path too' },
  ])('refuses $text: $mistake', async ({ text, mistake }) => {
    expect(await mistakesOf(text)).toEqual([expect.stringContaining(mistake)])
  })

  it('tells what keys say together even where others are wrong', async () => {
    expect(await mistakesOf('http: { host: 10.0.0.1, port: x }')).toHaveLength(2)
  })

  it.each(['127.0.0.1', '127.8.9.1', 'localhost', '::1'])('needs no token at %s', async (host) => {
    expect((await check(`http: { host: "${host}" }`)).config.http.token).toBeUndefined()
  })
})

describe('references', () => {
  it('resolve in values, after parsing: what they give cannot add keys', async () => {
    const { config } = await check(
      'source: { group: "${GROUP}", topics: ["${A}-${B:-x}", "$${A}"] }\nhttp: { port: "${PORT:-81}" }',
      {
        GROUP: 'a"}\nlog: { level: trace }',
        A: 'one',
        B: '',
      },
    )
    expect(config.source).toMatchObject({ group: 'a"}\nlog: { level: trace }', topics: ['one-x', '${A}'] })
    expect(config.http.port).toBe(81)
    expect(config.log.level).toBe('info')
  })

  it('read a secret from a file and hide it everywhere', async () => {
    const { config, written } = await check(
      'http: { host: 0.0.0.0, token: "${file:secrets/token}" }',
      {},
      { '/etc/pond/secrets/token': 'hunter2-hunter2\n' },
    )
    expect(config.http.token?.reveal()).toBe('hunter2-hunter2')
    for (const text of [
      JSON.stringify(config),
      JSON.stringify(written),
      inspect(config, { depth: 9 }),
      config.http.token!.toString(),
    ]) {
      expect(text).toContain('[secret]')
      expect(text).not.toContain('hunter2')
    }
  })

  it('that lead nowhere are mistakes with their place', async () => {
    expect(await mistakesOf('http:\n  port: ${NOPE}\n  token: ${file:nope}\n  host: ${open\nlog:\n  level: ${1x}\n')).toEqual([
      '2:3  http.port: the environment variable NOPE is not set; ${NOPE:-default} would give a default',
      '3:3  http.token: cannot read the file /etc/pond/nope (ENOENT)',
      '4:3  http.host: a "${" has no "}"; where no reference is meant, write "$${"',
      '6:3  log.level: "${1x}" is no reference; write ${NAME}, ${NAME:-default} or ${file:path}',
    ])
  })

  it('and secrets that are wrong are not shown', async () => {
    const mistakes = await mistakesOf('http: { token: short, port: "${PORT}" }', { PORT: 'pass:word' })
    expect(mistakes.join('\n')).toContain('what ${PORT} gives')
    expect(mistakes.join('\n')).not.toMatch(/short|pass:word/u)
  })
})

describe('loadConfig', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-config-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('is defaults in the folder where there is no file', async () => {
    const { config } = await loadConfig({ workingFolder: '/', dir: folder }, {})
    expect(config).toMatchObject({ file: undefined, folder, store: { path: join(folder, 'millpond-data/archive') } })
  })

  it('finds millpond.yaml in the folder', async () => {
    await writeFile(join(folder, 'millpond.yaml'), 'data: .')
    const { config } = await loadConfig({ workingFolder: folder }, {})
    expect(config).toMatchObject({ file: join(folder, 'millpond.yaml'), store: { path: join(folder, 'archive') } })
  })

  it('fails where a file is named that is not there', async () => {
    await expect(loadConfig({ workingFolder: folder, file: 'other.yaml' }, {})).rejects.toMatchObject({ code: 'USAGE' })
  })
})
