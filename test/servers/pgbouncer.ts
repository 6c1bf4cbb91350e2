import { chmod, cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { cachedFolder } from './cache.ts'
import { debianFiles, librariesOf } from './debian.ts'
import { asServer, type Postgres } from './postgres.ts'
import { type Server, startServer } from './server.ts'

/** Debian 12's, which does not know prepared statements. */
export const pgbouncerFiles = debianFiles('pgbouncer', '1.18', ['pgbouncer', 'libevent-2.1-7', 'libc-ares2'])

/** A pooler in front of a server of PostgreSQL, with the same users. */
export interface Pgbouncer extends Server {
  readonly port: number
}

/** Starts PgBouncer in transaction mode with few connections to the server: whoever relies on a session gets somebody else's. */
export async function startPgbouncer(postgres: Postgres): Promise<Pgbouncer> {
  const files = await cachedFolder(pgbouncerFiles)
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
  const server = await startServer({
    name: 'pgbouncer',
    portCount: 1,
    async prepare({ folder, ports: [port] }) {
      // Its user has to come in.
      await chmod(folder, 0o755)
      const settings = {
        listen_addr: '127.0.0.1',
        listen_port: port,
        unix_socket_dir: '',
        auth_type: 'scram-sha-256',
        auth_file: join(folder, 'users.txt'),
        pool_mode: 'transaction',
        default_pool_size: 4,
        max_client_conn: 200,
      }
      const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`)
      const databases = `[databases]\n* = host=127.0.0.1 port=${postgres.port}\n`
      await writeFile(join(folder, 'pgbouncer.ini'), `${databases}[pgbouncer]\n${lines.join('\n')}\n`)
      await writeFile(join(folder, 'users.txt'), `${quoted(postgres.user)} ${quoted(postgres.password)}\n`)
      // Its user need not be able to read the cache.
      await cp(join(files, 'usr/sbin/pgbouncer'), join(folder, 'pgbouncer'))
      await cp(librariesOf(files), join(folder, 'lib'), { recursive: true, dereference: true })
      const { command, words } = asServer(join(folder, 'pgbouncer'), [join(folder, 'pgbouncer.ini')])
      return { command, words, env: { LD_LIBRARY_PATH: join(folder, 'lib') } }
    },
    async probe({ ports: [port] }) {
      const { user, password } = postgres
      const client = new Client({ host: '127.0.0.1', port: port!, user, password, database: 'postgres' })
      client.on('error', () => undefined)
      await client.connect()
      try {
        return (await client.query('SELECT 1')).rowCount === 1
      } finally {
        await client.end()
      }
    },
  })
  return Object.assign(server, { port: server.ports[0]! })
}
