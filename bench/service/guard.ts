import { hash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { median } from '../kafka/rounds.ts'
import { type Service, startService, writeConfig } from './service.ts'

const CALLERS = 16
const KEY = 'bench-0123456789abcdef'

const keys = Array.from({ length: 20 }, (_, i) => ({
  name: `caller-${i}`,
  key: `sha256:${hash('sha256', i === 19 ? KEY : `another-${i}`, 'hex')}`,
  scopes: [{ scope: 'read', topics: ['orders*', 'bills'] }],
}))

/** What stands before a request, from nothing to all. */
const GUARDS: readonly { readonly name: string; readonly http: object }[] = [
  { name: 'open', http: {} },
  { name: 'keys', http: { keys } },
  { name: 'keysAndLimits', http: { keys, limits: { rate: 1_000_000, concurrent: 1000 } } },
  { name: 'keysLimitsAndAudit', http: { keys, limits: { rate: 1_000_000, concurrent: 1000 }, audit: { type: 'file' } } },
]

/** CPU time of the service for a request of `GET /topics`, µs, under each guard: medians over rounds, the first of which is not counted. */
export async function guardCosts(
  program: readonly string[],
  base: string,
  { requests, rounds }: { readonly requests: number; readonly rounds: number },
) {
  await using services = new AsyncDisposableStack()
  const guarded: { readonly name: string; readonly service: Service; readonly costs: number[] }[] = []
  for (const { name, http } of GUARDS) {
    const folder = join(base, `guard-${name}`)
    await writeConfig(folder, { http, log: { level: 'warn' } })
    guarded.push({ name, service: services.use(await startService(program, folder)), costs: [] })
  }
  for (let round = 0; round < rounds; round++) {
    for (const { service, costs } of guarded) {
      const before = await service.cpuSeconds()
      await ask(service.url, requests)
      costs.push((((await service.cpuSeconds()) - before) / requests) * 1e6)
    }
  }
  const micros = guarded.map(({ name, costs }) => [name, Number(median(rounds > 1 ? costs.slice(1) : costs).toFixed(1))])
  return { cpuMicrosPerRequest: Object.fromEntries(micros) as Record<string, number> }
}

/** Asks so many times, by callers of which each waits for its answer before it asks again. */
async function ask(url: string, requests: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS })
  let left = requests
  const call = async () => {
    while (left-- > 0) {
      const [response] = (await once(get(`${url}/topics`, { agent, headers: { 'x-api-key': KEY } }), 'response')) as [
        IncomingMessage,
      ]
      response.resume()
      await once(response, 'end')
      if (response.statusCode !== 200) throw new Error(`${url}/topics: ${response.statusCode}`)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, call))
  agent.destroy()
}
