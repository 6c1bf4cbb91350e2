import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { until } from '../live/until.ts'
import { type AzuriteOptions, startAzurite } from './azurite.ts'
import { GET_LIMIT_MS } from './cache.ts'
import { startFakeGcs } from './fake-gcs.ts'
import { statusOf } from './http-probe.ts'
import { type MinioOptions, startMinio } from './minio.ts'
import { type ServerName, serverMissing } from './missing.ts'
import { type PostgresOptions, startPostgres } from './postgres.ts'
import { isRunning, outputOfChild } from './process.ts'
import { startSchemaRegistry } from './schema-registry.ts'
import { type Server, startServer } from './server.ts'
import { startToxiproxy } from './toxiproxy.ts'
import { startVersitygw } from './versitygw.ts'

/** A store, and how a bucket is made in it, which only works once. */
interface Store {
  readonly name: ServerName
  readonly what: string
  readonly start: () => Promise<readonly [server: Server, make: (bucket: string) => Promise<void>]>
  readonly refusal: RegExp
  /** Which of two buckets are there after a kill that followed the second: Azurite writes its tables down every five seconds. */
  readonly left: readonly string[]
}

const ofS3 = { refusal: /own/iu, left: ['bucket-1', 'bucket-2'] }
const ofAzurite = { refusal: /already exists/iu, left: ['bucket-1'] }
const minio = async (options?: MinioOptions) => {
  const server = await startMinio(options)
  return [server, server.createBucket] as const
}
const azurite = async (options?: AzuriteOptions) => {
  const server = await startAzurite(options)
  return [server, server.createContainer] as const
}
const versitygw = async () => {
  const server = await startVersitygw()
  return [server, server.createBucket] as const
}
const fakeGcs = async () => {
  const server = await startFakeGcs()
  return [server, server.createBucket] as const
}

const postgres = async (options?: PostgresOptions) => {
  const server = await startPostgres(options)
  return [server, server.createDatabase] as const
}
const ofPostgres = { refusal: /already exists/u, left: ['bucket-1', 'bucket-2'] }

const stores: readonly Store[] = [
  { name: 'minio', what: 'MinIO', start: minio, ...ofS3 },
  { name: 'minio', what: 'MinIO over TLS', start: () => minio({ tls: true }), ...ofS3 },
  { name: 'versitygw', what: 'versitygw', start: versitygw, ...ofS3 },
  { name: 'fake-gcs', what: 'fake-gcs-server', start: fakeGcs, refusal: /409/u, left: ['bucket-1', 'bucket-2'] },
  { name: 'azurite', what: 'Azurite', start: azurite, ...ofAzurite },
  { name: 'azurite', what: 'Azurite over TLS', start: () => azurite({ tls: true }), ...ofAzurite },
  { name: 'postgres', what: 'PostgreSQL', start: postgres, ...ofPostgres },
  { name: 'postgres', what: 'PostgreSQL over TLS', start: () => postgres({ tls: true }), ...ofPostgres },
]

describe.each(stores)('$what', ({ name, start, refusal, left }) => {
  it.skipIf(serverMissing(name) !== undefined)(
    'serves when it is given, keeps its data over its ends, and leaves nothing behind',
    { timeout: GET_LIMIT_MS },
    async () => {
      const [server, make] = await start()
      const { pid: first, folder } = server
      await make('bucket-1')
      await server.restart()
      expect(isRunning(first)).toBe(false)
      await expect(make('bucket-1')).rejects.toThrow(refusal)
      await make('bucket-2')

      await server.kill()
      expect(isRunning(server.pid)).toBe(false)
      await server.start()
      for (const bucket of left) await expect(make(bucket)).rejects.toThrow(refusal)
      await make('bucket-3')

      expect([isRunning(server.pid), existsSync(folder)]).toEqual([true, true])
      await server.stop()
      await server.stop()
      expect([isRunning(server.pid), existsSync(folder)]).toEqual([false, false])
      await expect(server.start()).rejects.toThrow('was stopped')
    },
  )
})

describe.skipIf(serverMissing('schema-registry') !== undefined)('the schema registry', () => {
  it('keeps over its ends what was registered, with its ids', { timeout: GET_LIMIT_MS }, async () => {
    await using server = await startSchemaRegistry({ authorization: 'Bearer token' })
    const record = (name: string) => ({ schema: JSON.stringify({ type: 'record', name, fields: [] }) })
    expect([await server.register('a-value', record('A')), await server.register('b-value', record('B'))]).toEqual([1, 2])
    await server.kill()
    await server.start()
    expect([await server.register('b-value', record('B')), await server.register('c/value', record('C'))]).toEqual([2, 3])
    expect(await statusOf(`${server.url}/schemas/ids/3`)).toBe(401)
  })
  it('asks for certificates where it is to', { timeout: GET_LIMIT_MS }, async () => {
    await using server = await startSchemaRegistry({ tls: 'mutual' })
    expect(await statusOf(`${server.url}/subjects`, server.certificates?.ca)).toBe(403)
  })
})

