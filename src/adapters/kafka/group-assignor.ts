/** A partition by its topic's name, as members of a group speak of it. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** What a member says when it joins. */
export interface MemberSubscription {
  readonly memberId: string
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartitions[]
  /** The generation in which it owned them. */
  readonly generation: number
}

/**
 * Shares out all partitions: as evenly as subscriptions allow, each where it is as far as that is even. A partition that changes its
 * owner is left out until the old one has given it up (KIP-429).
 * @param partitionCounts of each topic that exists.
 */
export function assignCooperatively(
  members: readonly MemberSubscription[],
  partitionCounts: ReadonlyMap<string, number>,
): Map<string, TopicPartitions[]> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const owners = ownersOf(sorted, partitionCounts)
  const loads = balance(sorted, owners, partitionCounts)
  const assignment = new Map<string, TopicPartitions[]>()
  for (const { memberId, slots } of loads) {
    const kept = [...slots].filter((slot) => (owners.get(slot) ?? memberId) === memberId)
    assignment.set(memberId, grouped(kept))
  }
  return assignment
}

const slotName = (topic: string, partition: number): string => `${topic} ${String(partition).padStart(10, '0')}`

const topicOf = (slot: string): string => slot.slice(0, -11)

function grouped(slots: readonly string[]): TopicPartitions[] {
  const byTopic = Map.groupBy(slots, (slot) => topicOf(slot))
  return [...byTopic].map(([topic, ofTopic]) => ({
    topic,
    partitions: ofTopic.map((slot) => Number(slot.slice(-10))).sort((a, b) => a - b),
  }))
}

/** Who has a partition now; of several that say so, the one of the latest generation, and nobody where that is not clear. */
function ownersOf(members: readonly MemberSubscription[], counts: ReadonlyMap<string, number>): Map<string, string> {
  const claims = new Map<string, { memberId: string | undefined; generation: number }>()
  for (const { memberId, owned, topics, generation } of members) {
    const subscribed = new Set(topics)
    for (const { topic, partitions } of owned) {
      for (const partition of partitions) {
        if (!subscribed.has(topic) || partition >= (counts.get(topic) ?? 0)) continue
        const slot = slotName(topic, partition)
        const other = claims.get(slot)
        if (other === undefined || generation > other.generation) claims.set(slot, { memberId, generation })
        else if (generation === other.generation) claims.set(slot, { memberId: undefined, generation })
      }
    }
  }
  return new Map([...claims].flatMap(([slot, { memberId }]) => (memberId === undefined ? [] : [[slot, memberId] as const])))
}

interface Load {
  readonly memberId: string
  readonly topics: ReadonlySet<string>
  readonly slots: Set<string>
}

function balance(
  members: readonly MemberSubscription[],
  owners: ReadonlyMap<string, string>,
  counts: ReadonlyMap<string, number>,
): readonly Load[] {
  const loads: Load[] = members.map(({ memberId, topics }) => ({ memberId, topics: new Set(topics), slots: new Set() }))
  const byId = new Map(loads.map((load) => [load.memberId, load]))
  for (const [slot, memberId] of owners) byId.get(memberId)?.slots.add(slot)
  // In the order of topics and partitions: those of one topic are spread over the members.
  const slots = [...counts].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => slotName(topic, partition)),
  )
  for (const slot of slots.sort()) {
    if (!owners.has(slot)) leastLoaded(loads, slot)?.slots.add(slot)
  }
  for (let isMoved = true; isMoved;) {
    isMoved = false
    for (const load of [...loads].sort((a, b) => b.slots.size - a.slots.size)) {
      for (const slot of [...load.slots].sort().reverse()) {
        const other = leastLoaded(loads, slot)
        if (other === undefined || load.slots.size - other.slots.size < 2) continue
        load.slots.delete(slot)
        other.slots.add(slot)
        isMoved = true
      }
    }
  }
  return loads
}

function leastLoaded(loads: readonly Load[], slot: string): Load | undefined {
  const topic = topicOf(slot)
  let least: Load | undefined
  for (const load of loads) {
    if (load.topics.has(topic) && (least === undefined || load.slots.size < least.slots.size)) least = load
  }
  return least
}
