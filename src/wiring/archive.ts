import { randomBytes } from 'node:crypto'
import type { ArchiveOptions, ArchiveParts } from '../archive/options.ts'
import type { Config } from '../config/config.ts'
import { segmentFormat } from '../encode/formats.ts'
import { createLayout } from '../layout/create-layout.ts'
import type { Layout } from '../layout/layout.ts'
import { createSchedule } from '../layout/schedule.ts'
import type { Store } from '../store/store.ts'
import type { SchemaRegistry } from '../values/schema-registry.ts'
import { fetchBytes } from './kafka.ts'
import { openRegistry } from './registry.ts'

/** How the archive is written. */
export function archiveOptions(config: Config, untilCaughtUp: boolean): ArchiveOptions {
  const { archive, source, layout } = config
  const { scheduleMs, timezone, maxObjectCount = Infinity, maxCount, maxBytes, maxSpanMs, maxAgeMs, idleMs } = archive.rotate
  const schedule = scheduleMs === undefined ? {} : { schedule: createSchedule(scheduleMs, timezone) }
  const splitting = layoutOf(config)
  return {
    format: archive.format,
    formatOptions: archive.formatOptions,
    schemaCompatibility: archive.schemaCompatibility,
    codec: archive.codec,
    ...(archive.level === undefined ? {} : { level: archive.level }),
    lookups: archive.lookups,
    blockBytes: archive.blockBytes,
    rotate: { maxObjectCount, maxCount, maxBytes, maxSpanMs, maxAgeMs, idleMs, ...schedule },
    ...(splitting === undefined ? {} : { layout: splitting, maxOpenObjects: layout.maxOpen }),
    ...(layout.graceMs === undefined ? {} : { graceMs: layout.graceMs }),
    siblings: {
      ...(layout.keysFormat !== 'none' && { keys: layout.keysFormat }),
      ...(layout.headersFormat !== 'none' && { headers: layout.headersFormat }),
    },
    memoryBytes: archive.memoryBytes - (source.type === 'kafka' ? fetchBytes(archive.memoryBytes) : 0),
    writer: randomBytes(6).toString('hex'),
    untilCaughtUp,
  }
}

/** The layout where messages are looked at one by one; undefined where a lane's blocks pass as they are, each segment under a name of ours. */
function layoutOf({ archive, layout, registry }: Config): Layout | undefined {
  const created = createLayout(layout)
  const keepsSchemas = registry.urls.length > 0
  const { exact, maxObjectCount } = archive.rotate
  const isCounted = exact || maxObjectCount !== undefined
  const isPlain = layout.type === 'millpond' && created.isWhole && !isCounted && !keepsSchemas
  return isPlain && segmentFormat(archive.format).byKind !== true ? undefined : created
}

/** What the archive loop needs beside source and store where it looks at messages; closed behind it. */
export interface OpenParts extends AsyncDisposable {
  readonly parts: Pick<ArchiveParts, 'values' | 'openSpill' | 'keepSchemas'>
}

/** Opens what layout, format and registry ask for. @throws MillpondError `CONFIG_INVALID` where a file cannot be read. */
export async function openArchiveParts(config: Config, store: Store): Promise<OpenParts> {
  const layout = layoutOf(config)
  if (layout === undefined) return { parts: {}, async [Symbol.asyncDispose]() {} }
  const openSpill = async () => {
    const { openFileSpill } = await import('../adapters/file/spill.ts')
    return openFileSpill(config.archive.spillPath)
  }
  const registry = await openRegistry(config.registry)
  const { createValues } = await import('../values/create-values.ts')
  const withVersions = config.archive.schemaCompatibility !== 'none'
  const values = createValues({ type: 'auto', registry, check: false, nowMs: Date.now, withVersions })
  const keeping = registry === undefined ? {} : await schemaKeeping(store, registry)
  return { parts: { values, openSpill, ...keeping }, [Symbol.asyncDispose]: () => values[Symbol.asyncDispose]() }
}

async function schemaKeeping(store: Store, registry: SchemaRegistry): Promise<Pick<ArchiveParts, 'keepSchemas'>> {
  const { createSchemaKeeper } = await import('../schemas/keep-schemas.ts')
  const keeper = createSchemaKeeper(store, registry, Date.now)
  return { keepSchemas: (topic, batch, signal) => keeper.keep(topic, batch, signal) }
}
