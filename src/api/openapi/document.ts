import { type ErrorCode, errorTable } from '../../errors.ts'
import type { Scope } from '../access.ts'
import type { Ways } from '../auth/guard.ts'
import { type DeclaredRoute, type RouteAccess, scopesOf, UNDECLARED } from '../auth/route-access.ts'
import { type AnswerText, type DescribedPart, JSON_CONTENT, type Operation } from './operation.ts'
import { answerOf, oneOf, ref, type Schema, TEXT, told } from './schema.ts'

/** What a description is made of. */
export interface Described {
  /** Of the program. */
  readonly version: string
  /** As the server has them: methods, addresses and scopes come from here. */
  readonly routes: readonly DeclaredRoute[]
  readonly parts: readonly DescribedPart[]
  readonly ways: Ways
  readonly openProbes: boolean
}

/** An OpenAPI document, as JSON. */
export type OpenApiDocument = Readonly<Record<string, unknown>>

const TAGS = {
  messages: 'Messages that come in',
  search: 'Messages, counts, estimates and topics of the archive',
  jobs: 'Replays as jobs',
  schedules: 'Jobs that are made again and again',
  service: 'How the service is',
  'kafka-rest': 'Calls of the Kafka REST proxy',
}

const PATH_PARAMETERS: Readonly<Record<string, Schema>> = {
  topic: told(TEXT, 'the name of the topic, percent-encoded'),
  lane: told(TEXT, 'the name of the lane'),
  position: { type: 'string', pattern: '^[0-9]{1,15}$', description: 'the position within the lane' },
  partition: { type: 'string', pattern: '^[0-9]{1,10}$', description: 'the number of the partition' },
}

/** What can go wrong with any request, and with any that somebody has to be known for. */
const EVERYWHERE = ['INPUT_INVALID', 'INTERNAL'] as const satisfies readonly ErrorCode[]
const GUARDED = [
  'UNAUTHORIZED',
  'FORBIDDEN',
  'TOO_MANY_REQUESTS',
  'ISSUER_UNAVAILABLE',
  'AUDIT_UNAVAILABLE',
] as const satisfies readonly ErrorCode[]
/** Answers that tell one of these alone are the same everywhere. */
const SHARED: readonly ErrorCode[] = [...EVERYWHERE, 'UNAUTHORIZED', 'FORBIDDEN', 'TOO_MANY_REQUESTS']

const errorSchema = answerOf<{ readonly error: unknown }>(
  {
    error: {
      type: 'object',
      description: 'docs/errors.md says what each code means; some come with further properties that say where',
      required: ['code', 'message', 'requestId'],
      properties: { code: oneOf(...Object.keys(errorTable)), message: told(TEXT, 'for people'), requestId: TEXT },
    },
  },
  {},
)

/** The description of a server's routes in OpenAPI 3.1. Where a route has no operation, only what the route itself says is told. */
export function describeInterface(described: Described): OpenApiDocument {
  const { version, routes, parts, ways } = described
  const operations = Object.assign({}, ...parts.map((part) => part.operations)) as Readonly<Record<string, Operation>>
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    // Fastify makes them: as HTTP has it they are the answers of GET without their bodies.
    if (route.method === 'HEAD') continue
    const path = route.url.replaceAll(/:(\w+)/gu, '{$1}')
    const known = operations[`${route.method} ${route.url}`]
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, known, described) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Millpond',
      version,
      description: 'Keeps every message of streams and lets any of them flow again. The documentation in words is docs/http.md.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: { Error: errorSchema, ...(Object.assign({}, ...parts.map((part) => part.schemas)) as object) },
      responses: Object.fromEntries(SHARED.map((code) => [code, responseOf(errorAnswer([code]))])),
      headers: { RequestId: { description: 'names the request in the log and in errors', schema: TEXT } },
      securitySchemes: schemesOf(ways),
    },
  }
}

function operationOf({ url, access = UNDECLARED }: DeclaredRoute, known: Operation | undefined, described: Described): object {
  const names = [...url.matchAll(/:(\w+)/gu)].map(([, name]) => name!)
  const parameters = [
    ...names.map((name) => parameter('path', name, known?.path?.[name] ?? PATH_PARAMETERS[name] ?? TEXT)),
    ...Object.entries(known?.query ?? {}).map(([name, schema]) => parameter('query', name, schema)),
    ...Object.entries(known?.headers ?? {}).map(([name, schema]) => parameter('header', name, schema)),
  ]
  const description = [known?.description, needs(access)].filter((text) => text !== undefined).join(' ')
  return {
    ...(known === undefined ? {} : { operationId: known.id, tags: [known.tag], summary: known.summary }),
    ...(description === '' ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(known?.body === undefined
      ? {}
      : { requestBody: { required: known.body.isRequired, content: contentOf(known.body.content) } }),
    responses: responsesOf(access, known),
    security: securityOf(access, described),
  }
}

const contentOf = (content: Readonly<Record<string, Schema>>) =>
  Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]))

