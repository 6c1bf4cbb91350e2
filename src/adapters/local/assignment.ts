/** A lane to be shared: who may have it, in a fixed order, and who has it now. */
export interface SharedLane {
  readonly lane: number
  readonly candidates: readonly string[]
  readonly owner: string | undefined
}

/**
 * Who is to own each lane, by lane: as even as the candidates allow, the same for everyone who computes it from the same state,
 * and moving no lane without need. Lanes without a candidate are left out.
 */
export function assignLanes(lanes: readonly SharedLane[]): Map<number, string> {
  const assigned = new Map<number, string>()
  const counts = new Map<string, number>()
  const members = new Set(lanes.flatMap(({ candidates }) => candidates))
  const share = Math.floor(lanes.length / Math.max(1, members.size))
  const give = (lane: number, member: string) => {
    assigned.set(lane, member)
    counts.set(member, (counts.get(member) ?? 0) + 1)
  }
  for (const { lane, candidates, owner } of lanes) {
    if (owner !== undefined && candidates.includes(owner) && (counts.get(owner) ?? 0) < share) give(lane, owner)
  }
  for (const { lane, candidates, owner } of lanes) {
    if (assigned.has(lane) || candidates.length === 0) continue
    const lowest = Math.min(...candidates.map((member) => counts.get(member) ?? 0))
    const poorest = candidates.filter((member) => (counts.get(member) ?? 0) === lowest)
    give(lane, owner !== undefined && poorest.includes(owner) ? owner : poorest[0]!)
  }
  return assigned
}
