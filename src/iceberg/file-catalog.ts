/**
 * Tables whose newest metadata is found by its number, as Hadoop's catalogue has them: `metadata/v<N>.metadata.json` is put if absent, so
 * that one of several that change version N wins N + 1. `version-hint.text` says a number to begin at; it may be behind.
 * Source: Apache Iceberg table specification, "File System Tables", read 2026-11.
 */
import { randomUUID } from 'node:crypto'
import { isMillpondError, MillpondError } from '../errors.ts'
import { pathSegment } from '../layout/path-segment.ts'
import type { Store } from '../store/store.ts'
import type { Catalog, LoadedTable, TableName } from './catalog.ts'
import { writeLongJson } from './long-json.ts'
import { changedMetadata, newMetadata, parseMetadata, type TableMetadata } from './metadata.ts'

/** Where tables lie. */
export interface FileCatalogOptions {
  readonly store: Store
  /** The address of the store's root, without `/` at its end. */
  readonly root: string
  /** What the keys of all tables begin with; ends in `/`, unless it is empty. */
  readonly prefix: string
  readonly nowMs: () => number
}

/** The key of the folder of a table, without `/` at its end. */
export const tableFolder = (prefix: string, { namespace, name }: TableName): string =>
  prefix + [...namespace, name].map(pathSegment).join('/')

const versionKey = (folder: string, version: number): string => `${folder}/metadata/v${version}.metadata.json`
const hintKey = (folder: string): string => `${folder}/metadata/version-hint.text`
const VERSION_NAME = /^v(\d+)\.metadata\.json$/u

/** Opens the catalogue; it holds nothing. */
export function createFileCatalog({ store, root, prefix, nowMs }: FileCatalogOptions): Catalog {
  const write = async (name: TableName, version: number, metadata: TableMetadata, signal?: AbortSignal) => {
    const folder = tableFolder(prefix, name)
    const key = versionKey(folder, version)
    const outcome = await store.putIfAbsent(key, Buffer.from(writeLongJson(metadata)), signal)
    if (outcome === 'exists') return undefined
    // The hint saves looking; whoever reads it goes on to the newest from there.
    await store.put(hintKey(folder), Buffer.from(String(version)), signal)
    return { name, metadata, version, metadataFile: `${root}/${key}` }
  }
  const load = async (name: TableName, signal?: AbortSignal): Promise<LoadedTable | undefined> => {
    const folder = tableFolder(prefix, name)
    const newest = await newestVersion(store, folder, signal)
    if (newest === undefined) return undefined
    const place = `${root}/${versionKey(folder, newest.version)}`
    return { name, metadata: parseMetadata(newest.text, place), version: newest.version, metadataFile: place }
  }
  return {
    name: `tables in ${root}/${prefix}`,
    load,
    async create(name, table, signal) {
      const made = await write(name, 1, newMetadata(table, randomUUID(), nowMs()), signal)
      const there = made ?? (await load(name, signal))
      if (there !== undefined) return there
      throw new MillpondError('TABLE_CORRUPT', `${root}/${tableFolder(prefix, name)} has metadata that cannot be found again`)
    },
    async change(base, change, signal) {
      const metadata = changedMetadata(base.metadata, change, base.metadataFile, nowMs())
      const table = await write(base.name, (base.version ?? 0) + 1, metadata, signal)
      return table === undefined ? { outcome: 'conflict' } : { outcome: 'changed', table }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** The newest metadata: from the hint on, as far as there are files. */
async function newestVersion(
  store: Store,
  folder: string,
  signal?: AbortSignal,
): Promise<{ readonly version: number; readonly text: string } | undefined> {
  let version = await hintedVersion(store, folder, signal)
  let text = version === undefined ? undefined : await readText(store, versionKey(folder, version), signal)
  if (text === undefined) {
    version = await listedVersion(store, folder, signal)
    text = version === undefined ? undefined : await readText(store, versionKey(folder, version), signal)
  }
  if (version === undefined || text === undefined) return undefined
  for (;;) {
    const next = await readText(store, versionKey(folder, version + 1), signal)
    if (next === undefined) return { version, text }
    version++
    text = next
  }
}

async function hintedVersion(store: Store, folder: string, signal?: AbortSignal): Promise<number | undefined> {
  const hint = (await readText(store, hintKey(folder), signal))?.trim()
  return hint !== undefined && /^\d{1,15}$/u.test(hint) ? Number(hint) : undefined
}

async function listedVersion(store: Store, folder: string, signal?: AbortSignal): Promise<number | undefined> {
  let newest: number | undefined
  for await (const { key } of store.list(`${folder}/metadata/v`, {}, signal)) {
    const found = VERSION_NAME.exec(key.slice(key.lastIndexOf('/') + 1))
    if (found !== null) newest = Math.max(newest ?? 0, Number(found[1]))
  }
  return newest
}

async function readText(store: Store, key: string, signal?: AbortSignal): Promise<string | undefined> {
  try {
    return Buffer.from(await store.read(key, undefined, signal)).toString('utf8')
  } catch (error) {
    if (isMillpondError(error, 'OBJECT_MISSING')) return undefined
    throw error
  }
}
