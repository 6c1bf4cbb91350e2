import { array, assert, integer, property, record, subarray } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignCooperatively, type MemberSubscription, type TopicPartitions } from '../../../src/adapters/kafka/group-assignor.ts'
import { topicMatcher } from '../../../src/adapters/kafka/group-topics.ts'

const names = (assigned: readonly TopicPartitions[]): string[] =>
  assigned.flatMap(({ topic, partitions }) => partitions.map((partition) => `${topic}/${partition}`))

/** Rounds of a group: each member gives up what it is not assigned, then all join again, until nothing moves. */
function settle(members: readonly MemberSubscription[], counts: ReadonlyMap<string, number>) {
  let current = members
  for (let round = 1; ; round++) {
    const assignment = assignCooperatively(current, counts)
    const before = new Map(current.map(({ memberId, owned }) => [memberId, new Set(names(owned))]))
    const owners = new Map<string, string>()
    for (const [memberId, assigned] of assignment) {
      for (const name of names(assigned)) {
        // Two members never have one lane, and none is given away before its owner gave it up.
        expect(owners.has(name)).toBe(false)
        owners.set(name, memberId)
        const holders = [...before].filter(([other, held]) => other !== memberId && held.has(name))
        expect(holders).toEqual([])
      }
    }
    const next = current.map((member) => ({ ...member, owned: assignment.get(member.memberId)!, generation: round }))
    const isSettled = next.every(({ memberId, owned }) => {
      const held = before.get(memberId)!
      return names(owned).length === held.size && names(owned).every((name) => held.has(name))
    })
    if (isSettled) return { members: next, rounds: round }
    expect(round).toBeLessThan(10)
    current = next
  }
}

const fresh = (memberId: string, topics: readonly string[]): MemberSubscription => ({
  memberId,
  topics,
  owned: [],
  generation: -1,
})

describe('the assignor', () => {
  it('shares out all partitions evenly, those of one topic over the members', () => {
    const counts = new Map([
      ['a', 4],
      ['b', 4],
    ])
    const { members } = settle(
      ['one', 'two'].map((id) => fresh(id, ['a', 'b'])),
      counts,
    )
    for (const { owned } of members) {
      expect(owned.map(({ partitions }) => partitions.length)).toEqual([2, 2])
    }
  })

  it('leaves lanes where they are as far as that is even', () => {
    const counts = new Map([['a', 6]])
    const alone = settle([fresh('one', ['a'])], counts).members
    const { members, rounds } = settle([...alone, fresh('two', ['a'])], counts)
    // One to give up, one to take, one that changes nothing.
    expect(rounds).toBe(3)
    expect(members.map(({ owned }) => names(owned).length)).toEqual([3, 3])
    const stayed = names(members[0]!.owned)
    expect(names(alone[0]!.owned)).toEqual(expect.arrayContaining(stayed))
  })

  it('gives what two members claim to the one of the later generation, and to nobody where that is not clear', () => {
    const counts = new Map([['a', 1]])
    const claim = (memberId: string, generation: number) => ({
      ...fresh(memberId, ['a']),
      owned: [{ topic: 'a', partitions: [0] }],
      generation,
    })
    const later = assignCooperatively([claim('one', 3), claim('two', 4)], counts)
    expect([...later].map(([id, assigned]) => [id, names(assigned)])).toEqual([
      ['one', []],
      ['two', ['a/0']],
    ])
    const unclear = assignCooperatively([claim('one', 4), claim('two', 4)], counts)
    expect([...unclear.values()].flatMap((assigned) => names(assigned))).toEqual(['a/0'])
  })

  it('settles any group: every lane has one owner who asked for its topic, and loads differ by one at most', () => {
    const topics = ['a', 'b', 'c']
    const group = record({
      counts: array(integer({ min: 0, max: 7 }), { minLength: 3, maxLength: 3 }),
      members: array(subarray(topics, { minLength: 1 }), { minLength: 1, maxLength: 5 }),
      isSame: integer({ min: 0, max: 1 }),
    })
    assert(
      property(group, ({ counts, members, isSame }) => {
        const partitionCounts = new Map(topics.map((topic, i) => [topic, counts[i]!]))
        const subscriptions = members.map((wanted, i) => fresh(`member-${i}`, isSame === 1 ? topics : wanted))
        // Members come one by one, then the first goes.
        let current: readonly MemberSubscription[] = []
        for (const member of subscriptions) current = settle([...current, member], partitionCounts).members
        if (current.length > 1) current = settle(current.slice(1), partitionCounts).members
        const asked = new Set(current.flatMap((member) => member.topics))
        const wanted = topics.flatMap((topic, i) =>
          asked.has(topic) ? Array.from({ length: counts[i]! }, (_, partition) => `${topic}/${partition}`) : [],
        )
        expect(current.flatMap(({ owned }) => names(owned)).sort()).toEqual(wanted.sort())
        for (const { owned, topics: own } of current) expect(owned.every(({ topic }) => own.includes(topic))).toBe(true)
        if (isSame === 0) return
        const loads = current.map(({ owned }) => names(owned).length)
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
      }),
      { numRuns: 200 },
    )
  })
})

describe('topicMatcher', () => {
  it.each([
    { patterns: ['orders'], takes: ['orders'], leaves: ['orders-eu', 'order'] },
    { patterns: ['orders*', 'exact.one'], takes: ['orders', 'orders-eu', 'exact.one'], leaves: ['my-orders', 'exact-one'] },
    { patterns: ['*'], takes: ['anything', 'a.b'], leaves: ['__consumer_offsets', '__transaction_state'] },
    { patterns: ['*', '__audit'], takes: ['__audit'], leaves: ['__consumer_offsets'] },
    { patterns: ['*-eu'], takes: ['orders-eu'], leaves: ['orders-eu-2'] },
    { patterns: [], takes: [], leaves: ['orders'] },
  ])('of $patterns', ({ patterns, takes, leaves }) => {
    const matches = topicMatcher(patterns)
    expect(takes.filter((name) => !matches(name))).toEqual([])
    expect(leaves.filter((name) => matches(name))).toEqual([])
  })
})
