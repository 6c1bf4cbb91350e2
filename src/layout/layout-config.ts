import type { NullValues } from './lane-layout.ts'

/** Which time a layout goes by, under the names of Confluent's timestamp extractors. */
export type TimestampExtractor = 'Wallclock' | 'Record' | 'RecordField'

/** Names as Confluent's sinks for S3, Google Cloud Storage and Azure write them. */
export interface ConfluentLayoutConfig {
  readonly topicsDir: string
  readonly directoryDelim: string
  readonly fileDelim: string
  readonly filenameOffsetZeroPadWidth: number
  readonly partitionerClass:
    | 'DefaultPartitioner'
    | 'FieldPartitioner'
    | 'TimeBasedPartitioner'
    | 'DailyPartitioner'
    | 'HourlyPartitioner'
  readonly partitionFieldName: readonly string[]
  readonly partitionDurationMs: number
  readonly pathFormat: string
  readonly locale: string
  readonly timezone: string
  readonly timestampExtractor: TimestampExtractor
  readonly timestampField: string
  /** Of text in `timestampField` without an offset. */
  readonly timestampFieldTimezone: string
  readonly tombstoneEncodedPartition: string
  readonly schemaPartitionAffixType: 'NONE' | 'PREFIX' | 'SUFFIX'
  readonly formatBytearrayExtension: string
}

/** Names as Aiven's sinks for S3, Google Cloud Storage and Azure write them. */
export interface AivenLayoutConfig {
  /** Undefined is their default with the suffixes of format and compression. */
  readonly fileNameTemplate?: string | undefined
  readonly fileNamePrefix: string
  /** With it the names are those that the sink for S3 has with its older setting, whatever the template. */
  readonly awsS3Prefix?: string | undefined
  readonly fileNameTimestampTimezone: string
  readonly fileNameTimestampSource: 'wallclock' | 'event'
  /** What compresses the file, where its extension does not tell it. */
  readonly fileCompressionType?: 'none' | 'gzip' | 'snappy' | 'zstd' | undefined
}

/** Names as Dataphos Persistor writes them. */
export interface DataphosLayoutConfig {
  readonly mask: string
  readonly customValues: Readonly<Record<string, string>>
  readonly prefix: string
  /** Undefined is the format's own. */
  readonly msgExtension?: string | undefined
  readonly timestampSource: 'record' | 'wallclock'
}

/** Names as Amazon Data Firehose writes them. */
export interface FirehoseLayoutConfig {
  readonly prefix: string
  readonly deliveryStreamName: string
  readonly deliveryStreamVersion: number
  readonly customTimeZone: string
  /** Undefined is the format's own; empty is none, as Firehose does without one. */
  readonly fileExtension?: string | undefined
  /** The field of the value that each `partitionKeyFromQuery` is. */
  readonly partitionKeys: Readonly<Record<string, string>>
}

/** Folders that engines read as columns. */
export interface HiveLayoutConfig {
  readonly prefix: string
  readonly by: 'year' | 'month' | 'day' | 'hour' | 'none'
  readonly fields: readonly string[]
  readonly timezone: string
  readonly timestampExtractor: TimestampExtractor
  readonly timestampField: string
  readonly nullPartition: string
}

/** Names as the Azure Persistor writes them. */
export interface AzurePersistorLayoutConfig {
  /** Undefined is the topic. */
  readonly storeParam?: string | undefined
  readonly timedAppend: boolean
  readonly timezone: string
  readonly timestampSource: 'record' | 'wallclock'
}

/** A key as a template says. */
export interface TemplateLayoutConfig {
  readonly key: string
  readonly locale: string
  readonly timezone: string
  readonly timestampExtractor: TimestampExtractor
  readonly timestampField: string
}

/** How keys of segments are made, checked. Only the section of `type` counts. */
export interface LayoutConfig {
  readonly type: 'millpond' | 'confluent' | 'aiven' | 'dataphos' | 'firehose' | 'hive' | 'azure-persistor' | 'template'
  /** Texts of messages are written as the other tool does, as far as keys can have them. */
  readonly strict: boolean
  readonly nullValues: NullValues
  /** The format of siblings that hold keys and headers. */
  readonly keysFormat: 'none' | 'avro' | 'json' | 'parquet' | 'raw'
  readonly headersFormat: 'none' | 'avro' | 'json' | 'parquet'
  /** Undefined: objects stay open until their commit. */
  readonly graceMs: number | undefined
  /** Whether messages behind the grace lie under the path of their own time, or under that of the newest before them. */
  readonly late: 'own' | 'current'
  readonly maxOpen: number
  readonly confluent: ConfluentLayoutConfig
  readonly aiven: AivenLayoutConfig
  readonly dataphos: DataphosLayoutConfig
  readonly firehose: FirehoseLayoutConfig
  readonly hive: HiveLayoutConfig
  readonly azurePersistor: AzurePersistorLayoutConfig
  readonly template: TemplateLayoutConfig
}
