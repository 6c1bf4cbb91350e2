/** User events of customers over some days of January 2018: the same for the same number, whenever and wherever they are made. */

/** The days that events are of, in the order in which they come. */
export const DAYS = ['2018-01-02', '2018-01-03', '2018-01-04', '2018-01-05'] as const

/** Events of one day that are sent together. */
export const EVENTS_A_REQUEST = 250

/** An event in Avro's JSON encoding, in which unions name their branch. */
export interface UserEvent {
  readonly event_id: string
  readonly metric_date: string
  readonly occurred_at: number
  readonly customer: {
    readonly id: number
    readonly name: string
    readonly plan: string
    readonly region: { readonly string: string } | null
  }
  readonly user_id: number
  readonly action: string
  readonly page: { readonly string: string } | null
  readonly duration_ms: { readonly int: number } | null
  readonly tags: Readonly<Record<string, string>>
  readonly scores: readonly number[]
}

const PLANS = ['FREE', 'TEAM', 'ENTERPRISE'] as const
const REGIONS = [null, 'eu-central', 'us-east', 'ap-south'] as const
const ACTIONS = ['SIGN_IN', 'VIEW', 'VIEW', 'VIEW', 'SEARCH', 'EDIT', 'EDIT', 'EXPORT', 'SIGN_OUT'] as const
const PAGES = ['/backlog', '/board', '/portfolio', '/reports/velocity', '/settings', '/user-story/US1042'] as const
const BROWSERS = ['Chrome 63', 'Firefox 57', 'Safari 11', 'Edge 41'] as const
const FIRST_NAMES = [
  'Copper',
  'Harbor',
  'Juniper',
  'Lantern',
  'Meadow',
  'Northwind',
  'Öresund',
  'Quarry',
  'Summit',
  'Tidewater',
] as const
const SECOND_NAMES = ['Analytics', 'Bikes', 'Foods', 'Health', 'Logistics', 'Robotics', 'Studio', 'Travel'] as const
const CUSTOMERS = 60
const DAY_MS = 86_400_000

/** Numbers from 0 to before 1, always the same ones for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const union = <Branch extends string, Value>(branch: Branch, value: Value | null) =>
  value === null ? null : ({ [branch]: value } as { readonly [Name in Branch]: Value })

/** The event of this number: those of one request are of one day, in the order of their time. */
function eventAt(number: number): UserEvent {
  const random = createRandom(number * 2_654_435_761 + 1)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const request = Math.floor(number / EVENTS_A_REQUEST)
  const day = DAYS[request % DAYS.length]!
  const withinDay = ((number % EVENTS_A_REQUEST) + random()) / EVENTS_A_REQUEST
  // Few customers send most of the events.
  const customer = Math.floor(CUSTOMERS * random() ** 2)
  const action = pick(ACTIONS)
  const hasPage = action !== 'SIGN_IN' && action !== 'SIGN_OUT'
  return {
    event_id: `${day}-${String(number).padStart(8, '0')}`,
    metric_date: day,
    occurred_at: Date.parse(day) + Math.floor(withinDay * DAY_MS),
    customer: {
      id: 1000 + customer,
      name: `${FIRST_NAMES[customer % FIRST_NAMES.length]!} ${SECOND_NAMES[customer % SECOND_NAMES.length]!}`,
      plan: PLANS[customer % PLANS.length]!,
      region: union('string', REGIONS[customer % REGIONS.length]!),
    },
    user_id: customer * 1000 + Math.floor(random() * 40),
    action,
    page: union('string', hasPage ? pick(PAGES) : null),
    duration_ms: union('int', hasPage ? Math.floor(30 + 20_000 * random() ** 4) : null),
    tags: { browser: pick(BROWSERS), ...(random() < 0.1 ? { experiment: 'new-board' } : {}) },
    scores: Array.from({ length: Math.floor(random() * 3) }, () => Math.round(random() * 1000) / 1000),
  }
}

/** So many events, request by request. */
export function eventRequests(count: number): UserEvent[][] {
  return Array.from({ length: Math.ceil(count / EVENTS_A_REQUEST) }, (_, request) => {
    const first = request * EVENTS_A_REQUEST
    return Array.from({ length: Math.min(EVENTS_A_REQUEST, count - first) }, (_one, i) => eventAt(first + i))
  })
}
