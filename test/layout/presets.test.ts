import { describe, expect, it } from 'vitest'
import { keyOf, layoutOf, place, type PlaceOptions } from './layout-of.ts'
import type { MessageInput } from '../../src/batch/builder.ts'

// 2018-01-04T05:06:07.089Z
const JANUARY = Date.UTC(2018, 0, 4, 5, 6, 7, 89)

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/u

interface Case extends PlaceOptions {
  readonly layout: Record<string, unknown>
  readonly message?: Partial<MessageInput>
  /** The key, its UUID left out, or why there is none. */
  readonly key: string
}

const confluent = (settings: Record<string, unknown>) => ({ type: 'confluent', confluent: settings })
const aiven = (settings: Record<string, unknown>) => ({ type: 'aiven', aiven: settings })
const dataphos = (settings: Record<string, unknown>) => ({ type: 'dataphos', dataphos: settings })
const firehose = (settings: Record<string, unknown>) => ({ type: 'firehose', firehose: settings })
const hive = (settings: Record<string, unknown>) => ({ type: 'hive', hive: settings })
const template = (key: string, settings: Record<string, unknown> = {}) => ({ type: 'template', template: { key, ...settings } })
const value = (fields: unknown) => JSON.stringify(fields)

async function expectKey({ layout, message = {}, key, ...options }: Case): Promise<void> {
  const made = keyOf(await layoutOf(layout), { timestamp: JANUARY, ...message }, options)
  expect(made?.replace(UUID, '<uuid>')).toBe(key)
}

