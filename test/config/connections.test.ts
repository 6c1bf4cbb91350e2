import { describe, expect, it } from 'vitest'
import type { Config } from '../../src/config/config.ts'
import { checkConfig } from '../../src/config/load.ts'
import type { MillpondError } from '../../src/errors.ts'

const check = async (text: string): Promise<Config> => {
  const place = { file: '/etc/pond/millpond.yaml', folder: '/etc/pond' }
  return (await checkConfig(text, place, { env: {}, readFile: () => Promise.reject(new Error('no files here')) })).config
}

async function mistakesOf(text: string): Promise<string> {
  const error = await check(text).then(
    () => undefined,
    (failure: MillpondError) => failure,
  )
  expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
  return error!.message
}

describe('the kafka section', () => {
  it('is a cluster, its files absolute and its passwords hidden', async () => {
    const { source, kafka } = await check(`
source: { type: kafka, topics: [orders, 'eu-*'], group: archivers }
kafka:
  brokers: [a:9092, b:9093]
  groupProtocol: consumer
  groupInstanceId: pod-0
  start: 2026-11-21T08:00:00Z
  sessionTimeout: 10s
  tls: { ca: ca.pem, certificate: me.pem, key: /run/me.key, passphrase: hunter2 }
  sasl: { mechanism: SCRAM-SHA-512, username: pond, password: hunter2 }
`)
    expect(source).toEqual({ type: 'kafka', topics: ['orders', 'eu-*'], group: 'archivers' })
    expect(kafka).toMatchObject({
      brokers: ['a:9092', 'b:9093'],
      groupProtocol: 'consumer',
      groupInstanceId: 'pod-0',
      start: Date.UTC(2026, 10, 21, 8),
      sessionTimeoutMs: 10_000,
      isolation: 'committed',
      tls: { caFile: '/etc/pond/ca.pem', certificateFile: '/etc/pond/me.pem', keyFile: '/run/me.key', verify: true },
      sasl: { mechanism: 'SCRAM-SHA-512', username: 'pond' },
    })
    expect(JSON.stringify(kafka)).not.toContain('hunter2')
    expect(kafka.sasl?.mechanism === 'SCRAM-SHA-512' && kafka.sasl.password.reveal()).toBe('hunter2')
  })

  it.each([
    ['{ mechanism: OAUTHBEARER, token: abc }', { kind: 'static' }],
    ['{ mechanism: OAUTHBEARER, tokenFile: token }', { kind: 'file', path: '/etc/pond/token' }],
    [
      '{ mechanism: OAUTHBEARER, tokenEndpoint: https://i/t, clientId: me, clientSecret: s, scope: kafka }',
      { kind: 'client-credentials', endpoint: 'https://i/t', clientId: 'me', scope: 'kafka' },
    ],
  ])('takes a bearer token from %s', async (sasl, token) => {
    expect((await check(`kafka: { sasl: ${sasl} }`)).kafka.sasl).toMatchObject({ mechanism: 'OAUTHBEARER', token })
  })

  it.each([
    ['source: { type: kafka }', 'name a broker'],
    ['kafka: { tls: { certificate: a.pem } }', 'a certificate and its key are given together'],
    ['kafka: { sasl: { mechanism: PLAIN, username: a } }', 'PLAIN needs it'],
    ['kafka: { sasl: { username: a } }', 'has no meaning without sasl.mechanism'],
    ['kafka: { sasl: { mechanism: OAUTHBEARER } }', 'OAUTHBEARER needs it'],
    ['kafka: { sasl: { mechanism: PLAIN, username: a, password: b, scope: c } }', 'has no meaning for PLAIN'],
    ['kafka: { sasl: { mechanism: GSSAPI } }', 'must be one of PLAIN'],
    ['kafka: { start: yesterday }', 'must be earliest, latest or a time'],
    ['kafka: { broker: [a] }', 'brokers'],
  ])('refuses %s', async (text, why) => {
    expect(await mistakesOf(text)).toContain(why)
  })
})

describe('the sections of cloud stores', () => {
  it('are buckets and containers, with credentials that nothing shows', async () => {
    const { store, s3, gcs, azure } = await check(`
store: { type: s3 }
s3: { bucket: pond, prefix: prod/archive, endpoint: 'http://localhost:9000', accessKeyId: id, secretAccessKey: hunter2, encryption: 'aws:kms', kmsKeyId: k, bucketKey: true, tags: { team: data }, ca: ca.pem, partSize: 16 MiB }
gcs: { bucket: pond, credentials: key.json, storageClass: NEARLINE, metadata: { team: data } }
azure: { container: pond, account: acme, accountKey: hunter2, accessTier: Cool, timeout: 5s }
`)
    expect(store.type).toBe('s3')
    expect(s3).toMatchObject({
      bucket: 'pond',
      prefix: 'prod/archive/',
      pathStyle: true,
      credentials: { accessKeyId: 'id' },
      encryption: { algorithm: 'aws:kms', kmsKeyId: 'k', bucketKey: true },
      tags: { team: 'data' },
      caFile: '/etc/pond/ca.pem',
      partBytes: 16 * 1024 * 1024,
      checksum: 'crc32c',
    })
    expect(gcs).toMatchObject({ prefix: '', credentials: { kind: 'file', path: '/etc/pond/key.json' }, storageClass: 'NEARLINE' })
    expect(azure).toMatchObject({
      endpoint: 'https://acme.blob.core.windows.net',
      credentials: { kind: 'key', account: 'acme' },
      accessTier: 'Cool',
      timeoutMs: 5000,
    })
    expect(JSON.stringify([s3, gcs, azure])).not.toContain('hunter2')
  })

  it.each([
    ['store: { type: s3 }', 'name the bucket'],
    ['store: { type: gcs }', 'name the bucket'],
    ['store: { type: azure }', 'name the container'],
    ['store: { type: azure }\nazure: { container: abc }', 'name the account'],
    ['s3: { accessKeyId: a }', 'given together'],
    ['s3: { sessionToken: a }', 'belongs to an accessKeyId'],
    ['s3: { kmsKeyId: a }', 'is for s3.encryption aws:kms'],
    ['s3: { bucketKey: true }', 'is for s3.encryption aws:kms'],
    ['gcs: { anonymous: true, credentials: a }', 'give one of'],
    ['azure: { accountKey: a }', 'needs the name of the account'],
    ['azure: { sasToken: a, connectionString: b }', 'give one of'],
    ['s3: { prefix: /a }', 'must be a path of folders'],
    ['s3: { buckets: a }', 'bucket'],
  ])('refuse %j', async (text, why) => {
    expect(await mistakesOf(text)).toContain(why)
  })
})
