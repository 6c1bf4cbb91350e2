import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { Outcome } from '../../src/migrate/draft.ts'
import { migrateDataphos } from '../../src/migrate/dataphos.ts'
import { loaded, rowOf } from './check.ts'

/** A variable with a value, what becomes of it, and what it sets. */
type Case = readonly [property: string, value: string, outcome: Outcome, sets?: string]

const BASE = {
  READER_TYPE: 'kafka',
  READER_KAFKA_ADDRESS: 'k1:9092,k2:9092',
  READER_KAFKA_TOPICID: 'orders',
  STORAGE_TYPE: 'gcs',
  STORAGE_DESTINATION: 'lake',
}
const TLS = {
  ...BASE,
  READER_KAFKA_TLS_ENABLED: 'true',
  READER_KAFKA_TLS_CERTFILE: '/c.pem',
  READER_KAFKA_TLS_KEYFILE: '/k.pem',
  READER_KAFKA_TLS_CAFILE: '/ca.pem',
}
const ABS = { ...BASE, STORAGE_TYPE: 'abs', STORAGE_STORAGEACCOUNTID: 'acme' }
const SASL = { ...BASE, KAFKA_USE_SASL: 'true', SASL_USERNAME: 'me', SASL_PASSWORD: 'secret' }
const RESUBMITTER = { STORAGE_TYPE: 'abs', STORAGE_DESTINATION: 'c', AZURE_STORAGE_ACCOUNT_NAME: 'acme', KAFKA_BROKERS: 'k:9092' }
const RESUBMITTER_TLS = { ...RESUBMITTER, CLIENT_CERT_PATH: '/c.pem', CLIENT_KEY_PATH: '/k.pem' }

const environment = (variables: Readonly<Record<string, string>>) =>
  Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')

function describeCases(title: string, base: Readonly<Record<string, string>>, cases: readonly Case[]): void {
  describe(`properties of ${title}`, () => {
    const rows = cases.map(([property, value, outcome, sets = '']) => ({ property, value, outcome, sets }))
    it.each(rows)('$property=$value is $outcome $sets', async ({ property, value, outcome, sets }) => {
      const migration = migrateDataphos(environment({ ...base, [property]: value }))
      await loaded(migration)
      expect(rowOf(migration, property)).toMatchObject({ outcome, sets })
    })
  })
}

const fixedOnes = (names: readonly string[]): Case[] => names.map((name) => [name, 'x', 'fixed'])
const unsupportedOnes = (names: readonly string[]): Case[] => names.map((name) => [name, 'x', 'unsupported'])

