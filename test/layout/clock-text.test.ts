import { describe, expect, it } from 'vitest'
import { layoutOf } from './layout-of.ts'

const NOW = Date.UTC(2026, 10, 29, 11, 59)

describe('what paths say of the wall clock', () => {
  it.each([
    {
      layout: { type: 'confluent', confluent: { partitionerClass: 'HourlyPartitioner' } },
      text: 'year=2026/month=11/day=29/hour=11',
    },
    {
      layout: {
        type: 'confluent',
        confluent: {
          partitionerClass: 'TimeBasedPartitioner',
          pathFormat: 'HH-mm',
          partitionDuration: '30m',
          timezone: '+01:00',
        },
      },
      text: '12-30',
    },
    { layout: { type: 'hive', hive: { by: 'day', timestampExtractor: 'Wallclock' } }, text: 'year=2026/month=11/day=29' },
    { layout: { type: 'dataphos', dataphos: { timestampSource: 'wallclock', mask: 'month/day' } }, text: '11\n29' },
    { layout: { type: 'azure-persistor', azurePersistor: { timestampSource: 'wallclock' } }, text: '2026/11/29' },
    {
      layout: { type: 'aiven', aiven: { fileNameTemplate: '{{topic}}-{{partition}}-{{start_offset}}-{{timestamp:unit=HH}}' } },
      text: '11',
    },
    { layout: { type: 'template', template: { key: '{wallclock:mm}/{record:yyyy}/{lane}-{position}' } }, text: '59' },
    {
      layout: { type: 'template', template: { key: '{time:mm}/{lane}-{position}', timestampExtractor: 'Wallclock' } },
      text: '59',
    },
  ])('is $text for $layout.type', async ({ layout, text }) => {
    const { clockText } = await layoutOf(layout)
    expect(clockText?.(NOW)).toBe(text)
    expect(clockText?.(NOW + 24 * 40 * 3_600_000 + 61_000)).not.toBe(text)
    expect(clockText?.(NOW)).toBe(text)
  })

  it.each([
    { layout: {} },
    { layout: { type: 'confluent' } },
    { layout: { type: 'confluent', confluent: { partitionerClass: 'HourlyPartitioner', timestampExtractor: 'Record' } } },
    { layout: { type: 'hive' } },
    { layout: { type: 'dataphos', dataphos: { customValues: {} } } },
    { layout: { type: 'azure-persistor' } },
    { layout: { type: 'aiven' } },
    { layout: { type: 'firehose' } },
    { layout: { type: 'template' } },
  ])('is nothing where no key is made of it: $layout', async ({ layout }) => {
    expect((await layoutOf(layout)).clockText).toBeUndefined()
  })

  it('does not go by names of objects, though they are made of it', async () => {
    const layout = { type: 'azure-persistor', azurePersistor: { timestampSource: 'wallclock', timedAppend: true } }
    const { clockText } = await layoutOf(layout)
    expect(clockText?.(NOW)).toBe(clockText?.(NOW - 60_000))
  })

  it('is remembered for no more moments than are worth it', async () => {
    const { clockText } = await layoutOf({
      type: 'template',
      template: { key: '{wallclock:yyyyMMddHHmmssSSS}/{lane}-{position}' },
    })
    const texts = new Set<string>()
    for (let ms = 0; ms < 3000; ms++) texts.add(clockText!(NOW + ms))
    expect(texts.size).toBe(3000)
  })
})
