import type { Figures } from './bench.ts'

/** What is done in every round, ours or a peer's. */
export interface Entrant {
  readonly name: string
  /** Those of one stage are compared, and take turns at being the first. */
  readonly stage: 'archive' | 'restore' | 'large'
  /** The name that a peer has in ratios; undefined for what is ours. */
  readonly peer?: string
  readonly ran: string
  readonly run: (round: number) => Promise<Figures>
}

/** What entrants told in each round, by name. A round that failed tells `failed`. */
export type Told = ReadonlyMap<string, readonly Figures[]>

interface RoundsOptions {
  readonly rounds: number
  readonly before: (round: number) => Promise<void>
  readonly after: (round: number) => Promise<void>
  readonly note: (line: string) => void
}

/** Runs all entrants once a round, stage after stage, each round in another order. */
export async function runRounds(entrants: readonly Entrant[], options: RoundsOptions): Promise<Told> {
  const told = new Map<string, Figures[]>(entrants.map(({ name }) => [name, []]))
  for (let round = 1; round <= options.rounds; round++) {
    await options.before(round)
    for (const stage of ['archive', 'restore', 'large'] as const) {
      const here = entrants.filter((entrant) => entrant.stage === stage)
      const turn = here.length === 0 ? 0 : (round - 1) % here.length
      for (const { name, run } of [...here.slice(turn), ...here.slice(0, turn)]) {
        const figures = await run(round).catch((error: unknown) => ({ failed: String(error) }))
        told.get(name)!.push(figures)
        options.note(`round ${round}/${options.rounds}, ${name}: ${JSON.stringify(figures)}`)
      }
    }
    await options.after(round)
  }
  return told
}

/** The rounds that count: the first warms the servers up, where there is another. */
export const counted = <T>(rounds: readonly T[]): readonly T[] => (rounds.length > 1 ? rounds.slice(1) : rounds)

/** Medians of all figures, the slowest and the fastest round, and how many times the rate of each peer of its stage a case reached. */
export function summarize(entrants: readonly Entrant[], told: Told): Figures[] {
  const sums = entrants.map((entrant) => ({ entrant, ...overRounds(told.get(entrant.name)!) }))
  return sums.map(({ entrant, figures, rate }) => {
    const peers = sums.filter((other) => other.entrant.stage === entrant.stage && other.entrant.peer !== undefined)
    const ratios = peers.map((other) => [other.entrant.peer!, Number((rate / other.rate).toFixed(2))] as const)
    const compared = entrant.peer === undefined && ratios.length > 0 ? { ofPeer: Object.fromEntries(ratios) } : {}
    return { case: entrant.name, ...figures, ...compared, ran: entrant.ran }
  })
}

/** The figures of one entrant; its rate is NaN where no round went well. */
function overRounds(all: readonly Figures[]): { readonly figures: Figures; readonly rate: number } {
  const failed = all.flatMap((figures) => (figures['failed'] === undefined ? [] : [figures['failed']]))
  const rounds = counted(all).filter((figures) => figures['failed'] === undefined)
  const failures = failed.length === 0 ? {} : { failed }
  if (rounds.length === 0) return { figures: { rounds: 0, ...failures }, rate: Number.NaN }
  const rates = rounds.map((figures) => Number(figures['messagesPerSecondWithStart']))
  const spread = { rounds: rounds.length, slowest: Math.min(...rates), fastest: Math.max(...rates) }
  return { figures: { ...(medianOf(rounds) as Figures), ...spread, ...failures }, rate: median(rates) }
}

/** The median; of an even number of figures the mean of the two in the middle, whole where they are. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)]!, sorted[Math.floor(sorted.length / 2)]!]
  const mean = (low + high) / 2
  return sorted.every(Number.isInteger) ? Math.round(mean) : Number(mean.toFixed(3))
}

/** The median of each number in objects of the same form; of what is no number, the last. */
function medianOf(all: readonly unknown[]): unknown {
  const last = all.at(-1)
  if (typeof last === 'number') return median(all as number[])
  if (typeof last !== 'object' || last === null) return last
  const ofName = (name: string) => medianOf(all.map((each) => (each as Figures)[name] ?? 0))
  return Object.fromEntries(Object.keys(last).map((name) => [name, ofName(name)]))
}
