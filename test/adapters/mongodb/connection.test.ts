import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openMongoIndex } from '../../../src/adapters/mongodb/index.ts'
import { openMongoJobs } from '../../../src/adapters/mongodb/jobs.ts'
import { checkConfig } from '../../../src/config/load.ts'
import { openIndex, openJobs } from '../../../src/wiring.ts'
import { partOf, recordOf } from '../../contract/job-store.ts'
import { addAll, chainOf, dumpOf } from '../../index/chains.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { newCertificates } from '../../servers/certificates.ts'
import { startFerretdb } from '../../servers/ferretdb.ts'
import { mongoServers, newDatabase } from './servers.ts'

const orders = { topic: 'orders', topicId: 'id-1', lane: '0' }
const commits = chainOf(
  orders,
  0,
  Array.from({ length: 4 }, (_, i) => ({ segments: [{ count: 3, minTimestamp: i, maxTimestamp: i + 1 }] })),
)
const away = expect.objectContaining({ code: 'INDEX_UNAVAILABLE', retryable: true })

describe.each(mongoServers)('$name', { timeout: GET_LIMIT_MS }, ({ missing, start }) => {
  it.skipIf(missing !== undefined)('may be away, be killed or not answer, and is used again when it is back', async () => {
    await using server = await start()
    const options = newDatabase(server.url, { connectTimeoutMs: 500 })
    await server.kill()
    await using index = await openMongoIndex(options)
    await using jobs = await openMongoJobs(options)
    await expect(index.add(commits[0]!)).rejects.toEqual(away)
    await expect(jobs.get('a', 1)).rejects.toMatchObject({ code: 'JOBS_UNAVAILABLE', retryable: true })
    await server.start()
    await using patient = await openMongoIndex({ ...options, connectTimeoutMs: 60_000 })
    await addAll(patient, commits.slice(0, 3))
    await using stored = await openMongoJobs({ ...options, connectTimeoutMs: 60_000 })
    await stored.create({ job: recordOf('a'), parts: [partOf('a', 0)] })
    const before = await dumpOf(patient)

    await server.kill()
    await expect(index.lanes()).rejects.toEqual(away)
    await server.start()
    await using later = await openMongoIndex({ ...options, connectTimeoutMs: 60_000, requestTimeoutMs: 60_000 })
    expect(await dumpOf(later)).toEqual(before)
    expect(await later.add(commits[3]!)).toBe('added')

    await using hasty = await openMongoIndex({ ...options, connectTimeoutMs: 3000, requestTimeoutMs: 1000 })
    await hasty.lanes().catch(() => undefined)
    server.pause()
    await expect(hasty.lanes()).rejects.toEqual(away)
    server.resume()
    expect(await later.lanes()).toMatchObject([{ commits: 4 }])
  })
})

describe.skipIf(mongoServers[0].missing !== undefined)('the wiring', { timeout: GET_LIMIT_MS }, () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-mongodb-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('opens the index and the jobs that the configuration names, by TLS with an authority of its own', async () => {
    await using server = await startFerretdb({ tls: true })
    const configOf = async (ca: string) => {
      await writeFile(join(folder, 'ca.pem'), ca)
      const mongodb = `mongodb: { url: '${server.url}', ca: ca.pem, connectTimeout: 60s }`
      const text = `${mongodb}\nindex: { type: mongodb }\njobs: { type: mongodb }\n`
      const read = { env: {}, readFile: () => Promise.reject(new Error('no files here')) }
      return (await checkConfig(text, { file: join(folder, 'millpond.yaml'), folder }, read)).config
    }
    const config = await configOf(server.certificates!.ca)
    await using index = await openIndex(config)
    await addAll(index, commits)
    expect(index.name).toBe(`mongodb:${new URL(server.url).host}/millpond`)
    await using jobs = await openJobs(config)
    await jobs.create({ job: recordOf('a'), parts: [partOf('a', 0)] })
    expect(await jobs.get('a', 1)).toMatchObject({ id: 'a', parts: [{ part: 0 }] })

    const other = await configOf((await newCertificates()).ca)
    await using stranger = await openIndex({ ...other, mongodb: { ...other.mongodb, connectTimeoutMs: 1000 } })
    await expect(stranger.lanes()).rejects.toEqual(away)
  })

  it('tells nobody the login', async () => {
    await using server = await startFerretdb()
    const url = server.url.replace('mongodb://', 'mongodb://pond:hunter2@')
    await using index = await openMongoIndex(newDatabase(url, { connectTimeoutMs: 5000 }))
    const refused = await index.lanes().catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'INDEX_UNAVAILABLE' })
    const wrong = await Promise.all(
      ['mongodb://pond:hunter2@[', 'hunter2://x', 'mongodb://pond:hunter2@h/?w=1&nonsense=hunter2', 'mongodb://p:hunter%2@h'].map(
        (address) => openMongoIndex(newDatabase(address)).catch((error: unknown) => error),
      ),
    )
    for (const error of wrong) expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(inspect([index.name, refused, ...wrong], { depth: 12 })).not.toContain('hunter2')
  })
})
