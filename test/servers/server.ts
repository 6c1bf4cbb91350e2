// Real servers for tests, benchmarks and the soak, one a file: kafka.ts, minio.ts, versitygw.ts, fake-gcs.ts, azurite.ts, schema-registry.ts,
// ferretdb.ts, mongo-java-server.ts, postgres.ts, pgbouncer.ts, toxiproxy.ts.
//
//   const kafka = await startKafka({ listeners: ['scram-sha-512+tls'] })
//   await kafka.createTopic('orders', { partitions: 8 })
//   … kafka.bootstrap, kafka.restart(), kafka.kill(), kafka.start(), kafka.pause(), kafka.resume() …
//   await kafka.stop()
//
// Each binds loopback, ports of its own and a folder of its own below the temporary one, is ready when it is given, and is gone with its
// folder after `stop()`; one whose test was killed is ended by guard-child.ts. What has to be downloaded or built is so on first use, into
// `${XDG_CACHE_HOME:-~/.cache}/millpond/servers` (cache.ts). So a suite gives the hook that starts its servers `GET_LIMIT_MS`, and is
// left out, by `skipIf`, where `serverMissing('kafka')` gives a reason; with CI=true there is none, so that it has to run.
//
// `node test/servers/get.ts` gets all of them ahead of time. fault-proxy.ts stands between a client and a store, in this process.
import { join } from 'node:path'
import { type Child, type ChildSpec, freePorts, openFolder, startChild, tailOf, waitUntilReady } from './process.ts'

const READY_LIMIT_MS = 120_000
const PORT_ATTEMPTS = 5
const PORT_TAKEN = /address (?:is )?already in use|EADDRINUSE/iu

/** A server of its own process. */
export interface Server extends AsyncDisposable {
  readonly name: string
  /** Of the process that runs now, or ran last. */
  readonly pid: number
  /** Holds its data; goes with it. */
  readonly folder: string
  /** Its output so far, over all its starts. */
  readonly log: () => string
  /** Ends it and removes its folder; once more does nothing. */
  readonly stop: () => Promise<void>
  /** Ends it as kill -9 does; ports and data stay for `start`. */
  readonly kill: () => Promise<void>
  /** Starts what was killed, on the same ports and data; gives back when it is ready. */
  readonly start: () => Promise<void>
  /** Ends it in its own way and starts it again. */
  readonly restart: () => Promise<void>
  /** Stops its clock, as SIGSTOP does, until `resume`; connections to it stay open and are not answered. */
  readonly pause: () => void
  readonly resume: () => void
}

/** What a server is started with, given its folder and ports. */
export interface ServerSpec {
  readonly name: string
  readonly portCount: number
  /** Makes the command ready; called again with other ports where one of these was taken in between. */
  readonly prepare: (place: Place) => Omit<ChildSpec, 'cwd' | 'logPath'> | Promise<Omit<ChildSpec, 'cwd' | 'logPath'>>
  /** Whether it serves; throwing says that it does not yet. */
  readonly probe: (place: Place) => Promise<boolean>
}

/** Where one server runs. */
export interface Place {
  readonly folder: string
  readonly ports: readonly number[]
}

/** Starts a server and waits until it is ready. @throws Error with the end of its log where it does not become so. */
export async function startServer({ name, portCount, prepare, probe }: ServerSpec): Promise<Server & Place> {
  const { path: folder, remove } = openFolder(name)
  const logPath = join(folder, `${name}.log`)
  const launch = async (place: Place, command: Omit<ChildSpec, 'cwd' | 'logPath'>): Promise<Child> => {
    const child = await startChild({ ...command, cwd: folder, logPath })
    try {
      await waitUntilReady(child, () => probe(place), { name, logPath, limitMs: READY_LIMIT_MS })
      return child
    } catch (error) {
      await child.end(0)
      throw error
    }
  }
  const first = async (
    attemptsLeft: number,
  ): Promise<{ place: Place; command: Omit<ChildSpec, 'cwd' | 'logPath'>; child: Child }> => {
    const place = { folder, ports: await freePorts(portCount) }
    const command = await prepare(place)
    try {
      return { place, command, child: await launch(place, command) }
    } catch (error) {
      if (attemptsLeft > 1 && PORT_TAKEN.test(tailOf(logPath))) return first(attemptsLeft - 1)
      throw error
    }
  }
  const started = await first(PORT_ATTEMPTS).catch((error: unknown) => {
    remove()
    throw error
  })
  const { place, command } = started
  let { child } = started
  let stopped = false

  const stop = async () => {
    if (stopped) return
    stopped = true
    // Nothing of it is kept, so it need not put anything in order.
    await child.end(0)
    remove()
  }
  const start = async () => {
    if (stopped) throw new Error(`${name} was stopped, its folder is gone`)
    if (child.isRunning()) throw new Error(`${name} runs already`)
    child = await launch(place, command)
  }
  return {
    name,
    ...place,
    get pid() {
      return child.pid
    },
    log: () => tailOf(logPath, Infinity),
    stop,
    kill: async () => void (await child.end(0)),
    start,
    async restart() {
      await child.end()
      await start()
    },
    pause: () => child.pause(),
    resume: () => child.signal('SIGCONT'),
    [Symbol.asyncDispose]: stop,
  }
}
