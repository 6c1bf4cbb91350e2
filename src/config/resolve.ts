import { join, resolve } from 'node:path'
import type { LookupField } from '../encode/block.ts'
import { type FormatOptions, isWrittenField } from '../encode/format-options.ts'
import type { Config, LocalTopicConfig, RetentionConfig } from './config.ts'
import { resolveDataphos } from './resolve-dataphos.ts'
import { resolveExpire } from './resolve-expire.ts'
import { resolveHttp } from './resolve-http.ts'
import { resolveIceberg } from './resolve-iceberg.ts'
import { resolveKafka } from './resolve-kafka.ts'
import { resolveLayout } from './resolve-layout.ts'
import { resolveMongodb } from './resolve-mongodb.ts'
import { resolvePostgres } from './resolve-postgres.ts'
import { resolveRegistry } from './resolve-registry.ts'
import { resolveAzure, resolveGcs, resolveS3 } from './resolve-stores.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration, parseSize } from './units.ts'

// The schema has let through only what these can count.
const bytesOf = (written: string | number): number => parseSize(written)!
const msOf = (written: string | number): number => parseDuration(written)!

/** Counts the units of a checked file and makes its paths absolute; relative ones count from `folder`. */
export function resolveConfig(file: FileConfig, place: { readonly file: string | undefined; readonly folder: string }): Config {
  const inData = (path: string | undefined, name: string): string =>
    path === undefined ? join(resolve(place.folder, file.data), name) : resolve(place.folder, path)
  const { archive, local, search } = file
  const retention = retentionOf(local.retention)
  const topics = Object.entries(local.topics).map(([name, topic]): [string, LocalTopicConfig] => [
    name,
    { partitions: topic.partitions ?? local.partitions, retention: { ...retention, ...defined(retentionOf(topic.retention)) } },
  ])
  const stores = {
    store: { type: file.store.type, path: inData(file.store.path, 'archive') },
    s3: resolveS3(file.s3, place.folder),
    gcs: resolveGcs(file.gcs, place.folder),
    azure: resolveAzure(file.azure, place.folder),
  }
  return {
    ...place,
    ...stores,
    iceberg: resolveIceberg(file.iceberg, stores),
    source: file.source,
    kafka: resolveKafka(file.kafka, place.folder),
    registry: resolveRegistry(file.registry, place.folder),
    postgres: resolvePostgres(file.postgres, place.folder),
    mongodb: resolveMongodb(file.mongodb, place.folder),
    index: { type: file.index.type, path: inData(file.index.path, 'index.sqlite'), maxLagMs: msOf(file.index.maxLag) },
    jobs: {
      type: file.jobs.type ?? file.index.type,
      path: inData(file.jobs.path, 'jobs.sqlite'),
      workers: file.jobs.workers,
      functionsPath: inData(file.jobs.functions, 'functions'),
    },
    archive: {
      format: archive.format,
      formatOptions: formatOptionsOf(archive),
      schemaCompatibility: archive.schemaCompatibility,
      codec: archive.codec,
      level: archive.level,
      lookups: lookupFields(archive.lookups),
      rotate: {
        maxCount: archive.rotate.maxCount,
        maxBytes: bytesOf(archive.rotate.maxBytes),
        maxSpanMs: msOf(archive.rotate.maxSpan),
        maxAgeMs: msOf(archive.rotate.maxAge),
        idleMs: msOf(archive.rotate.idle),
        exact: archive.rotate.exact,
        maxObjectCount: archive.rotate.maxObjectCount,
        scheduleMs: archive.rotate.schedule === undefined ? undefined : msOf(archive.rotate.schedule),
        timezone: archive.rotate.timezone,
      },
      memoryBytes: bytesOf(archive.memory),
      blockBytes: bytesOf(archive.blockBytes),
      spillPath: inData(archive.spill, 'spill'),
      expire: resolveExpire(archive.expire),
    },
    layout: resolveLayout(file.layout),
    deadLetters: { type: file.deadLetters.type, path: inData(file.deadLetters.path, 'dead-letters') },
    local: {
      path: inData(local.path, 'log.sqlite'),
      partitions: local.partitions,
      retention,
      topics: Object.fromEntries(topics),
    },
    http: resolveHttp(file.http, place.folder, inData),
    dataphos: resolveDataphos(file.dataphos, place.folder),
    search: {
      cacheBytes: bytesOf(search.cache),
      maxBytes: bytesOf(search.maxBytes),
      maxMessages: search.maxMessages,
      maxPageMessages: search.maxPageMessages,
      maxTimeMs: msOf(search.maxTime),
      maxSearches: search.maxSearches,
      maxSearchesPerCaller: search.maxSearchesPerCaller,
    },
    log: file.log,
  }
}

function retentionOf(written: FileConfig['local']['retention']): RetentionConfig {
  return {
    maxAgeMs: written.maxAge === undefined ? undefined : msOf(written.maxAge),
    maxBytes: written.maxBytes === undefined ? undefined : bytesOf(written.maxBytes),
  }
}

const defined = (retention: RetentionConfig): Partial<RetentionConfig> =>
  Object.fromEntries(Object.entries(retention).filter(([, value]) => value !== undefined))

/** Only what is written: each format has defaults of its own. */
function formatOptionsOf(archive: FileConfig['archive']): FormatOptions {
  const { fields, envelope, keyEncoding, valueEncoding, headersEncoding, timestampEncoding } = archive
  const { quoting, snappyFraming, headerLine, delimiter, extension, extraColumns } = archive
  const encodings = { keyEncoding, valueEncoding, headersEncoding, timestampEncoding }
  const written = { envelope, ...encodings, quoting, snappyFraming, headerLine, delimiter, extension }
  return { ...written, fields: fields?.filter(isWrittenField), extraColumns }
}

function lookupFields({ key, id, headers }: FileConfig['archive']['lookups']): LookupField[] {
  const fields: LookupField[] = []
  if (key) fields.push('key')
  if (id) fields.push('id')
  for (const name of new Set(headers)) fields.push(`header:${name}`)
  return fields
}
