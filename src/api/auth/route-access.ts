import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import type { Scope } from '../access.ts'

/**
 * Who may call a route; every route says it as `config: { access: … }`. One that says nothing is for `admin` of every topic.
 * - `open`: whoever asks, as `/healthz`
 * - `probe`: any caller that is known, and whoever asks where `http.openProbes` says so
 * - `anyone`: any caller that is known
 * - a scope `of` the topic in the `path` (its parameter `topic`), of `every` topic, or of topics that the route `asks` for itself by
 *   `requireAccess(callerOf(request), …)`: an answer of a route that did not ask is kept back. Of several scopes one is enough.
 */
export type RouteAccess =
  | 'open'
  | 'probe'
  | 'anyone'
  | { readonly scope: Scope | readonly Scope[]; readonly of: 'path' | 'every' | 'asks' }

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess
  }
}

/** What holds of a route that says nothing. */
export const UNDECLARED: RouteAccess = { scope: 'admin', of: 'every' }

/** What the route of the request declares; an address that there is not is told to any caller that is known. */
export const accessOf = (request: FastifyRequest): RouteAccess =>
  request.is404 ? 'anyone' : (request.routeOptions.config.access ?? UNDECLARED)

/** One of these is enough. */
export const scopesOf = ({ scope }: Exclude<RouteAccess, string>): readonly Scope[] =>
  typeof scope === 'string' ? [scope] : scope

/** A route of a server. */
export interface DeclaredRoute {
  readonly method: string
  readonly url: string
  readonly access: RouteAccess | undefined
}

const declared = new WeakMap<object, DeclaredRoute[]>()

/** Remembers what every route declares that is added from now on. */
export function noteRoutes(server: FastifyInstance): void {
  const routes: DeclaredRoute[] = []
  declared.set(server, routes)
  server.addHook('onRoute', ({ method, url, config }: RouteOptions) => {
    for (const one of [method].flat()) routes.push({ method: one, url, access: config?.access })
  })
}

/** Every route of the server with what it declares. */
export const routesOf = (server: FastifyInstance): readonly DeclaredRoute[] => declared.get(server) ?? []
