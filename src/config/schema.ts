import { z } from 'zod'
import {
  DAY_MS,
  duration,
  listOf,
  MiB,
  oneOf,
  optionalNumber,
  optionalOneOf,
  optionalPath,
  section,
  size,
  text,
  TiB,
  truth,
  wholeNumber,
} from './fields.ts'
import { expireSection } from './schema-expire.ts'
import { httpSection } from './schema-http.ts'
import { lineOptions } from './schema-lines.ts'
import { dataphosSection } from './schema-dataphos.ts'
import { icebergSection } from './schema-iceberg.ts'
import { kafkaSection } from './schema-kafka.ts'
import { layoutSection } from './schema-layout.ts'
import { mongodbSection } from './schema-mongodb.ts'
import { postgresSection } from './schema-postgres.ts'
import { registrySection } from './schema-registry.ts'
import { searchSection } from './schema-search.ts'
import { azureSection, gcsSection, s3Section } from './schema-stores.ts'

/** What keeps the index and the replay jobs. */
const DATABASES = ['sqlite', 'postgres', 'mongodb'] as const

const retention = section(
  {
    maxAge: duration(1000, 36_500 * DAY_MS, 'Messages older than this may be removed. Without it: kept for ever.').optional(),
    maxBytes: size(
      MiB,
      1024 * TiB,
      'The oldest messages are removed while a partition holds more. Without it: no limit.',
    ).optional(),
  },
  'What the local log may remove once it is in the archive.',
)

const localTopic = section(
  {
    partitions: optionalNumber(1, 1024, 'Partitions of this topic, when it is made. Without it: as `local.partitions`.'),
    retention,
  },
  'A topic with settings of its own.',
)

const rotate = section(
  {
    maxCount: wholeNumber(1, 100_000_000, 5_000_000, 'Messages in a segment.'),
    maxBytes: size(64 * 1024, 5 * TiB, 'Bytes of a segment, compressed.').default('128 MiB'),
    maxSpan: duration(1000, 3650 * DAY_MS, 'From the smallest to the largest timestamp in a segment.').default('1d'),
    maxAge: duration(10, DAY_MS, 'From the first message read into a segment until it closes.').default('10m'),
    idle: duration(10, DAY_MS, 'How long nothing came before a segment closes.').default('10s'),
    exact: truth(
      false,
      'Whether `maxCount` counts all open objects of a lane together and holds to the message, so that the same messages give the same objects: `flush.size` of Kafka Connect.',
    ),
    maxObjectCount: optionalNumber(
      1,
      100_000_000,
      "Messages in each object, counted by itself and to the message, so that the same messages give the same objects: `file.max.records` of Aiven's sinks. Without it: `maxCount` alone.",
    ),
    schedule: duration(
      1000,
      365 * DAY_MS,
      'Segments also close whenever so much of the wall clock has passed, counted from midnight in `timezone`: `rotate.schedule.interval.ms`. Without it: never.',
    ).optional(),
    timezone: text('UTC', 'The time zone of `schedule`.'),
  },
  'When a segment closes and is committed: whichever comes first.',
)