describeCases('the Persistor', BASE, [
  ['READER_TYPE', 'kafka', 'mapped', 'source.type: kafka'],
  ['READER_TYPE', 'pubsub', 'unsupported'],
  ['READER_TYPE', 'servicebus', 'unsupported'],
  ['READER_KAFKA_ADDRESS', 'k:9092', 'mapped', 'kafka.brokers: ["k:9092"]'],
  ['READER_KAFKA_TOPICID', 'orders', 'mapped', 'source.topics: ["orders"]'],
  ['READER_KAFKA_GROUPID', 'g', 'mapped', 'source.group: g'],
  ['READER_KAFKA_TLS_ENABLED', 'false', 'mapped', 'kafka.tls.enabled: false'],
  ...fixedOnes(['READER_KAFKA_TLS_CERTFILE', 'READER_KAFKA_TLS_KEYFILE', 'READER_KAFKA_TLS_CAFILE']),
  ...unsupportedOnes(['READER_PUBSUB_PROJECTID', 'READER_PUBSUB_SUBID', 'READER_SERVICEBUS_CONNECTIONSTRING']),
  ...unsupportedOnes(['READER_SERVICEBUS_TOPICID', 'READER_SERVICEBUS_SUBID']),
  ['BATCHSETTINGS_BATCHSIZE', '100', 'mapped', 'archive.rotate.maxCount: 100'],
  ['BATCHSETTINGS_BATCHTIMEOUT', '1m30s', 'mapped', 'archive.rotate.maxAge: 1m30s; archive.rotate.idle: 1m30s'],
  ['BATCHSETTINGS_BATCHTIMEOUT', 'soon', 'unsupported'],
  ['BATCHSETTINGS_BATCHMEMORY', '2000000', 'mapped', 'archive.rotate.maxBytes: 2000000'],
  ['INDEXERENABLED', 'true', 'fixed'],
  ['INDEXERENABLED', 'false', 'mapped', 'archive.format: persistorrecord; archive.codec: null'],
  ['STORAGE_TYPE', 'gcs', 'mapped', 'store.type: gcs'],
  ['STORAGE_TYPE', 's3', 'unsupported'],
  ['STORAGE_DESTINATION', 'b', 'mapped', 'gcs.bucket: b'],
  ['STORAGE_TOPICID', 't', 'mapped', 'dataphos.brokerIds: {"orders":"t"}'],
  ['STORAGE_TOPICID', 'orders', 'fixed'],
  ['STORAGE_PREFIX', 'm', 'mapped', 'layout.dataphos.prefix: m'],
  ['STORAGE_MSGEXTENSION', 'avro', 'mapped', 'layout.dataphos.msgExtension: avro'],
  ['STORAGE_MASK', 'year/{kind}', 'mapped', 'layout.dataphos.mask: year/{kind}'],
  ['STORAGE_MASK', '', 'fixed'],
  ['STORAGE_CUSTOMVALUES', '', 'fixed'],
  ['STORAGE_CUSTOMVALUES', 'a:b', 'unsupported'],
  ['MINIMUM_LOG_LEVEL', 'WARN', 'mapped', 'log.level: warn'],
  ['SENDER_DEADLETTERTOPIC', 'dlq', 'unsupported'],
  ['GOOGLE_APPLICATION_CREDENTIALS', '/k.json', 'mapped', 'gcs.credentials: /k.json'],
  ['STORAGE_EMULATOR_HOST', 'http://gcs', 'mapped', 'gcs.endpoint: http://gcs'],
  ...fixedOnes(['DEADLETTERENABLED', 'SENDER_TYPE', 'SENDER_TOPICID', 'SENDER_KAFKA_ADDRESS', 'SENDER_KAFKA_TLS_ENABLED']),
  ...fixedOnes(['SENDER_KAFKA_TLS_CERTFILE', 'SENDER_PUBSUB_PROJECTID', 'SENDER_SERVICEBUS_CONNECTIONSTRING', 'PRODUCT_NAME']),
  ...fixedOnes([
    'AZURE_CLIENT_ID',
    'AZURE_CLIENT_SECRET',
    'AZURE_TENANT_ID',
    'READER',
    'SENDER',
    'STORAGE',
    'MONGO',
    'BATCHSETTINGS',
  ]),
  ...fixedOnes(['STORAGE_EXTENSION', 'STORAGE_WRITETIMEOUT', 'STORAGE_STORAGETOPICID', 'STORAGE_VERSIONKEY']),
  ['STORAGE_PREFXI', 'x', 'unknown'],
])
describeCases('its TLS', TLS, [
  ['READER_KAFKA_TLS_ENABLED', 'true', 'mapped', 'kafka.tls.enabled: true'],
  ['READER_KAFKA_TLS_CERTFILE', '/c.pem', 'mapped', 'kafka.tls.certificate: /c.pem'],
  ['READER_KAFKA_TLS_KEYFILE', '/k.pem', 'mapped', 'kafka.tls.key: /k.pem'],
  ['READER_KAFKA_TLS_CAFILE', '/ca.pem', 'mapped', 'kafka.tls.ca: /ca.pem'],
])
describeCases('its Azure storage', ABS, [
  ['STORAGE_TYPE', 'abs', 'mapped', 'store.type: azure'],
  ['STORAGE_TYPE', 'azure', 'mapped', 'store.type: azure'],
  ['STORAGE_DESTINATION', 'c', 'mapped', 'azure.container: c'],
  ['STORAGE_STORAGEACCOUNTID', 'a', 'mapped', 'azure.account: a'],
])
describeCases('its custom values', { ...BASE, STORAGE_MASK: 'project/year' }, [
  ['STORAGE_CUSTOMVALUES', 'project:acme', 'mapped', 'layout.dataphos.customValues: {"project":"acme"}'],
])

