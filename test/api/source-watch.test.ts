import { describe, expect, it } from 'vitest'
import { createReadiness } from '../../src/api/readiness.ts'
import { type SourceNews, watchSource } from '../../src/api/source-watch.ts'
import { MillpondError } from '../../src/errors.ts'

const lane = (number: number) => ({ topic: 'orders', topicId: 'id', lane: String(number) })
const away = new MillpondError('BROKER_UNAVAILABLE', 'nobody listens')
const moved = new MillpondError('BROKER_UNAVAILABLE', 'another leads', { details: { reason: 'NOT_LEADER_OR_FOLLOWER' } })

function watching() {
  const news: SourceNews[] = []
  const readiness = createReadiness()
  const clock = { nowMs: 1000 }
  const watch = watchSource({ onNews: (one) => news.push(one), readiness, monotonicMs: () => clock.nowMs })
  readiness.tell('source', { state: 'green', why: 'Kafka' })
  return { watch, clock, news, texts: () => news.map(({ text }) => text), source: () => readiness.report().parts['source'] }
}

describe('the trouble of a source', () => {
  it('is told once for all lanes, and once when the last of them is read again', () => {
    const { watch, clock, news, source } = watching()
    for (let i = 0; i < 100; i++) watch.retrying(lane(i), away)
    expect(source()).toEqual({
      state: 'amber',
      why: 'orders/0 tries again: BROKER_UNAVAILABLE: nobody listens (and 99 more)',
    })
    clock.nowMs += 9000
    for (let i = 0; i < 99; i++) watch.settled(lane(i))
    expect(source()).toEqual({ state: 'amber', why: 'orders/99 tries again: BROKER_UNAVAILABLE: nobody listens' })
    watch.settled(lane(99))
    watch.settled(lane(99))
    expect(source()).toEqual({ state: 'green', why: 'Kafka' })
    expect(news).toEqual([
      {
        level: 'warn',
        text: 'reading is tried again: nobody listens',
        fields: { lane: 'orders/0', lanes: 1, code: 'BROKER_UNAVAILABLE', reason: 'BROKER_UNAVAILABLE', seconds: 0 },
      },
      { level: 'info', text: 'reading goes on; its trouble is over after 9 s', fields: { seconds: 9 } },
    ])
  })

  it('is told again at growing intervals', () => {
    const { watch, clock, news } = watching()
    for (let second = 0; second <= 3600; second++) {
      watch.retrying(lane(1), away)
      watch.retrying(lane(2), away)
      clock.nowMs += 1000
    }
    expect(news.map(({ fields }) => fields['seconds'])).toEqual([0, 15, 45, 105, 225, 465, 945, 1545, 2145, 2745, 3345])
  })

  it('is told at once where the reason is another one', () => {
    const { watch, texts } = watching()
    for (const error of [away, moved, away, moved]) watch.retrying(lane(1), error)
    expect(texts()).toEqual(['reading is tried again: nobody listens', 'reading is tried again: another leads'])
  })

  it('is told of the group apart from the lanes', () => {
    const { watch, texts, source } = watching()
    watch.retrying(lane(1), away)
    watch.retrying('group', away)
    watch.settled(lane(1))
    expect(source()!.why).toBe('group tries again: BROKER_UNAVAILABLE: nobody listens')
    watch.settled('group')
    expect(texts()).toEqual([
      'reading is tried again: nobody listens',
      'the group is tried again: nobody listens',
      'reading goes on; its trouble is over after 0 s',
      'the group goes on; its trouble is over after 0 s',
    ])
  })

  it('is told anew when it comes back', () => {
    const { watch, texts } = watching()
    for (let i = 0; i < 2; i++) {
      watch.retrying('group', away)
      watch.settled('group')
    }
    expect(texts()).toHaveLength(4)
  })
})
