/**
 * Tables of a catalogue behind a network. Source: Apache Iceberg, "REST Catalog" OpenAPI specification, read 2026-11. Data and manifests are
 * written by us; the catalogue writes the metadata itself.
 */
import { MillpondError } from '../../errors.ts'
import { type Catalog, type LoadedTable, tableText, type TableName } from '../../iceberg/catalog.ts'
import { writeLongJson } from '../../iceberg/long-json.ts'
import { checkMetadata, currentSnapshot, type NewTable, type TableChange, type TableMetadata } from '../../iceberg/metadata.ts'
import { type Answer, ask, type Question } from './answers.ts'
import { createLogin, type RestLogin } from './token.ts'

/** Which catalogue, and as whom. */
export interface RestCatalogOptions {
  /** Without `/v1`. */
  readonly url: string
  readonly warehouse?: string | undefined
  readonly login: RestLogin
  /** Sent with each request. */
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly nowMs?: () => number
}

const [NOT_FOUND, CONFLICT] = [404, 409]
/** What parts the levels of a namespace in a path. */
const LEVEL_MARK = '\u001f'

type Asking = Omit<Question, 'headers' | 'timeoutMs' | 'url'> & { readonly path: string }

/** Opens the catalogue: asks for what it wants its callers to know. @throws MillpondError `CATALOG_UNAVAILABLE`, `CATALOG_REFUSED`. */
export async function openRestCatalog(options: RestCatalogOptions, signal?: AbortSignal): Promise<Catalog> {
  const { timeoutMs, warehouse, headers = {}, nowMs = Date.now } = options
  const url = options.url.replace(/\/+$/u, '')
  const login = createLogin(options.login, { timeoutMs, nowMs })
  const send = async ({ path, ...question }: Asking): Promise<Answer> =>
    ask({
      ...question,
      url: `${url}/v1/${path}`,
      timeoutMs,
      headers: { accept: 'application/json', 'content-type': 'application/json', ...headers, ...(await login(question.signal)) },
    })
  const asked = warehouse === undefined ? '' : `?warehouse=${encodeURIComponent(warehouse)}`
  const { body } = await send({ method: 'GET', path: `config${asked}`, signal })
  return createRestCatalog(`Iceberg catalogue ${url}`, send, prefixOf(body))
}

function prefixOf({ defaults, overrides }: Answer['body']): string {
  const { prefix } = { ...(defaults as Record<string, unknown>), ...(overrides as Record<string, unknown>) }
  return typeof prefix === 'string' && prefix !== '' ? `${prefix}/` : ''
}

function createRestCatalog(place: string, send: (asking: Asking) => Promise<Answer>, prefix: string): Catalog {
  const tablesPath = ({ namespace }: TableName) => `${prefix}namespaces/${encodeURIComponent(namespace.join(LEVEL_MARK))}/tables`
  const tablePath = (name: TableName) => `${tablesPath(name)}/${encodeURIComponent(name.name)}`
  const load = async (name: TableName, signal?: AbortSignal): Promise<LoadedTable | undefined> => {
    const answer = await send({ method: 'GET', path: tablePath(name), allowed: [NOT_FOUND], signal })
    return answer.status === NOT_FOUND ? undefined : loadedTable(name, answer)
  }
  const makeNamespace = async ({ namespace }: TableName, signal?: AbortSignal) => {
    const body = JSON.stringify({ namespace, properties: {} })
    await send({ method: 'POST', path: `${prefix}namespaces`, body, allowed: [CONFLICT], signal })
  }
  return {
    name: place,
    load,
    async create(name, table, signal) {
      await makeNamespace(name, signal)
      const body = writeLongJson(creation(name, table))
      const answer = await send({ method: 'POST', path: tablesPath(name), body, allowed: [CONFLICT], signal })
      const there = answer.status === CONFLICT ? await load(name, signal) : loadedTable(name, answer)
      if (there !== undefined) return there
      throw new MillpondError('CATALOG_REFUSED', `${place} says that ${tableText(name)} is there, and has no table of that name`)
    },
    async change(base, change, signal) {
      const body = writeLongJson({ requirements: requirementsOf(base.metadata), updates: updatesOf(change) })
      const answer = await send({ method: 'POST', path: tablePath(base.name), body, allowed: [CONFLICT], signal })
      return answer.status === CONFLICT ? { outcome: 'conflict' } : { outcome: 'changed', table: loadedTable(base.name, answer) }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function loadedTable(name: TableName, { body }: Answer): LoadedTable {
  const file = body['metadata-location']
  const metadataFile = typeof file === 'string' ? file : ''
  return { name, metadata: checkMetadata(body['metadata'], `the table ${tableText(name)}`), version: undefined, metadataFile }
}

const creation = ({ name }: TableName, { schema, spec, properties, location }: NewTable) => ({
  name,
  location,
  schema,
  'partition-spec': spec,
  'write-order': { 'order-id': 0, fields: [] },
  'stage-create': false,
  properties: { 'format-version': '2', ...properties },
})

/** What must still be so for a change to be made. */
function requirementsOf(metadata: TableMetadata): object[] {
  return [
    { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
    { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': currentSnapshot(metadata)?.['snapshot-id'] ?? null },
    { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
    { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': metadata['last-column-id'] },
    { type: 'assert-last-assigned-partition-id', 'last-assigned-partition-id': metadata['last-partition-id'] },
    { type: 'assert-default-spec-id', 'default-spec-id': metadata['default-spec-id'] },
  ]
}

function updatesOf({ schema, specs, properties, snapshot }: TableChange): object[] {
  const updates: object[] = []
  if (schema !== undefined) {
    updates.push({ action: 'add-schema', schema: schema.schema, 'last-column-id': schema.lastColumnId })
    updates.push({ action: 'set-current-schema', 'schema-id': schema.schema['schema-id'] })
  }
  if (specs !== undefined) {
    for (const spec of specs.added) updates.push({ action: 'add-spec', spec })
    updates.push({ action: 'set-default-spec', 'spec-id': specs.defaultId })
  }
  if (properties !== undefined) updates.push({ action: 'set-properties', updates: properties })
  if (snapshot !== undefined) {
    updates.push({ action: 'add-snapshot', snapshot })
    updates.push({ action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': snapshot['snapshot-id'] })
  }
  return updates
}