describeCases('Indexer, its API and the Resubmitter', BASE, [
  ...fixedOnes(['MONGO_CONNECTIONSTRING', 'MONGO_DATABASE', 'MONGO_COLLECTION', 'MONGO_AUTHMECHANISM', 'MONGO_AUTHSOURCE']),
  ...fixedOnes([
    'MONGO_USERNAME',
    'MONGO_PASSWORD',
    'MONGO_SESSIONTOKENNAME',
    'MONGO_SESSIONTOKENVAL',
    'CONN',
    'DATABASE',
    'GIN_MODE',
  ]),
  ...fixedOnes(['SERVER_ADDRESS', 'USE_TLS', 'SERVER_TIMEOUT']),
  ['IDX_API_SERVER_ADDRESS', ':8080', 'mapped', 'dataphos.indexer.port: 8080'],
  ['RSB_SERVER_ADDRESS', ':8081', 'mapped', 'dataphos.resubmitter.port: 8081'],
  ['TOPIC_ID', 'again', 'mapped', 'dataphos.defaultTopic: again'],
  ['RSB_SERVER_TIMEOUT', '3s', 'mapped', 'dataphos.resubmitter.timeout: 3s'],
  ['IDX_API_USE_TLS', 'false', 'fixed'],
  ['IDX_API_USE_TLS', 'true', 'unsupported'],
  ['IDX_API_SERVER_TIMEOUT', '2s', 'mapped', 'dataphos.indexer.timeout: 2s'],
  ['CERTS', '/certs', 'unsupported'],
  ...fixedOnes(['INDEXER_URL', 'PUBLISHER_TYPE', 'RSB_META_CAPACITY']),
  ...fixedOnes([
    'RSB_FETCH_CAPACITY',
    'RSB_WORKER_NUM',
    'RSB_ENABLE_MESSAGE_ORDERING',
    'MONGO_CONNECTION_STRING',
    'MONGO_STORAGE_DATABASE',
  ]),
  ['RSB_USE_TLS', 'true', 'unsupported'],
  ['CREDENTIALS_GS', '/k.json', 'mapped', 'gcs.credentials: /k.json'],
  ['KAFKA_BROKERS', 'x', 'fixed'],
  ['KAFKA_SKIP_VERIFY', 'true', 'mapped', 'kafka.tls.verify: false'],
  ['KAFKA_USE_SASL', 'false', 'fixed'],
  ['SASL_USERNAME', 'x', 'fixed'],
  ['SASL_PASSWORD', 'x', 'fixed'],
  ['KAFKA_DISABLE_COMPRESSION', 'true', 'mapped', 'kafka.compression: none'],
  ...fixedOnes(['KAFKA_BATCH_SIZE', 'KAFKA_BATCH_BYTES', 'KAFKA_BATCH_TIMEOUT', 'NUM_PUBLISH_GOROUTINES']),
  ...unsupportedOnes(['ENABLE_KERBEROS', 'KRB_CONFIG_PATH', 'KRB_REALM', 'KRB_SERVICE_NAME', 'KRB_KEY_TAB', 'KRB_USERNAME']),
  ...unsupportedOnes(['PUBSUB_PROJECT_ID', 'PUBLISH_DELAY_THRESHOLD', 'PUBLISH_COUNT_THRESHOLD', 'PUBLISH_BYTE_THRESHOLD']),
  ...unsupportedOnes([
    'PUBLISH_TIMEOUT',
    'MAX_PUBLISH_OUTSTANDING_MESSAGES',
    'MAX_PUBLISH_OUTSTANDING_BYTES',
    'PUBLISH_ENABLE_MESSAGE_ORDERING',
  ]),
  ...unsupportedOnes(['SB_CONNECTION_STRING']),
])
describeCases('SASL', SASL, [
  ['KAFKA_USE_SASL', 'true', 'mapped', 'kafka.sasl.mechanism: PLAIN; kafka.tls.enabled: true'],
  ['SASL_USERNAME', 'me', 'mapped', 'kafka.sasl.username: me'],
  ['SASL_PASSWORD', 'secret', 'mapped', 'kafka.sasl.password: ${SASL_PASSWORD}'],
])
describeCases('a Resubmitter alone', RESUBMITTER, [
  ['AZURE_STORAGE_ACCOUNT_NAME', 'a', 'mapped', 'azure.account: a'],
  ['KAFKA_BROKERS', 'k:9092', 'mapped', 'kafka.brokers: ["k:9092"]'],
  ['KAFKA_USE_TLS', 'true', 'mapped', 'kafka.tls.enabled: true'],
  ['CA_CERT_PATH', '/ca.pem', 'mapped', 'kafka.tls.ca: /ca.pem'],
])
describeCases('its TLS files', RESUBMITTER_TLS, [
  ['CLIENT_CERT_PATH', '/c.pem', 'mapped', 'kafka.tls.certificate: /c.pem'],
  ['CLIENT_KEY_PATH', '/k.pem', 'mapped', 'kafka.tls.key: /k.pem'],
])

