import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/load.ts'

const check = (values: unknown) =>
  checkConfig(
    JSON.stringify(values),
    { file: undefined, folder: '/' },
    { env: {}, readFile: () => Promise.reject(new Error('none')) },
  )

const template = (key: string) => ({ layout: { type: 'template', template: { key } } })

describe('the section layout', () => {
  it('has a default for everything', async () => {
    const { config } = await check({})
    expect(config.layout).toMatchObject({
      type: 'millpond',
      strict: false,
      nullValues: 'write',
      graceMs: undefined,
      maxOpen: 5000,
    })
    expect(config.archive.rotate).toMatchObject({ exact: false, scheduleMs: undefined, timezone: 'UTC' })
  })

  it('counts units', async () => {
    const { config } = await check({
      layout: { grace: '1h', confluent: { partitionDuration: '1d' }, hive: { prefix: 'lake/' } },
      archive: { rotate: { schedule: '10m', timezone: 'Europe/Berlin', exact: true } },
    })
    expect(config.layout).toMatchObject({
      graceMs: 3_600_000,
      confluent: { partitionDurationMs: 86_400_000 },
      hive: { prefix: 'lake' },
    })
    expect(config.archive.rotate).toMatchObject({ scheduleMs: 600_000, timezone: 'Europe/Berlin', exact: true })
  })

  it.each([
    [{ layout: { type: 'confluence' } }, 'layout.type: must be one of millpond, confluent'],
    [
      { layout: { confluent: { topicDir: 'x' } } },
      'layout.confluent.topicDir: there is no such key; did you mean layout.confluent.topicsDir?',
    ],
    [{ layout: { confluent: { 'topics.dir': 'x' } } }, 'did you mean layout.confluent.topicsDir?'],
    [
      { layout: { type: 'confluent', confluent: { partitionerClass: 'FieldPartitioner' } } },
      'layout.confluent.partitionFieldName: FieldPartitioner needs a field',
    ],
    [
      { layout: { type: 'confluent', confluent: { partitionerClass: 'TimeBasedPartitioner' } } },
      'layout.confluent.pathFormat: TimeBasedPartitioner needs it',
    ],
    [
      { layout: { type: 'confluent', confluent: { partitionerClass: 'TimeBasedPartitioner', pathFormat: "year='YYYY'" } } },
      'layout.confluent.pathFormat: the date pattern "year=\'YYYY\'" has "r"',
    ],
    [
      { layout: { type: 'confluent', confluent: { partitionerClass: 'DailyPartitioner', timezone: 'Berlin' } } },
      'layout.confluent.timezone: there is no time zone "Berlin"',
    ],
    [{ layout: { type: 'confluent', confluent: { topicsDir: '_millpond' } } }, 'layout.type: its keys would lie in _millpond/'],
    [{ layout: { type: 'confluent', confluent: { topicsDir: '../x' } } }, 'there is the segment ".."'],
    [
      { layout: { type: 'aiven', aiven: { fileNameTemplate: '{{key}}' } } },
      'layout.aiven.fileNameTemplate: names objects by key alone',
    ],
    [{ layout: { type: 'aiven', aiven: { fileNameTemplate: '{{key}}-{{topic}}' } } }, 'names objects by key alone'],
    [{ layout: { type: 'aiven', aiven: { fileNameTemplate: 'x' } } }, 'needs {{topic}}, {{partition}} and {{start_offset}}'],
    [
      { layout: { type: 'aiven', aiven: { fileNameTemplate: '{{topic}}{{partition}}{{start_offset}}{{x}}' } } },
      '{{x}}: there is no variable x',
    ],
    [
      { layout: { type: 'aiven', aiven: { fileNameTemplate: '{{topic}}{{partition:padding=1}}{{start_offset}}' } } },
      'padding=true or padding=false',
    ],
    [
      { layout: { type: 'aiven', aiven: { fileNameTemplate: '{{topic}}{{partition}}{{start_offset}}{{timestamp}}' } } },
      'the parameter is unit=yyyy',
    ],
    [
      { layout: { type: 'aiven', aiven: { fileNameTemplate: '{{topic:a=b}}{{partition}}{{start_offset}}' } } },
      'topic has no parameter',
    ],
    [
      { layout: { type: 'dataphos', dataphos: { mask: 'year//day' } }, source: { topics: ['a'] } },
      'layout.dataphos.mask: year//day has an empty part',
    ],
    [{ layout: { type: 'dataphos', dataphos: { mask: 'year/minute' } }, source: { topics: ['a'] } }, 'minute is none of year'],
    [
      { layout: { type: 'dataphos', dataphos: { customValues: { a: 'b' } } }, source: { topics: ['a'] } },
      'a does not stand in the mask',
    ],
    [{ layout: { type: 'dataphos' } }, 'layout.type: keys of the layout dataphos do not tell topics apart'],
    [
      { layout: { type: 'firehose', firehose: { prefix: '!{timestamp:yyyy' } } },
      'layout.firehose.prefix: has "!{" where no expression is',
    ],
    [{ layout: { type: 'firehose', firehose: { prefix: '!{firehose:error-output-type}/' } } }, 'is no expression for a prefix'],
    [
      { layout: { type: 'firehose', firehose: { prefix: '!{partitionKeyFromQuery:k}/' } } },
      'name the field of the value that k is',
    ],
    [{ layout: { type: 'firehose', firehose: { partitionKeys: { k: 'k' } } } }, 'k does not stand in the prefix'],
    [{ layout: { type: 'firehose', firehose: { fileExtension: 'json' } } }, 'must be like .json.gz'],
    [{ layout: { type: 'hive', hive: { fields: ['day'] } } }, 'layout.hive.fields: day is the name of a folder already'],
    [{ layout: { type: 'hive', late: 'current' } }, 'layout.late: set layout.grace'],
    [template('{topic}'), 'layout.template.key: needs {lane} and {position}, or {uuid}'],
    [template('{topics}/{uuid}'), '{topics} stands for nothing; did you mean {topic}?'],
    [template('{field}/{uuid}'), '{field} needs a field behind a colon'],
    [template('{lane:x}/{uuid}'), 'the parameter is a number of digits'],
    [template('a}/{uuid}'), 'has a brace that belongs to nothing'],
    [template('/{uuid}'), 'must neither begin nor end in "/"'],
    [template('{lane}-{position}'), 'keys of the layout template do not tell topics apart'],
    [{ archive: { rotate: { timezone: 'Nowhere' } } }, 'archive.rotate.timezone: there is no time zone "Nowhere"'],
  ])('refuses %j: %s', async (values, reason) => {
    await expect(check(values)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(reason) as string,
    })
  })
})
