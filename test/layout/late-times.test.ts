import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { jsonFields, layoutOf } from './layout-of.ts'

const MINUTE_MS = 60_000
const hour = (time: string) => Date.parse(`2026-11-29T${time}:00Z`)
const NOW = hour('20:00')

const late = (key: string, settings: Record<string, unknown> = {}) => ({
  type: 'template',
  late: 'current',
  grace: '30m',
  template: { key: `${key}/{lane}-{position}`, ...settings },
})

/** The paths of messages that come in these batches, by what messages can tell of their time. */
async function pathsOf(
  layout: Record<string, unknown>,
  batches: readonly (readonly Partial<MessageInput>[])[],
  beginsAnew = false,
) {
  const lane = (await layoutOf(layout)).openLane({ topic: 'orders', lane: '0' })
  let position = 0
  return batches.map((messages) => {
    if (beginsAnew) lane.begin?.()
    const batch = batchOf(messages.map((message) => ({ position: position++, timestamp: 0, ...message })))
    const { paths, pathOf } = lane.assign(batch, { nowMs: NOW, field: jsonFields(batch) })
    return Array.from(pathOf, (index) => (index < 0 ? '-' : paths[index]!.id.split('/').slice(0, -1).join('/')))
  })
}

const at = (...times: string[]) => times.map((time) => ({ timestamp: hour(time) }))

describe('messages that come late', () => {
  it('count to the newest time before them, wherever batches end', async () => {
    const times = ['10:00', '09:35', '09:20', '11:05', '10:40', '10:30', '12:00']
    const expected = ['10', '09', '10', '11', '10', '11', '12']
    expect((await pathsOf(late('{record:HH}'), [at(...times)])).flat()).toEqual(expected)
    for (let cut = 1; cut < times.length; cut++) {
      const batches = [at(...times.slice(0, cut)), at(...times.slice(cut))]
      expect((await pathsOf(late('{record:HH}'), batches)).flat()).toEqual(expected)
    }
  })

  it('count to their own time where a commit begins with them', async () => {
    expect(await pathsOf(late('{record:HH}'), [at('12:00'), at('09:00', '12:10', '09:01')], true)).toEqual([
      ['12'],
      ['09', '12', '12'],
    ])
  })

  it('are no others because of one message from the future', async () => {
    const batch = [...at('10:00'), { timestamp: NOW + 365 * 24 * 60 * MINUTE_MS }, ...at('10:01', '09:00')]
    expect((await pathsOf(late('{record:yyyy-HH}'), [batch])).flat()).toEqual(['2026-10', '2027-20', '2026-10', '2026-10'])
  })

  it('are known by fields, numbers and texts, and what has no time is left as it is', async () => {
    const values = [hour('10:00'), '2026-11-29T09:00:00Z', 'never', undefined, '2026-11-29T11:00:00+01:00', hour('08:00')]
    const messages = values.map((t) => ({ value: JSON.stringify({ t }) }))
    const layout = late('{time:HH}', { timestampExtractor: 'RecordField', timestampField: 't' })
    expect((await pathsOf(layout, [messages])).flat()).toEqual(['10', '10', '-', '-', '10', '10'])
  })

  it('have one time in all parts of their path, though others before them have no path', async () => {
    const messages = [
      { timestamp: hour('10:00'), headers: [{ name: 'a', value: 'x' }] },
      { timestamp: hour('12:34') },
      { timestamp: hour('10:05'), headers: [{ name: 'a', value: 'x' }] },
    ]
    expect((await pathsOf(late('{record:HH}/{header:a}/{record:mm}'), [messages])).flat()).toEqual(['10/x/00', '-', '12/x/34'])
  })

  it('count to their own time where nothing else is asked for', async () => {
    const layout = { ...late('{record:HH}'), late: 'own' }
    expect((await pathsOf(layout, [at('10:00', '08:00', '10:01')])).flat()).toEqual(['10', '08', '10'])
  })
})