describe.skipIf(serverMissing('versitygw') !== undefined)('a server that is paused', () => {
  it('answers when it goes on, and not before', { timeout: GET_LIMIT_MS }, async () => {
    await using server = await startVersitygw()
    server.pause()
    let answered = false
    const answer = statusOf(`${server.endpoint}/health`).finally(() => (answered = true))
    expect(await stateOf(server.pid)).toBe('T')
    expect(answered).toBe(false)
    server.resume()
    expect(await answer).toBe(200)
  })
})

/** The letter of its state in ps: `T` is stopped. */
async function stateOf(pid: number): Promise<string> {
  return (await outputOfChild('ps', ['-o', 'stat=', '-p', String(pid)])).toString()[0]!
}

describe.skipIf(serverMissing('toxiproxy') !== undefined)('toxiproxy', () => {
  it(
    'lets a connection through, cuts it, resets it, refuses it, and lets it through again',
    { timeout: GET_LIMIT_MS },
    async () => {
      await using toxiproxy = await startToxiproxy()
      const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1')
      try {
        await once(echo, 'listening')
        const upstream = echo.address()
        if (upstream === null || typeof upstream === 'string') throw new Error('no port')
        const proxy = await toxiproxy.createProxy('echo', `127.0.0.1:${upstream.port}`)
        const said = async () => {
          const socket = connect(proxy.port, '127.0.0.1')
          try {
            socket.write('hello')
            const [chunk] = await Promise.race([
              once(socket, 'data'),
              once(socket, 'close').then(() => Promise.reject(new Error('closed'))),
            ])
            return String(chunk)
          } finally {
            socket.destroy()
          }
        }
        expect(await said()).toBe('hello')

        const takeAway = await proxy.add('limit_data', { bytes: 2 })
        expect(await said()).toBe('he')
        await takeAway()
        expect(await said()).toBe('hello')

        await proxy.add('reset_peer', { timeout: 0 })
        await expect(said()).rejects.toThrow(/closed|ECONN/u)
        await toxiproxy.reset()
        expect(await said()).toBe('hello')

        await proxy.disable()
        await expect(said()).rejects.toThrow(/closed|ECONN/u)
        await proxy.enable()
        expect(await said()).toBe('hello')

        await proxy.remove()
        await expect(said()).rejects.toThrow(/closed|ECONN/u)
      } finally {
        echo.close()
      }
    },
  )

  it('ends, and its folder goes, when the process that started it is killed', { timeout: GET_LIMIT_MS }, async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'toxiproxy-child.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(child.stdout, 'data')
    const { pid, folder } = JSON.parse(String(line)) as { pid: number; folder: string }
    expect([isRunning(pid), existsSync(folder)]).toEqual([true, true])
    child.kill('SIGKILL')
    await until(() => !isRunning(pid) && !existsSync(folder), 'the server to end')
  })
})

describe('startServer', () => {
  /** A server in a few lines of JavaScript, which gets its port as its last argument. */
  const start = (script: string, probe: () => Promise<boolean>) => {
    const folders: string[] = []
    const started = startServer({
      name: 'small',
      portCount: 1,
      prepare: ({ folder, ports }) => {
        folders.push(folder)
        return { command: process.execPath, words: ['-e', script, String(ports[0])] }
      },
      probe,
    })
    return { started, folders }
  }

  it('takes other ports where these were taken in between', async () => {
    const script = `
      const { existsSync, writeFileSync } = require('node:fs')
      if (existsSync('tried')) setInterval(() => undefined, 1_000)
      else {
        writeFileSync('tried', '')
        throw new Error('listen EADDRINUSE: address already in use')
      }`
    const { started, folders } = start(script, () =>
      Promise.resolve(existsSync(join(folders[0]!, 'tried')) && folders.length === 2),
    )
    const server = await started
    expect(server.log()).toContain('EADDRINUSE')
    await server.stop()
  })

  it('says how the log of one ends that ended before it was ready, and removes its folder', async () => {
    const { started, folders } = start(`console.log('no such disk'); process.exit(3)`, () => Promise.reject(new Error('refused')))
    await expect(started).rejects.toThrow(/small ended with 3[^]*no such disk/u)
    expect(existsSync(folders[0]!)).toBe(false)
  })

  it('says which command is not there', async () => {
    const started = startServer({
      name: 'none',
      portCount: 0,
      prepare: () => ({ command: 'millpond-no-such-command', words: [] }),
      probe: () => Promise.resolve(true),
    })
    await expect(started).rejects.toThrow('millpond-no-such-command cannot be started')
  })
})