function parameter(place: 'path' | 'query' | 'header', name: string, { description, ...schema }: Schema): object {
  const named = {
    name,
    in: place,
    ...(place === 'path' ? { required: true } : {}),
    ...(description === undefined ? {} : { description }),
  }
  const { contentMediaType, ...plain } = schema
  if (typeof contentMediaType === 'string') return { ...named, content: { [contentMediaType]: { schema: plain } } }
  return { ...named, schema: plain }
}

function responsesOf(access: RouteAccess, known: Operation | undefined): object {
  const codes = new Set<ErrorCode>([...(known?.errors ?? []), ...EVERYWHERE, ...(access === 'open' ? [] : GUARDED)])
  const byStatus = Map.groupBy(codes, (code) => errorTable[code].httpStatus)
  const answers: Record<string, object> = {}
  for (const [status, answer] of Object.entries(known?.answers ?? {})) {
    const errors = byStatus.get(Number(status))
    byStatus.delete(Number(status))
    answers[status] = responseOf(errors === undefined ? answer : either(answer, errorAnswer(errors)))
  }
  // Objects have names that are numbers in their order.
  for (const [status, some] of byStatus) {
    const [only, ...others] = some
    const isShared = others.length === 0 && SHARED.includes(only!) && known?.errorContent === undefined
    answers[status] = isShared ? { $ref: `#/components/responses/${only}` } : responseOf(errorAnswer(some, known?.errorContent))
  }
  return answers
}

const responseOf = ({ description, content, headers = {}, links = [] }: AnswerText): object => ({
  description,
  headers: {
    'x-request-id': { $ref: '#/components/headers/RequestId' },
    ...Object.fromEntries(Object.entries(headers).map(([name, schema]) => [name, { schema }])),
  },
  ...(content === undefined ? {} : { content: contentOf(content) }),
  ...(links.length === 0
    ? {}
    : {
        links: Object.fromEntries(
          links.map((operationId) => [operationId, { operationId, parameters: { id: '$response.body#/id' } }]),
        ),
      }),
})

function errorAnswer(
  codes: readonly ErrorCode[],
  content: Readonly<Record<string, Schema>> = { [JSON_CONTENT]: ref('Error') },
): AnswerText {
  const isPassing = codes.some((code) => errorTable[code].retryable)
  return {
    description: codes.map((code) => `\`${code}\``).join(', '),
    content,
    ...(isPassing ? { headers: { 'retry-after': { type: 'integer', description: 'seconds' } } } : {}),
  }
}

/** A status that is an answer and an error. */
const either = (own: AnswerText, error: AnswerText): AnswerText => ({
  description: `${own.description}; ${error.description}`,
  content: { [JSON_CONTENT]: { anyOf: [own.content?.[JSON_CONTENT] ?? {}, ref('Error')] } },
  ...(error.headers === undefined ? {} : { headers: error.headers }),
})

const OF = { path: 'the topic', every: 'every topic', asks: 'each topic that it is about' } as const

function needs(access: RouteAccess): string | undefined {
  if (access === 'open') return undefined
  if (typeof access === 'string') return 'For any caller that is known.'
  const scopes = scopesOf(access).map((scope) => `\`${scope}\``)
  return `Needs the scope ${scopes.join(' or ')} for ${OF[access.of]}.`
}

const SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'a key, or a token of the issuer' },
  apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'a key' },
  basic: { type: 'http', scheme: 'basic', description: 'a key as the password, with any name' },
}

/** Keys are let be sent where nobody is asked, too. */
const hasKeys = (ways: Ways): boolean => ways.isKey || !isAsked(ways)
const isAsked = ({ isKey, isCertificate, issuer }: Ways): boolean => isKey || isCertificate || issuer !== undefined

function schemesOf(ways: Ways): object {
  const { issuer, isCertificate } = ways
  return {
    ...(hasKeys(ways) ? SCHEMES : {}),
    ...(isCertificate ? { certificate: { type: 'mutualTLS', description: 'a client certificate that `http.keys` names' } } : {}),
    ...(issuer === undefined
      ? {}
      : {
          issuer: {
            type: 'openIdConnect',
            openIdConnectUrl: `${issuer.url.replace(/\/$/u, '')}/.well-known/openid-configuration`,
            description: 'an access token of the issuer, as `Authorization: Bearer`',
          },
        }),
  }
}

/** Each way by itself is enough, with one of the scopes; nothing is, where nobody is asked. */
function securityOf(access: RouteAccess, { ways, openProbes }: Described): readonly object[] {
  if (access === 'open') return []
  const isOpen = !isAsked(ways) || (access === 'probe' && openProbes)
  const scopes: readonly (Scope | undefined)[] = typeof access === 'string' ? [undefined] : scopesOf(access)
  const ofScope = (scope: Scope | undefined): object[] => {
    const wanted = scope === undefined ? [] : [scope]
    const names = [...(hasKeys(ways) ? Object.keys(SCHEMES) : []), ...(ways.isCertificate ? ['certificate'] : [])]
    const { issuer } = ways
    return [
      ...names.map((name) => ({ [name]: wanted })),
      ...(issuer === undefined ? [] : [{ issuer: wanted.map((one) => `${issuer.scopePrefix}${one}`) }]),
    ]
  }
  return [...(isOpen ? [{}] : []), ...scopes.flatMap(ofScope)]
}