/** The whole of `millpond.yaml`. What it gives is again a file of this form with every default filled in; `resolve.ts` counts its units. */
export const configSchema = section(
  {
    data: text('./millpond-data', 'The folder under which everything lies that has no path of its own.'),
    store: section(
      {
        type: oneOf(['file', 's3', 'gcs', 'azure'], 'file', 'The kind of store; all but `file` have a section of that name.'),
        path: optionalPath('For `file`: the folder of the archive. Without it: `archive` in the `data` folder.'),
      },
      'Where the archive is kept.',
    ),
    source: section(
      {
        type: oneOf(['local', 'kafka'], 'local', 'The kind of broker, described in the section of that name.'),
        topics: listOf(
          ['*'],
          'topic names or patterns',
          "Topics to archive. `*` stands for any text within a name. Kafka's own topics (`__…`) are left out.",
        ),
        group: text('millpond', 'The consumer group in which archivers share the lanes.'),
      },
      'What is archived.',
    ),
    index: section(
      {
        type: oneOf(DATABASES, 'sqlite', 'The kind of index; `postgres` and `mongodb` have sections of those names.'),
        path: optionalPath('For `sqlite`: the file of the index. Without it: `index.sqlite` in the `data` folder.'),
        maxLag: duration(
          1000,
          365 * DAY_MS,
          'Readiness turns amber where a commit of the archive has waited longer than this for the index.',
        ).default('5m'),
      },
      'What can be asked of the archive; it can be made anew from the store at any time.',
    ),
    jobs: section(
      {
        type: optionalOneOf(DATABASES, 'The kind of database. Without it: as `index.type`.'),
        path: optionalPath('For `sqlite`: the file of the replay jobs. Without it: `jobs.sqlite` in the `data` folder.'),
        functions: optionalPath(
          'The folder of the function files that jobs made over HTTP may name. Without it: `functions` in the `data` folder.',
        ),
        workers: wholeNumber(
          0,
          256,
          4,
          'Parts of replay jobs that `millpond serve` works on at once; 0 leaves them to `millpond jobs work`.',
        ),
      },
      'Where replay jobs keep their progress.',
    ),
    archive: section(
      {
        format: oneOf(
          [
            'avro',
            'kafka',
            'json',
            'parquet',
            'value-avro',
            'value-json',
            'value-json-array',
            'value-parquet',
            'csv',
            'raw',
            'persistorrecord',
          ],
          'avro',
          'How segments are written. `avro`, `kafka` (the very record batches of the broker), `json` and `parquet` keep everything, and are searched and replayed; `value-avro`, `value-json`, `value-json-array`, `value-parquet`, `csv`, `raw` and `persistorrecord` (the blobs of Dataphos) keep what [formats.md](formats.md) says.',
        ),
        codec: oneOf(
          ['zstandard', 'deflate', 'gzip', 'snappy', 'null'],
          'zstandard',
          'Compression of the blocks. `avro`, `value-avro` and `persistorrecord` have no `gzip`; all others but `kafka` have no `deflate`.',
        ),
        level: optionalNumber(1, 19, 'Level of zstandard (1 to 19), deflate or gzip (1 to 9). Without it: 1.'),
        schemaCompatibility: oneOf(
          ['none', 'backward', 'forward', 'full'],
          'none',
          '`schema.compatibility` of Kafka Connect, for `value-avro` and `value-parquet`: whether values of several versions of a schema share an object, written as the newest (`backward`, `full`) or the oldest (`forward`) says; see [schemas.md](schemas.md).',
        ),
        ...lineOptions,
        lookups: section(
          {
            key: truth(true, 'Find by key.'),
            id: truth(true, 'Find by id.'),
            headers: listOf([], 'header names', 'Find by the values of these headers.'),
          },
          'What a look-up finds without reading every block. It costs about a byte a message each.',
        ),
        rotate,
        memory: size(16 * MiB, 64 * 1024 * MiB, 'What all lanes together may hold; past it reading waits.').default('128 MiB'),
        spill: optionalPath(
          'The folder where messages and blocks of a split lane wait that memory has no room for. Without it: `spill` in the `data` folder.',
        ),
        expire: expireSection,
        blockBytes: size(4096, 64 * MiB, 'Bytes of a block before compression: what one look-up reads.').default('1 MiB'),
      },
      'How messages are written.',
    ),
    layout: layoutSection,
    deadLetters: section(
      {
        type: oneOf(['file'], 'file', 'The kind of sink.'),
        path: optionalPath('The folder of the dead letters. Without it: `dead-letters` in the `data` folder.'),
      },
      'Where messages go that cannot be archived, with their bytes and the reason.',
    ),
    local: section(
      {
        path: optionalPath('The file of the log. Without it: `log.sqlite` in the `data` folder.'),
        partitions: wholeNumber(
          1,
          1024,
          4,
          'Partitions of a topic that its first message makes; a key always goes to the same one.',
        ),
        retention,
        topics: z
          .record(z.string(), localTopic, { error: 'must be a section of topic names' })
          .meta({ description: 'Topics with settings of their own, by name.' })
          .default({}),
      },
      'The embedded broker: what HTTP and `millpond ingest` write to.',
    ),
    kafka: kafkaSection,
    registry: registrySection,
    postgres: postgresSection,
    mongodb: mongodbSection,
    s3: s3Section,
    gcs: gcsSection,
    azure: azureSection,
    iceberg: icebergSection,
    http: httpSection,
    dataphos: dataphosSection,
    search: searchSection,
    log: section(
      {
        level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'], 'info', 'How much goes to stderr.'),
      },
      'What the program says about itself.',
    ),
  },
  'Configuration of Millpond.',
)

/** A configuration file with every default filled in, in the form of the file. */
export type FileConfig = z.output<typeof configSchema>