describe('confluent', () => {
  const daily = { partitionerClass: 'DailyPartitioner', timestampExtractor: 'Record' }
  const byField = { partitionerClass: 'DailyPartitioner', timestampExtractor: 'RecordField', timestampField: 'metric_date' }
  const timeBased = { partitionerClass: 'TimeBasedPartitioner', timestampExtractor: 'Record' }
  it.each<Case>([
    { layout: confluent({}), lane: '0', key: 'topics/orders/partition=0/orders+0+0000000000.avro' },
    { layout: confluent({}), message: { position: 12_345_678_901 }, key: 'topics/orders/partition=3/orders+3+12345678901.avro' },
    {
      layout: confluent(daily),
      message: { position: 250 },
      key: 'topics/orders/year=2018/month=01/day=04/orders+3+0000000250.avro',
    },
    {
      layout: confluent({ ...daily, partitionerClass: 'HourlyPartitioner' }),
      key: 'topics/orders/year=2018/month=01/day=04/hour=05/orders+3+0000000000.avro',
    },
    {
      layout: confluent({ ...daily, timezone: 'America/Los_Angeles' }),
      key: 'topics/orders/year=2018/month=01/day=03/orders+3+0000000000.avro',
    },
    {
      layout: confluent({ partitionerClass: 'HourlyPartitioner' }),
      nowMs: Date.UTC(2026, 10, 29, 23),
      key: 'topics/orders/year=2026/month=11/day=29/hour=23/orders+3+0000000000.avro',
    },
    {
      layout: confluent({ partitionerClass: 'FieldPartitioner', partitionFieldName: ['country', 'kind'] }),
      message: { position: 42, value: value({ country: 'DE', kind: 'a' }) },
      lane: '1',
      extension: 'json.gz',
      key: 'topics/orders/country=DE/kind=a/orders+1+0000000042.json.gz',
    },
    {
      layout: confluent({ partitionerClass: 'FieldPartitioner', partitionFieldName: ['n', 'ok', 'a.b', 'gone'] }),
      message: { value: value({ n: 7, ok: true, a: { b: 'x' }, gone: null }) },
      key: 'topics/orders/n=7/ok=true/a.b=x/gone=null/orders+3+0000000000.avro',
    },
    {
      layout: confluent({ partitionerClass: 'FieldPartitioner', partitionFieldName: ['country'] }),
      message: { value: value({}) },
      key: 'its value has no field country that holds text, a number or a truth',
    },
    {
      layout: confluent({ partitionerClass: 'FieldPartitioner', partitionFieldName: ['n'] }),
      message: { value: value({ n: 1.5 }) },
      key: 'the field n holds a number that is not whole',
    },
    {
      layout: confluent({
        ...timeBased,
        pathFormat: "'year'=YYYY/'month'=M/'day'=d/'hour'=H/",
        partitionDuration: '2h',
        timezone: 'America/Los_Angeles',
      }),
      message: { timestamp: Date.UTC(2015, 3, 2, 8) },
      key: 'topics/orders/year=2015/month=4/day=2/hour=0/orders+3+0000000000.avro',
    },
    {
      layout: confluent({ ...timeBased, pathFormat: "'d'=YYYY-MM-dd", partitionDuration: '1d', timezone: 'UTC' }),
      message: { timestamp: -1 },
      key: 'topics/orders/d=1970-01-01/orders+3+0000000000.avro',
    },
    {
      layout: confluent({ ...timeBased, pathFormat: 'YYYY/MMM/EEE', locale: 'de', partitionDuration: '1h' }),
      key: 'topics/orders/2018/Jan./Do./orders+3+0000000000.avro',
    },
    {
      layout: confluent(byField),
      message: { value: value({ metric_date: '2018-01-04' }) },
      key: 'topics/orders/year=2018/month=01/day=04/orders+3+0000000000.avro',
    },
    {
      layout: confluent(byField),
      message: { value: value({ metric_date: JANUARY }) },
      key: 'topics/orders/year=2018/month=01/day=04/orders+3+0000000000.avro',
    },
    {
      layout: confluent({ ...byField, timestampField: 'at.time', timestampFieldTimezone: 'Europe/Berlin' }),
      message: { value: value({ at: { time: '2018-01-04T00:30' } }) },
      key: 'topics/orders/year=2018/month=01/day=03/orders+3+0000000000.avro',
    },
    {
      layout: confluent(byField),
      message: { value: value({ metric_date: 'soon' }) },
      key: 'the field metric_date holds text that is neither milliseconds nor a time of ISO 8601',
    },
    {
      layout: confluent(byField),
      message: { value: value({ metric_date: true }) },
      key: 'the field metric_date holds a boolean that is no time',
    },
    { layout: confluent(byField), message: { value: value({}) }, key: 'its value has no field metric_date that holds a time' },
    {
      layout: confluent(byField),
      message: { value: value({ metric_date: 9e15 }) },
      key: '9000000000000000 ms since 1970 is no time that a calendar has',
    },
    {
      layout: confluent(byField),
      message: { position: 7, value: null },
      sibling: 'keys',
      key: 'topics/orders/tombstone/orders+3+0000000007.keys.avro',
    },
    {
      layout: confluent({ tombstoneEncodedPartition: 'gone' }),
      message: { value: null },
      key: 'topics/orders/gone/orders+3+0000000000.avro',
    },
    { layout: confluent({}), sibling: 'keys', key: 'topics/orders/partition=3/orders+3+0000000000.keys.avro' },
    {
      layout: confluent({}),
      sibling: 'headers',
      extension: 'json',
      key: 'topics/orders/partition=3/orders+3+0000000000.headers.json',
    },
    { layout: confluent({}), topic: 'a.avro', sibling: 'keys', key: 'topics/a.avro/partition=3/a.avro+3+0000000000.keys.avro' },
    { layout: confluent({}), topic: 'my-tombstone', key: 'topics/my-tombstone/partition=3/my-tombstone+3+0000000000.avro' },
    {
      layout: confluent({ schemaPartitionAffixType: 'PREFIX' }),
      schema: 'Foo',
      lane: '0',
      key: 'topics/orders/schema_name=Foo/partition=0/orders+0+0000000000.avro',
    },
    {
      layout: confluent({ ...daily, schemaPartitionAffixType: 'SUFFIX' }),
      schema: 'com.acme.Foo',
      key: 'topics/orders/year=2018/month=01/day=04/schema_name=com.acme.Foo/orders+3+0000000000.avro',
    },
    {
      layout: confluent({ schemaPartitionAffixType: 'PREFIX' }),
      key: 'topics/orders/schema_name=null/partition=3/orders+3+0000000000.avro',
    },
    {
      layout: confluent(byField),
      message: { value: value({ metric_date: '1515024000000' }) },
      key: 'topics/orders/year=2018/month=01/day=04/orders+3+0000000000.avro',
    },
    {
      layout: confluent(byField),
      message: { value: value({ metric_date: '2018' }) },
      key: 'topics/orders/year=1970/month=01/day=01/orders+3+0000000000.avro',
    },
    {
      layout: confluent(byField),
      message: { value: value({ metric_date: '-9223372036854775808' }) },
      key: '-9223372036854776000 ms since 1970 is no time that a calendar has',
    },
    { layout: confluent({ topicsDir: ' ' }), key: 'orders/partition=3/orders+3+0000000000.avro' },
    { layout: confluent({ topicsDir: '' }), key: 'orders/partition=3/orders+3+0000000000.avro' },
    { layout: confluent({ topicsDir: 'a/b' }), key: 'a/b/orders/partition=3/orders+3+0000000000.avro' },
    {
      layout: confluent({ fileDelim: '-', filenameOffsetZeroPadWidth: 0 }),
      message: { position: 5 },
      key: 'topics/orders/partition=3/orders-3-5.avro',
    },
    {
      layout: confluent({ ...daily, directoryDelim: '_' }),
      key: 'topics_orders_year=2018_month=01_day=04_orders+3+0000000000.avro',
    },
    { layout: confluent({}), extension: 'json', key: 'topics/orders/partition=3/orders+3+0000000000.json' },
    { layout: confluent({}), extension: 'snappy.parquet', key: 'topics/orders/partition=3/orders+3+0000000000.snappy.parquet' },
    { layout: confluent({}), extension: 'parquet.gz', key: 'topics/orders/partition=3/orders+3+0000000000.gz.parquet' },
    { layout: confluent({}), extension: 'parquet', key: 'topics/orders/partition=3/orders+3+0000000000.parquet' },
    { layout: confluent({}), extension: 'raw', key: 'topics/orders/partition=3/orders+3+0000000000.bin' },
    {
      layout: confluent({ formatBytearrayExtension: '.data' }),
      extension: 'raw.gz',
      key: 'topics/orders/partition=3/orders+3+0000000000.data.gz',
    },
  ])('gives $key', expectKey)

  it('cuts hours that a change of daylight saving time moves as Joda-Time does', async () => {
    const layout = await layoutOf(
      confluent({ ...timeBased, partitionDuration: '1d', timezone: 'America/Sao_Paulo', pathFormat: "YYYY-MM-dd'T'HH" }),
    )
    // Midnight of the 4th of November 2018 did not exist there: the day began at one.
    expect(keyOf(layout, { timestamp: Date.UTC(2018, 10, 4, 15) })).toBe('topics/orders/2018-11-04T01/orders+3+0000000000.avro')
  })

  it('tells the index what folders say', async () => {
    const layout = await layoutOf(confluent(daily))
    const { paths } = place(layout, [{ position: 1, timestamp: JANUARY, value: '{}' }])
    expect(paths[0]).toEqual({
      id: expect.stringContaining('topics/orders/year=2018/month=01/day=04/'),
      values: { topic: 'orders', partition: '3', year: '2018', month: '01', day: '04' },
    })
  })
})

