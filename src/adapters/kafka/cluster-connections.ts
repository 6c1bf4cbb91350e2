import type * as Kafka from '@platformatic/kafka'
import { MillpondError } from '../../errors.ts'
import { brokerError } from './cluster-errors.ts'
import type { KafkaOptions } from './cluster-options.ts'
import { type Authentication, createAuthentication, tlsOptions } from './cluster-security.ts'
import { type ApiRanges, type Connection, openConnection } from './connection.ts'
import { protocol } from './protocol.ts'

/** Where a broker listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** One connection to one broker, with the versions that it speaks. */
export interface Link {
  readonly address: Address
  /** For the protocol layer's APIs, which only send by it. */
  readonly connection: Kafka.Connection
  readonly versions: ApiRanges
  /** Counts a request that is under way; the returned function says that it ended. */
  begin(): () => void
}

/** What a connection is for. A broker answers the requests of one connection one after another, so what waits has its own. */
export interface Purpose {
  readonly name: string
  /** Instead of the cluster's own time limit. */
  readonly requestTimeoutMs?: number
  /** Many bytes come over it, of which parsers copy what they keep. */
  readonly isBulk?: boolean
}

/** Connections to brokers, one for each address and purpose, made when they are asked for. */
export interface Connections {
  link(address: Address, purpose: Purpose): Promise<Link>
  close(): void
}

const CONNECT_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
const READ_BYTES = 16 * 1024
/** Each read costs a turn of the event loop. */
const BULK_READ_BYTES = 512 * 1024
/** A connection is given up when this part of its session's life is over. */
const LIFE_SHARE = 0.8

const DEFAULT_PORT = 9092

/** @throws MillpondError `CONFIG_INVALID` for what is no `host:port`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<host>[^:\s]+))(?::(?<port>\d{1,5}))?$/u.exec(text.trim())
  const port = Number(match?.groups?.['port'] ?? DEFAULT_PORT)
  const host = match?.groups?.['six'] ?? match?.groups?.['host']
  if (host === undefined || port < 1 || port > 65_535) {
    throw new MillpondError('CONFIG_INVALID', `${text} is no broker's address; write host:port`)
  }
  return { host, port }
}

export const addressName = ({ host, port }: Address): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

interface Slot {
  readonly opening: Promise<Link>
}

export function createConnections(options: KafkaOptions): Connections {
  const { clientId = 'millpond', connectTimeoutMs = CONNECT_TIMEOUT_MS, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options
  const tls = options.tls && tlsOptions(options.tls)
  const authenticate: Authentication | undefined = options.sasl && createAuthentication(options.sasl)
  const slots = new Map<string, Slot>()
  const open = new Set<Connection>()
  let isClosed = false

  const connect = async (address: Address, purpose: Purpose): Promise<Connection> => {
    const connection = await openConnection({
      ...address,
      clientId,
      tls,
      connectTimeoutMs,
      requestTimeoutMs: purpose.requestTimeoutMs ?? requestTimeoutMs,
      readBytes: purpose.isBulk === true ? BULK_READ_BYTES : READ_BYTES,
      reusesAnswers: purpose.isBulk === true,
    })
    open.add(connection)
    void connection.closed.then(() => open.delete(connection))
    if (isClosed) connection.close()
    return connection
  }
  const openLink = async (address: Address, purpose: Purpose, drop: () => void): Promise<Link> => {
    let inFlight = 0
    let isRetired = false
    let lifetime: NodeJS.Timeout | undefined
    let connection: Connection | undefined
    try {
      connection = await connect(address, purpose)
      const own = connection
      void own.closed.then(() => {
        clearTimeout(lifetime)
        drop()
      })
      // The APIs take the library's own connection, of which they use nothing else.
      const link = own as Pick<Connection, 'send'> as Kafka.Connection
      const { apiKeys } = await protocol.apiVersionsV1.api.async(link, '', '')
      const versions = new Map(
        apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { oldest: minVersion, newest: maxVersion }]),
      )
      // A connection is replaced before its session ends: what is on its way while it authenticates anew would be refused.
      const lifetimeMs = (await authenticate?.(link, versions)) ?? 0
      if (lifetimeMs > 0) {
        const retire = () => {
          isRetired = true
          drop()
          if (inFlight === 0) own.close()
        }
        lifetime = setTimeout(retire, Math.min(lifetimeMs * LIFE_SHARE, 0x7fff_ffff))
        lifetime.unref()
      }
      const begin = () => {
        inFlight += 1
        return () => {
          inFlight -= 1
          if (isRetired && inFlight === 0) own.close()
        }
      }
      return { address, connection: link, versions, begin }
    } catch (error) {
      drop()
      connection?.close()
      throw brokerError(error, { what: 'the connection', broker: addressName(address) })
    }
  }
  return {
    link(address, purpose) {
      if (isClosed) return Promise.reject(new MillpondError('STOPPED', 'the connections to Kafka are closed'))
      const name = `${addressName(address)} ${purpose.name}`
      const there = slots.get(name)
      if (there !== undefined) return there.opening
      const drop = () => {
        if (slots.get(name) === slot) slots.delete(name)
      }
      const slot: Slot = { opening: openLink(address, purpose, drop) }
      slots.set(name, slot)
      return slot.opening
    },
    close() {
      isClosed = true
      slots.clear()
      for (const connection of open) connection.close()
    },
  }
}
