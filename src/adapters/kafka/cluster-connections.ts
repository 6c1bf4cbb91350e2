import type * as Kafka from '@platformatic/kafka'
import { MillpondError } from '../../errors.ts'
import { brokerError } from './cluster-errors.ts'
import type { KafkaOptions } from './cluster-options.ts'
import { type Authentication, createAuthentication, tlsOptions } from './cluster-security.ts'
import type { Protocol } from './protocol.ts'

/** Where a broker listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** One connection to one broker, with the versions that it speaks. */
export interface Link {
  readonly address: Address
  readonly connection: Kafka.Connection
  /** Oldest and newest version of each API, by its key. */
  readonly versions: ReadonlyMap<number, { readonly oldest: number; readonly newest: number }>
  /** Counts a request that is under way; the returned function says that it ended. */
  begin(): () => void
}

/** What a connection is for. A broker answers the requests of one connection one after another, so what waits has its own. */
export interface Purpose {
  readonly name: string
  /** Instead of the cluster's own time limit. */
  readonly requestTimeoutMs?: number
}

/** Connections to brokers, one for each address and purpose, made when they are asked for. */
export interface Connections {
  link(address: Address, purpose: Purpose): Promise<Link>
  close(): void
}

const CONNECT_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
/** More requests than any caller has under way: who asks decides how many. */
const MAX_IN_FLIGHT = 1000
/** A connection is given up when this part of its session's life is over. */
const LIFE_SHARE = 0.8

export const addressName = ({ host, port }: Address): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

interface Slot {
  readonly opening: Promise<Link>
}

export function createConnections(protocol: Protocol, options: KafkaOptions): Connections {
  const { clientId = 'millpond', connectTimeoutMs = CONNECT_TIMEOUT_MS, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options
  const tls = options.tls && tlsOptions(options.tls)
  const authentication: Authentication | undefined = options.sasl && createAuthentication(protocol, options.sasl)
  const slots = new Map<string, Slot>()
  const open = new Set<Kafka.Connection>()
  let isClosed = false

  const connect = async (address: Address, purpose: Purpose, drop: () => void): Promise<Link> => {
    let inFlight = 0
    let isRetired = false
    const retire = () => {
      isRetired = true
      drop()
      if (inFlight === 0) close(connection)
    }
    let lifetime: NodeJS.Timeout | undefined
    const connection = new protocol.Connection(clientId, {
      connectTimeout: connectTimeoutMs,
      requestTimeout: purpose.requestTimeoutMs ?? requestTimeoutMs,
      maxInflights: MAX_IN_FLIGHT,
      ...(tls === undefined ? {} : { tls }),
      ...(authentication === undefined
        ? {}
        : {
            sasl: authentication((lifetimeMs) => {
              if (lifetimeMs <= 0) return
              lifetime = setTimeout(retire, Math.min(lifetimeMs * LIFE_SHARE, 0x7fff_ffff))
              lifetime.unref()
            }),
          }),
    })
    open.add(connection)
    const gone = () => {
      clearTimeout(lifetime)
      open.delete(connection)
      drop()
    }
    // A failure is told to those whose requests it ends; the event alone must not end the process.
    connection.on('error', gone)
    connection.on('close', gone)
    try {
      await connection.connect(address.host, address.port)
      const { apiKeys } = await protocol.apiVersionsV1.api.async(connection, '', '')
      const versions = new Map(
        apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { oldest: minVersion, newest: maxVersion }]),
      )
      const begin = () => {
        inFlight += 1
        return () => {
          inFlight -= 1
          if (isRetired && inFlight === 0) close(connection)
        }
      }
      return { address, connection, versions, begin }
    } catch (error) {
      gone()
      close(connection)
      throw brokerError(protocol, error, { what: 'the connection', broker: addressName(address) })
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
      const slot: Slot = { opening: connect(address, purpose, drop) }
      slots.set(name, slot)
      return slot.opening
    },
    close() {
      isClosed = true
      slots.clear()
      for (const connection of open) close(connection)
    },
  }
}

/** Ends a connection from which no answer is wanted any more; one that is still being made too. */
function close(connection: Kafka.Connection): void {
  connection.close().catch(() => undefined)
  connection.socket?.destroy()
}