describe('aiven', () => {
  it.each<Case>([
    { layout: aiven({}), lane: '0', extension: 'json.gz', key: 'orders-0-0.gz' },
    { layout: aiven({}), extension: 'json', key: 'orders-3-0' },
    { layout: aiven({}), extension: 'csv.snappy', key: 'orders-3-0.snappy' },
    { layout: aiven({}), extension: 'avro', key: 'orders-3-0.avro' },
    { layout: aiven({ fileCompressionType: 'gzip' }), extension: 'avro', key: 'orders-3-0.avro.gz' },
    { layout: aiven({ fileCompressionType: 'zstd' }), extension: 'parquet', key: 'orders-3-0.zst' },
    { layout: aiven({ fileNamePrefix: 'raw/' }), extension: 'json', key: 'raw/orders-3-0' },
    {
      layout: aiven({ fileNameTemplate: '{{ topic }}/{{partition:padding=true}}/{{start_offset:padding=true}}.json' }),
      message: { position: 42 },
      extension: 'json.gz',
      key: 'orders/0000000003/00000000000000000042.json',
    },
    {
      layout: aiven({
        fileNameTemplate:
          '{{timestamp:unit=yyyy}}/{{timestamp:unit=MM}}/{{timestamp:unit=dd}}/{{timestamp:unit=HH}}/{{topic}}-{{partition}}-{{start_offset:padding=false}}.gz',
        fileNameTimestampSource: 'event',
        fileNameTimestampTimezone: 'Europe/Berlin',
      }),
      extension: 'json.gz',
      key: '2018/01/04/06/orders-3-0.gz',
    },
    {
      layout: aiven({ fileNameTemplate: '{{topic}}-{{partition}}-{{key}}-{{start_offset}}' }),
      message: { key: 'customer/42' },
      key: 'orders-3-customer%2F42-0',
    },
    { layout: aiven({ fileNameTemplate: '{{topic}}-{{partition}}-{{key}}-{{start_offset}}' }), key: 'orders-3-null-0' },
    {
      layout: { ...aiven({ fileNameTemplate: 'k/{{key}}/{{topic}}-{{partition}}-{{start_offset}}' }), strict: true },
      message: { key: 'eu/../../42' },
      key: 'k/eu/%2E%2E/%2E%2E/42/orders-3-0',
    },
    {
      layout: aiven({ awsS3Prefix: '{{utc_date}}/{{local_date}}/', fileNameTimestampTimezone: 'Asia/Tokyo' }),
      nowMs: Date.UTC(2026, 10, 29, 23),
      extension: 'json',
      key: '2026-11-29/2026-11-30/orders-3-00000000000000000000',
    },
    {
      layout: aiven({
        awsS3Prefix: '{{topic}}/{{partition:padding=true}}/{{start_offset}}/{{timestamp:unit=dd}}/',
        fileNameTemplate: 'not/used',
        fileNameTimestampSource: 'event',
        fileCompressionType: 'gzip',
      }),
      message: { position: 42 },
      extension: 'avro',
      key: 'orders/0000000003/42/04/orders-3-00000000000000000042.avro.gz',
    },
  ])('gives $key', expectKey)
})

