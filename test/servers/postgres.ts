import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { Client } from 'pg'
import { until } from '../live/until.ts'
import { newCertificates } from './certificates.ts'
import { isRunning, outputOfChild } from './process.ts'
import { type Place, type Server, startServer } from './server.ts'

const USER = 'millpond'
const PASSWORD = 'millpond/secret%'
/** Where Debian keeps the programs of a server; there they are not on PATH. */
const DEBIAN = '/usr/lib/postgresql'

export interface PostgresOptions {
  /** Takes connections over TLS alone, with a certificate of its own authority. */
  readonly tls?: boolean
  /** Settings of postgresql.conf beside those that make it small. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A PostgreSQL server with one user, who may do everything. */
export interface Postgres extends Server {
  readonly port: number
  readonly user: string
  readonly password: string
  /** What a client has to trust, where it speaks TLS. */
  readonly ca: string | undefined
  readonly createDatabase: (name: string) => Promise<void>
  /** The address of a database, login included. */
  readonly url: (database: string) => string
  /** Starts a server that streams everything from this one and can only be read; its databases have the same names. */
  readonly startStandby: () => Promise<Postgres>
}

/** Why PostgreSQL is not on this machine. */
export function postgresMissing(): string | undefined {
  if (programFolder() === undefined)
    return `PostgreSQL takes its programs initdb and postgres: apt-get install postgresql, or their folder in PG_BIN`
  const root = process.getuid?.() === 0
  return root && !existsSync('/usr/bin/setpriv') ? 'PostgreSQL does not run as root, and there is no setpriv' : undefined
}

function programFolder(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [process.env['PG_BIN'] ?? '', ...versions.map((version) => join(DEBIAN, version, 'bin'))]
  const named = [...folders, ...(process.env['PATH'] ?? '').split(delimiter)]
  return named.find((folder) => folder !== '' && existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

/** Starts PostgreSQL over a folder of its own. It does not wait for the disk: a killed server loses nothing, a power cut would. */
export function startPostgres({ tls = false, settings = {} }: PostgresOptions = {}): Promise<Postgres> {
  return start('postgres', { tls, settings }, async (folder, data) => {
    const passwordFile = join(folder, 'password')
    await writeFile(passwordFile, PASSWORD)
    await ownedByServer(passwordFile)
    const words = ['-D', data, '-U', USER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--locale=C']
    await run('initdb', [...words, '--no-sync'])
  })
}

type Fill = (folder: string, data: string) => Promise<void>

async function start(name: string, { tls, settings }: Required<PostgresOptions>, fill: Fill): Promise<Postgres> {
  const reason = postgresMissing()
  if (reason !== undefined) throw new Error(reason)
  const certificates = tls ? await newCertificates() : undefined
  const prepare = async ({ folder, ports: [port] }: Place) => {
    // Its user has to come in.
    await chmod(folder, 0o755)
    const data = join(folder, `data-${port}`)
    await mkdir(data, { mode: 0o700 })
    await ownedByServer(data)
    await fill(folder, data)
    for (const [file, text] of Object.entries(certificates?.server ?? {})) {
      await writeFile(join(data, `${file}.pem`), text, { mode: 0o600 })
      await ownedByServer(join(data, `${file}.pem`))
    }
    const encrypted = tls ? { ssl: 'on', ssl_cert_file: 'certificate.pem', ssl_key_file: 'key.pem' } : {}
    if (tls) await writeFile(join(data, 'pg_hba.conf'), 'hostssl all all all scram-sha-256\n')
    const all = { ...SMALL, port: String(port), unix_socket_directories: data, ...encrypted, ...settings }
    return asServer(join(programFolder()!, 'postgres'), [
      '-D',
      data,
      ...Object.entries(all).map(([key, value]) => `--${key}=${value}`),
    ])
  }
  const urlOf = (port: number, database: string) =>
    `postgres://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/${database}`
  const ca = certificates?.ca
  const ask = async (port: number, sql: string) => {
    const client = new Client({ connectionString: urlOf(port, 'postgres'), ...(ca === undefined ? {} : { ssl: { ca } }) })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return await client.query(sql)
    } finally {
      await client.end()
    }
  }
  const server = await startServer({
    name,
    portCount: 1,
    prepare,
    probe: async ({ ports }) => (await ask(ports[0]!, 'SELECT 1')).rowCount === 1,
  })
  const port = server.ports[0]!
  const { kill, stop } = server
  const killAll = async () => {
    const children = childrenOf(server.pid)
    await kill()
    // A server does not start beside children of the one before, which end by themselves.
    await until(() => children.every((pid) => !isRunning(pid)), 'the children of PostgreSQL to end')
  }
  const stopAll = async () => {
    await killAll()
    await stop()
  }
  return Object.assign(server, {
    port,
    user: USER,
    password: PASSWORD,
    ca,
    url: (database: string) => urlOf(port, database),
    async createDatabase(database: string) {
      await ask(port, `CREATE DATABASE "${database}"`)
    },
    kill: killAll,
    stop: stopAll,
    [Symbol.asyncDispose]: stopAll,
    async restart() {
      // SIGTERM would wait until the last client has gone.
      process.kill(server.pid, 'SIGINT')
      await until(() => !isRunning(server.pid), 'PostgreSQL to stop')
      await killAll()
      await server.start()
    },
    startStandby: () =>
      start(`${name}-standby`, { tls: false, settings }, (_, data) =>
        run('pg_basebackup', ['-D', data, '-d', urlOf(port, ''), '-X', 'stream', '-c', 'fast', '-R', '--no-sync']),
      ),
  })
}

const SMALL = {
  listen_addresses: '127.0.0.1,127.0.0.2',
  max_connections: '100',
  shared_buffers: '64MB',
  fsync: 'off',
  // A replica that waits between messages makes tests slow.
  wal_receiver_status_interval: '1s',
}

function childrenOf(pid: number): number[] {
  try {
    const words = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')
    return words.filter((word) => word !== '').map(Number)
  } catch {
    return []
  }
}

/** PostgreSQL and its poolers refuse to run as root, so there they run as the user that Debian makes for it, or as nobody. */
export function asServer(path: string, words: readonly string[]): { command: string; words: readonly string[] } {
  const owner = serverUser()
  if (owner === undefined) return { command: path, words }
  return { command: 'setpriv', words: [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups', path, ...words] }
}

async function run(program: string, words: readonly string[]): Promise<void> {
  const as = asServer(join(programFolder()!, program), words)
  await outputOfChild(as.command, as.words)
}

function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8').split('\n')
  const line = ['postgres', 'nobody'].flatMap((name) => users.find((user) => user.startsWith(`${name}:`)) ?? [])[0]
  const [, , uid, gid] = line?.split(':') ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

async function ownedByServer(path: string): Promise<void> {
  const owner = serverUser()
  if (owner !== undefined) await chown(path, owner.uid, owner.gid)
}
