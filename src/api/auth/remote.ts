import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

/**
 * The address a request comes from. Behind a proxy that is the last one of `x-forwarded-for`, which the proxy wrote itself; those before
 * it may be made up by the caller.
 */
export function remoteOf({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>, behindProxy: boolean): string {
  const direct = (socket.remoteAddress ?? '').replace(/^::ffff:/u, '')
  if (!behindProxy) return direct
  const forwarded = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',').at(-1)?.trim() ?? ''
  return isIP(forwarded) === 0 ? direct : forwarded
}

/**
 * Why a request that nobody has to show a key for is refused: a page of another site that is open in a browser on this machine reaches
 * loopback addresses too, by itself or by a name that it lets lead there.
 */
export function foreignPage(
  { origin, host = '' }: IncomingMessage['headers'],
  allowed: readonly string[],
): 'origin' | 'host' | undefined {
  const name = host.replace(/:\d+$/u, '').toLowerCase()
  const isIpv6 = name.startsWith('[')
  if (name.includes('.') && !isIpv6 && isIP(name) === 0 && !name.endsWith('.localhost')) return 'host'
  if (origin === undefined || allowed.includes(origin)) return undefined
  return URL.canParse(origin) && new URL(origin).host === host ? undefined : 'origin'
}