describe('dataphos', () => {
  it.each<Case>([
    { layout: dataphos({}), message: { position: 1500 }, lane: '0', key: '2018/01/04/05/msg-0_1500.avro' },
    {
      layout: dataphos({ mask: 'project/year/month/day/hour', customValues: { project: 'dataphos' } }),
      message: { timestamp: Date.UTC(2024, 9, 11, 7), position: 1500 },
      lane: '0',
      key: 'dataphos/2024/10/11/07/msg-0_1500.avro',
    },
    { layout: dataphos({ mask: 'year/project/day', customValues: { project: 'p' } }), key: 'p/2018/04/msg-3_0.avro' },
    {
      layout: dataphos({ mask: 'Year/{kind}' }),
      message: { headers: [{ name: 'kind', value: 'a/b' }] },
      key: '2018/a%2Fb/msg-3_0.avro',
    },
    { layout: dataphos({ mask: '{kind}' }), key: 'unknown/msg-3_0.avro' },
    { layout: dataphos({ mask: '{kind}' }), message: { headers: [{ name: 'kind', value: '..' }] }, key: '%2E%2E/msg-3_0.avro' },
    { layout: dataphos({ mask: '{kind}' }), message: { headers: [{ name: 'kind', value: '' }] }, key: '~/msg-3_0.avro' },
    {
      layout: dataphos({ mask: '{k}' }),
      message: { headers: ['a', 'b'].map((one) => ({ name: 'k', value: one })) },
      key: 'b/msg-3_0.avro',
    },
    {
      layout: dataphos({ prefix: 'm', msgExtension: 'data', mask: 'year' }),
      message: { id: 'abc/1' },
      key: '2018/m-abc%2F1.data',
    },
    { layout: dataphos({ mask: 't/year', customValues: { t: '{topic}' } }), key: 'orders/2018/msg-3_0.avro' },
    { layout: dataphos({ timestampSource: 'wallclock', mask: 'year' }), nowMs: Date.UTC(2026, 1), key: '2026/msg-3_0.avro' },
  ])('gives $key', expectKey)
})

