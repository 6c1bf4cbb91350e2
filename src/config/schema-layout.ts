import { z } from 'zod'
import { DAY_MS, duration, listOf, oneOf, optionalText, section, text, truth, wholeNumber, words } from './fields.ts'

/** Text that may be empty. */
const anyText = (standard: string, description: string) =>
  z.string({ error: 'must be text' }).meta({ description }).default(standard)

/** Text that may be empty or left out. */
const anyTextOrNone = (description: string) => z.string({ error: 'must be text' }).meta({ description }).optional()

const timezone = text('UTC', 'The time zone of dates in names: `Europe/Berlin`, `UTC`, `+02:00`.')
const locale = text('en', 'The language of names of months and days in dates.')
const timestampExtractor = (standard: 'Record' | 'Wallclock') =>
  oneOf(
    ['Wallclock', 'Record', 'RecordField'],
    standard,
    'Which time counts: the clock of this machine, the timestamp of the message, or a field of its value. With `Wallclock` all messages of a commit have the moment at which the first of them was read, and a commit ends where paths would say another.',
  )
const timestampField = text(
  'timestamp',
  'For `RecordField`: the field, with dots for what lies within; milliseconds since 1970, or ISO 8601 text.',
)

const confluent = section(
  {
    topicsDir: anyText('topics', '`topics.dir`: the folder of all topics; empty is none.'),
    directoryDelim: text('/', '`directory.delim`: between folders.'),
    fileDelim: anyText('+', '`file.delim`: between the parts of a file name.'),
    filenameOffsetZeroPadWidth: wholeNumber(0, 20, 10, '`filename.offset.zero.pad.width`: digits of an offset.'),
    partitionerClass: oneOf(
      ['DefaultPartitioner', 'FieldPartitioner', 'TimeBasedPartitioner', 'DailyPartitioner', 'HourlyPartitioner'],
      'DefaultPartitioner',
      '`partitioner.class`: what folders are made of.',
    ),
    partitionFieldName: listOf([], 'fields', '`partition.field.name`: the fields of `FieldPartitioner`.'),
    partitionDuration: duration(
      0,
      36_500 * DAY_MS,
      '`partition.duration.ms`, for `TimeBasedPartitioner`: times are cut to multiples of it.',
    ).default('1h'),
    pathFormat: anyText(
      '',
      "`path.format`, for `TimeBasedPartitioner`: a date pattern of Joda-Time, like `'year'=YYYY/'month'=MM`.",
    ),
    locale,
    timezone,
    timestampExtractor: timestampExtractor('Wallclock'),
    timestampField,
    timestampFieldTimezone: text('UTC', 'The zone of text in `timestampField` that says none. In Connect: that of the worker.'),
    tombstoneEncodedPartition: text('tombstone', '`tombstone.encoded.partition`: the folder of messages without a value.'),
    schemaPartitionAffixType: oneOf(
      ['NONE', 'PREFIX', 'SUFFIX'],
      'NONE',
      "`s3.schema.partition.affix.type`: where a folder `schema_name=` with the name of the value's schema stands.",
    ),
    formatBytearrayExtension: anyText('.bin', '`format.bytearray.extension`: the extension of `raw` files.'),
  },
  "Names as Confluent's sinks write them; keys are called as the connector's properties are.",
)

const aiven = section(
  {
    fileNameTemplate: optionalText(
      '`file.name.template`: `{{topic}}`, `{{partition}}`, `{{start_offset}}` (both with `:padding=true`), `{{timestamp:unit=yyyy}}`, `{{key}}`. Without it: `{{topic}}-{{partition}}-{{start_offset}}` with suffixes.',
    ),
    fileNamePrefix: anyText('', '`file.name.prefix`: what stands before it.'),
    awsS3Prefix: optionalText(
      "`aws.s3.prefix`, with the variables of the template but `{{key}}`, `{{utc_date}}` and `{{local_date}}`, all of an object's first message. With it the rest is the topic, the partition and 20 digits of the offset, with suffixes.",
    ),
    fileNameTimestampTimezone: text('UTC', '`file.name.timestamp.timezone`.'),
    fileNameTimestampSource: oneOf(
      ['wallclock', 'event'],
      'wallclock',
      '`file.name.timestamp.source`: the clock of this machine, or the timestamp of the message.',
    ),
    fileCompressionType: z
      .enum(['none', 'gzip', 'snappy', 'zstd'], { error: 'must be one of none, gzip, snappy, zstd' })
      .meta({
        description: '`file.compression.type`: which suffix names without a template have. Without it: what the codec says.',
      })
      .optional(),
  },
  "Names as Aiven's sinks write them; keys are called as the connector's properties are.",
)

const dataphos = section(
  {
    mask: text(
      'year/month/day/hour',
      '`STORAGE_MASK`: `year`, `month`, `day`, `hour` (UTC), `{header}`, or a key of `customValues`; those stand first, whatever the mask says.',
    ),
    customValues: words('values', '`STORAGE_CUSTOMVALUES`, by key. `{topic}` and `{lane}` stand for what they say.'),
    prefix: text('msg', '`STORAGE_PREFIX`: what names of files begin with.'),
    msgExtension: optionalText('`STORAGE_MSGEXTENSION`: the extension. Without it: that of the format.'),
    timestampSource: oneOf(
      ['record', 'wallclock'],
      'record',
      'Which time counts. Dataphos takes the clock of its machine while it writes.',
    ),
  },
  'Names as Dataphos Persistor writes them.',
)

