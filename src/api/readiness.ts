/** How a part of the running program is: `amber` works but has trouble, `red` does not work. */
export interface PartState {
  readonly state: 'green' | 'amber' | 'red'
  /** For people: what is wrong, or what it does. */
  readonly why: string
}

/** What `/readyz` answers. */
export interface ReadinessReport extends Pick<PartState, 'state'> {
  readonly ready: boolean
  readonly parts: Readonly<Record<string, PartState>>
}

/** The states of the parts, each told by whoever runs it. */
export interface Readiness {
  /** Tells how a part is. Several troubles of one part are kept apart by `subject`, such as a lane; the worst one is shown. */
  tell(part: string, state: PartState, subject?: string): void
  /** A trouble that is over. */
  settle(part: string, subject: string): void
  report(): ReadinessReport
}

const SEVERITY = { green: 0, amber: 1, red: 2 } as const
const worse = (a: PartState, b: PartState): PartState => (SEVERITY[b.state] > SEVERITY[a.state] ? b : a)

/** Parts that have told nothing yet are not there. */
export function createReadiness(): Readiness {
  const parts = new Map<string, Map<string, PartState>>()
  return {
    tell(part, state, subject = '') {
      const subjects = parts.get(part) ?? new Map<string, PartState>()
      parts.set(part, subjects.set(subject, state))
    },
    settle(part, subject) {
      parts.get(part)?.delete(subject)
    },
    report() {
      const shown: Record<string, PartState> = {}
      let worst: PartState = { state: 'green', why: '' }
      for (const [part, subjects] of parts) {
        const states = [...subjects.values()]
        if (states.length === 0) continue
        const state = states.reduce(worse)
        const troubles = states.filter((one) => one.state === state.state && one.state !== 'green').length
        shown[part] = troubles > 1 ? { ...state, why: `${state.why} (and ${troubles - 1} more)` } : state
        worst = worse(worst, state)
      }
      return { ready: worst.state !== 'red', state: worst.state, parts: shown }
    },
  }
}