describe('firehose', () => {
  const at = Date.UTC(2018, 7, 27, 10, 30)
  it.each([
    { settings: {}, key: '2018/08/27/10/millpond-1-2018-08-27-10-30-00-<uuid>.json' },
    {
      settings: { prefix: 'myFirehosePrefix/' },
      key: 'myFirehosePrefix/2018/08/27/10/millpond-1-2018-08-27-10-30-00-<uuid>.json',
    },
    {
      settings: { prefix: 'myFirehosePrefix/!{timestamp:yyyy/MM/dd/}', fileExtension: '' },
      key: 'myFirehosePrefix/2018/08/27/millpond-1-2018-08-27-10-30-00-<uuid>',
    },
    {
      settings: {
        prefix: 'customer_id=!{partitionKeyFromQuery:customer_id}/hour=!{timestamp:HH}/',
        partitionKeys: { customer_id: 'customer.id' },
        deliveryStreamName: 'my-delivery-stream',
        customTimeZone: 'America/New_York',
      },
      key: 'customer_id=1234567890/hour=06/my-delivery-stream-1-2018-08-27-10-30-00-<uuid>.json',
    },
    {
      settings: { prefix: "!{timestamp:'year='yyyy'/month='MM}-", deliveryStreamVersion: 4 },
      key: 'year=2018/month=08-millpond-4-2018-08-27-10-30-00-<uuid>.json',
    },
  ])('gives $key', async ({ settings, key }) => {
    const message = { timestamp: at, value: value({ customer: { id: 1_234_567_890 } }) }
    const made = keyOf(await layoutOf(firehose(settings)), message, { extension: 'json' })
    expect(made?.replace(UUID, '<uuid>')).toBe(key)
  })

  it('has no path for an empty partition key', async () => {
    const layout = await layoutOf(firehose({ prefix: '!{partitionKeyFromQuery:k}/', partitionKeys: { k: 'k' } }))
    expect(keyOf(layout, { value: value({ k: '' }) })).toBe('the field k is empty')
    expect(keyOf(layout, { value: value({ k: null }) })).toBe('the field k is null')
  })

  it('gives the same messages the same name, whoever writes them, and others another', async () => {
    const layout = await layoutOf(firehose({ prefix: '!{firehose:random-string}/!{firehose:random-string}/' }))
    const [one, again, other] = [0, 0, 7].map((position, at) => keyOf(layout, { position }, { writer: `w${at}` }))
    expect(one).toMatch(/^[A-Za-z0-9]{11}\/[A-Za-z0-9]{11}\/1970\/01\/01\/00\/millpond-1-/u)
    expect(one!.slice(0, 11)).not.toBe(one!.slice(12, 23))
    expect(again).toBe(one)
    expect(other).not.toBe(one)
  })
})

describe('hive', () => {
  const file = '0000000000000000-3.parquet'
  it.each<Case>([
    { layout: hive({}), extension: 'parquet', key: `orders/year=2018/month=01/day=04/${file}` },
    {
      layout: hive({ by: 'hour', prefix: 'lake/raw/' }),
      extension: 'parquet',
      key: `lake/raw/orders/year=2018/month=01/day=04/hour=05/${file}`,
    },
    {
      layout: hive({ by: 'month', fields: ['country', 'user.kind'] }),
      message: { value: value({ country: 'a b/ü=%', user: { kind: 1 } }) },
      extension: 'parquet',
      key: `orders/year=2018/month=01/country=a b%2Fü%3D%25/user.kind=1/${file}`,
    },
    {
      layout: hive({ by: 'none', fields: ['country', 'kind', 'x'] }),
      message: { value: value({ country: null, kind: '' }) },
      extension: 'parquet',
      key: `orders/country=__HIVE_DEFAULT_PARTITION__/kind=__HIVE_DEFAULT_PARTITION__/x=__HIVE_DEFAULT_PARTITION__/${file}`,
    },
    {
      layout: hive({ by: 'year', timestampExtractor: 'RecordField', timestampField: 'at' }),
      message: { value: value({ at: '2020-02-30' }) },
      key: 'the field at holds text that is neither milliseconds nor a time of ISO 8601',
    },
    {
      layout: hive({}),
      extension: 'parquet',
      sibling: 'keys',
      key: 'orders/year=2018/month=01/day=04/0000000000000000-3.keys.parquet',
    },
  ])('gives $key', expectKey)
})