describe('an environment file', () => {
  it('may have exports, quotes and comments', async () => {
    const text = [
      '# the Persistor',
      'export READER_TYPE="kafka"',
      "READER_KAFKA_ADDRESS='k:9092'",
      'STORAGE_TYPE=gcs # here',
      'STORAGE_DESTINATION=lake',
      'READER_KAFKA_TOPICID=orders',
    ].join('\r\n')
    const config = await loaded(migrateDataphos(text))
    expect(config).toMatchObject({
      source: { type: 'kafka', topics: ['orders'] },
      kafka: { brokers: ['k:9092'] },
      gcs: { bucket: 'lake' },
      layout: { type: 'dataphos' },
      archive: { format: 'avro', rotate: { maxCount: 5000, maxAgeMs: 30_000, maxBytes: 1_000_000 } },
    })
  })

  it('hides what is secret', () => {
    const secrets = [
      'READER_SERVICEBUS_CONNECTIONSTRING',
      'AZURE_CLIENT_SECRET',
      'CONN',
      'MONGO_PASSWORD',
      'SB_CONNECTION_STRING',
      'SASL_PASSWORD',
    ]
    const migration = migrateDataphos(environment({ ...BASE, ...Object.fromEntries(secrets.map((name) => [name, 'hush'])) }))
    expect(JSON.stringify(migration)).not.toContain('hush')
  })
})

const VALUES = {
  namespace: 'dataphos',
  images: { persistor: 'p:1', indexer: 'i:1', indexerApi: 'a:1', indexerMongoDb: 'mongo:4.0', resubmitter: 'r:1' },
  brokers: {
    kafkaBroker: { type: 'kafka', brokerAddr: 'k:9092' },
    bus: { type: 'servicebus', connectionString: 'hush' },
    gcp: { type: 'pubsub', projectID: 'p' },
  },
  storage: { abs: { type: 'abs', accountStorageID: 'acme' }, gcs: { type: 'gcs', projectID: 'p' } },
  indexer: { i: { broker: 'kafkaBroker', topic: 'index', mongoConnectionString: 'hush', batchSize: 5000, replicas: 1 } },
  resubmitter: { r: { broker: 'kafkaBroker', storage: 'abs', indexer: 'i', clientID: 'c', clientSecret: 'hush', tenantID: 't' } },
  persistor: {
    orders: {
      broker: 'kafkaBroker',
      topic: 'orders',
      consumerID: 'persistor',
      storage: 'abs',
      storageTargetID: 'lake',
      indexer: 'i',
      deadletterBroker: 'kafkaBroker',
      deadletterTopic: 'dlq',
      batchSize: 1000,
      batchMemory: 2_000_000,
      batchTimeout: '10s',
      storagePrefix: 'msg',
      storageMask: 'project/year/month',
      storageCustomValues: 'project:acme',
      replicas: 2,
      clientID: 'c',
      clientSecret: 'hush',
      tenantID: 't',
      serviceAccountSecret: 's',
      serviceAccountKey: 'hush',
      pullMode: true,
    },
  },
}