const firehose = section(
  {
    prefix: anyText(
      '',
      '`Prefix`, with `!{timestamp:yyyy/MM/dd}`, `!{firehose:random-string}` and `!{partitionKeyFromQuery:name}`. Without a time and partition keys `!{timestamp:yyyy/MM/dd/HH/}` is added.',
    ),
    deliveryStreamName: text('millpond', '`DeliveryStreamName`: what names of files begin with.'),
    deliveryStreamVersion: wholeNumber(1, 1_000_000, 1, 'What Firehose counts up with every change of its configuration.'),
    customTimeZone: text('UTC', '`CustomTimeZone`: the zone of times in the prefix.'),
    fileExtension: anyTextOrNone('`FileExtension`. Without it: that of the format; empty: none, as Firehose has it.'),
    partitionKeys: words(
      'fields',
      'The field of the value that each `partitionKeyFromQuery` is, with dots for what lies within.',
    ),
  },
  'Names as Amazon Data Firehose writes them.',
)

const hive = section(
  {
    prefix: anyText('', 'The folder of all topics.'),
    by: oneOf(['none', 'year', 'month', 'day', 'hour'], 'day', 'The smallest time that has a folder of its own.'),
    fields: listOf([], 'fields', 'Fields of the value that have a folder `name=value` below, with dots for what lies within.'),
    timezone,
    timestampExtractor: timestampExtractor('Record'),
    timestampField,
    nullPartition: text('__HIVE_DEFAULT_PARTITION__', 'What stands for null, for empty text, and for a field that is not there.'),
  },
  'Folders that engines read as columns: `<topic>/year=2018/month=01/day=04/`.',
)

const azurePersistor = section(
  {
    storeParam: optionalText('`STORE_PARAM`: the folder of all blobs. Without it: the name of the topic.'),
    timedAppend: truth(
      false,
      '`TIMED_APPEND`: names of hour and minute, with lane and position behind them, for blobs are not appended to.',
    ),
    timezone,
    timestampSource: oneOf(['record', 'wallclock'], 'record', 'Which time counts. The Persistor takes the clock of its machine.'),
  },
  "Names as Syntio's Azure Persistor writes them.",
)

const template = section(
  {
    key: text(
      "{topic}/{time:yyyy'/'MM'/'dd}/{lane}-{position:16}.{extension}",
      'Pieces in braces: `topic`, `lane`, `time:PATTERN`, `record:PATTERN`, `wallclock:PATTERN`, `field:NAME`, `header:NAME`, `key`, `schema`; and of the first message of an object `start:PATTERN`, `position:DIGITS`, `id`, `writer`, `uuid`, `extension`. Behind a bar stands what a message has that has none: `{field:country|none}`.',
    ),
    locale,
    timezone,
    timestampExtractor: timestampExtractor('Record'),
    timestampField,
  },
  'Keys by a template. Patterns are those of `java.time`.',
)

/** How keys of segments are made. */
export const layoutSection = section(
  {
    type: oneOf(
      ['millpond', 'confluent', 'aiven', 'dataphos', 'firehose', 'hive', 'azure-persistor', 'template'],
      'millpond',
      'Whose names: see [layouts.md](layouts.md). All but `millpond` have a section of that name (`azurePersistor`).',
    ),
    strict: truth(
      false,
      'Texts of messages stand in names as the other tool writes them: `/` makes folders, `=` and `%` stay. Without it they become `%XX`, which can be read again. Neither leaves its folder.',
    ),
    nullValues: oneOf(
      ['write', 'ignore', 'fail'],
      'write',
      '`behavior.on.null.values`: messages without a value are archived as others are (`confluent`: in the folder of tombstones), left out, or dead letters.',
    ),
    keysFormat: oneOf(
      ['none', 'avro', 'json', 'parquet', 'raw'],
      'none',
      '`store.kafka.keys` and `keys.format.class`: whether keys are written beside objects whose format holds values alone, and how.',
    ),
    headersFormat: oneOf(
      ['none', 'avro', 'json', 'parquet'],
      'none',
      '`store.kafka.headers` and `headers.format.class`: the same for headers.',
    ),
    grace: duration(
      0,
      365 * DAY_MS,
      'How long an object stays open for late data, by the time of messages, after its path got the last one. Without it: until the commit.',
    ).optional(),
    late: oneOf(
      ['own', 'current'],
      'own',
      'Where messages that come later than `grace` lie: under the path of their own time, all of a commit that have one path in one object, or under that of the newest message before them (`append.late.data`).',
    ),
    maxOpen: wholeNumber(
      1,
      1_000_000,
      5000,
      'Objects of a lane that are open at once; past it those that got nothing for longest close.',
    ),
    confluent,
    aiven,
    dataphos,
    firehose,
    hive,
    azurePersistor,
    template,
  },
  'How keys of segments are made.',
)