describe('azure-persistor', () => {
  it.each<Case>([{ layout: { type: 'azure-persistor' }, key: 'orders/2018/1/4/<uuid>.txt' }])('gives $key', expectKey)

  it('names timed blobs by hour and minute', async () => {
    const layout = await layoutOf({ type: 'azure-persistor', azurePersistor: { storeParam: 'HUB', timedAppend: true } })
    expect(layout.isUnique).toBe(false)
    expect(keyOf(layout, { timestamp: JANUARY, position: 9 })).toBe('HUB/2018/1/4/5-6-3-9.txt')
  })
})

describe('template', () => {
  it.each<Case>([
    { layout: { type: 'template' }, key: 'orders/2018/01/04/3-0000000000000000.avro' },
    {
      layout: template("a/{topic}/{time:'y='yyyy'/m='MM}/{field:c}-{header:h}-{key}/{lane:4}+{position:10}.{extension}"),
      message: { position: 77, key: 'k=1', headers: [{ name: 'h', value: 'x' }], value: value({ c: 'DE' }) },
      extension: 'json.gz',
      key: 'a/orders/y=2018/m=01/DE-x-k%3D1/0003+0000000077.json.gz',
    },
    { layout: template('{{x}}/{field:c|none}/{header:h|-}/{key|}/{uuid}'), key: '{x}/none/-/~/<uuid>' },
    { layout: template('{lane}/{position}/{key}'), key: 'it has no key' },
    { layout: template('{lane}/{position}/{schema}'), schema: 'a.B', key: '3/0/a.B' },
    { layout: template('{start:yyyy-MM-dd}/{lane}/{position}/{id}'), message: { id: 'i' }, key: '2018-01-04/3/0/i' },
    {
      layout: template('{wallclock:yyyy}/{record:yyyy}/{time:yyyy}/{lane}-{position}', {
        timestampExtractor: 'RecordField',
        timestampField: 't',
        timezone: 'Asia/Tokyo',
      }),
      message: { value: value({ t: '2016-12-31T20:00:00Z' }) },
      nowMs: Date.UTC(2026, 1),
      key: '2026/2018/2017/3-0',
    },
    { layout: template('{lane}-{position}'), sibling: 'headers', key: '3-0.headers.avro' },
  ])('gives $key', expectKey)

  it('is unique with a writer, and whole without a piece of the message', async () => {
    expect(await layoutOf(template('{lane}/{position}-{writer}'))).toMatchObject({ isUnique: true, isWhole: true, fields: [] })
    expect(await layoutOf(template('{uuid}'))).toMatchObject({ isUnique: false })
    expect(await layoutOf(template('{lane}/{position}/{field:a}/{field:b}/{field:a}'))).toMatchObject({
      isUnique: false,
      isWhole: false,
      fields: ['a', 'b'],
    })
  })
})

describe('millpond', () => {
  it('gives the names that it always gave', async () => {
    const layout = await layoutOf({})
    expect(layout).toMatchObject({ name: 'millpond', isUnique: true, isWhole: true, fields: [], usesSchemas: false })
    expect(keyOf(layout, { position: 42 })).toBe('orders/3/0000000000000042-w1.avro')
    const lane = layout.openLane({ topic: 'orders', lane: '3', folder: 'orders@0123456789abcdef/3' })
    const start = { position: 1, timestampMs: 0, key: undefined, id: undefined, nowMs: 0, writer: 'a b' }
    expect(lane.objectKey({ id: 'orders@0123456789abcdef/3/\u0000', values: {} }, start, 'kafka')).toBe(
      'orders@0123456789abcdef/3/0000000000000001-a%20b.kafka',
    )
  })
})