describe('values of the Helm chart', () => {
  const migration = migrateDataphos(stringify(VALUES))

  it('give a whole configuration', async () => {
    expect(await loaded(migration)).toMatchObject({
      source: { type: 'kafka', topics: ['orders'], group: 'persistor' },
      kafka: { brokers: ['k:9092'] },
      store: { type: 'azure' },
      azure: { container: 'lake', endpoint: 'https://acme.blob.core.windows.net' },
      archive: { rotate: { maxCount: 1000, maxAgeMs: 10_000, maxBytes: 2_000_000 } },
      layout: { type: 'dataphos', dataphos: { mask: 'project/year/month', customValues: { project: 'acme' }, prefix: 'msg' } },
    })
  })

  it.each([
    ['namespace', 'fixed', ''],
    ['images.persistor', 'fixed', ''],
    ['images.indexerMongoDb', 'fixed', ''],
    ['brokers.kafkaBroker.type', 'mapped', 'source.type: kafka'],
    ['brokers.kafkaBroker.brokerAddr', 'mapped', 'kafka.brokers: ["k:9092"]'],
    ['brokers.bus.connectionString', 'fixed', ''],
    ['brokers.gcp.projectID', 'fixed', ''],
    ['storage.abs.type', 'mapped', 'store.type: azure'],
    ['storage.abs.accountStorageID', 'mapped', 'azure.account: acme'],
    ['storage.gcs.projectID', 'fixed', ''],
    ['indexer.i.topic', 'fixed', ''],
    ['indexer.i.mongoConnectionString', 'fixed', ''],
    ['resubmitter.r.clientSecret', 'fixed', ''],
    ['persistor.orders.broker', 'fixed', ''],
    ['persistor.orders.topic', 'mapped', 'source.topics: ["orders"]'],
    ['persistor.orders.consumerID', 'mapped', 'source.group: persistor'],
    ['persistor.orders.storage', 'fixed', ''],
    ['persistor.orders.storageTargetID', 'mapped', 'azure.container: lake'],
    ['persistor.orders.indexer', 'fixed', ''],
    ['persistor.orders.deadletterBroker', 'fixed', ''],
    ['persistor.orders.deadletterTopic', 'unsupported', ''],
    ['persistor.orders.batchSize', 'mapped', 'archive.rotate.maxCount: 1000'],
    ['persistor.orders.batchMemory', 'mapped', 'archive.rotate.maxBytes: 2000000'],
    ['persistor.orders.batchTimeout', 'mapped', 'archive.rotate.maxAge: 10s; archive.rotate.idle: 10s'],
    ['persistor.orders.storagePrefix', 'mapped', 'layout.dataphos.prefix: msg'],
    ['persistor.orders.storageMask', 'mapped', 'layout.dataphos.mask: project/year/month'],
    ['persistor.orders.storageCustomValues', 'mapped', 'layout.dataphos.customValues: {"project":"acme"}'],
    ['persistor.orders.replicas', 'fixed', ''],
    ['persistor.orders.clientID', 'fixed', ''],
    ['persistor.orders.clientSecret', 'fixed', ''],
    ['persistor.orders.tenantID', 'fixed', ''],
    ['persistor.orders.serviceAccountSecret', 'fixed', ''],
    ['persistor.orders.serviceAccountKey', 'fixed', ''],
    ['persistor.orders.pullMode', 'fixed', ''],
  ])('account for %s: %s %s', (property, outcome, sets) => {
    expect(rowOf(migration, property)).toMatchObject({ outcome, sets })
  })

  it('show no secret', () => {
    expect(JSON.stringify(migration)).not.toContain('hush')
  })

  it('account for each of them once', () => {
    const properties = migration.account.map(({ property }) => property)
    expect(new Set(properties).size).toBe(properties.length)
    expect(migration.account.filter(({ outcome }) => outcome === 'unknown')).toEqual([])
  })

  it('of several persistors give the one that is named', async () => {
    const two = {
      ...VALUES,
      persistor: {
        ...VALUES.persistor,
        bus: { broker: 'bus', topic: 't', consumerID: 's', storage: 'gcs', storageTargetID: 'b', nonsense: 1 },
      },
    }
    expect(() => migrateDataphos(stringify(two))).toThrow('name one of orders, bus by --id')
    const other = migrateDataphos(stringify(two), 'bus')
    expect((await loaded(other)).store.type).toBe('gcs')
    expect(rowOf(other, 'brokers.bus.type')).toMatchObject({ outcome: 'unsupported' })
    expect(rowOf(other, 'persistor.orders.topic')).toMatchObject({ outcome: 'unsupported' })
    expect(rowOf(other, 'persistor.bus.nonsense')).toMatchObject({ outcome: 'unknown' })
  })
})

describe('migrateDataphos', () => {
  it.each([
    ['', 'neither an environment file nor values'],
    ['a: {b: c}', 'the values have no persistor'],
    ['{', 'neither an environment file nor YAML'],
  ])('refuses %j: %s', (text, reason) => {
    expect(() => migrateDataphos(text)).toThrow(reason)
  })
})
