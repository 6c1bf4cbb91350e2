import {
  type ConfigValue,
  type Draft,
  fixed,
  isTrue,
  listOf,
  mapList,
  mapSecretTo,
  mapTo,
  type Property,
  type Rule,
  unsupported,
} from './draft.ts'
import type { RuleBook } from './rules.ts'

const LAYOUT = 'layout.dataphos'
const NO_BROKER = 'there is no source for this broker yet: source.type is kafka or local'
const NO_INDEX_TOPIC = 'the index follows the commits: nothing is sent to it'
const WITH_INDEX = `${NO_INDEX_TOPIC}; archive.format avro is searched and replayed, and persistorrecord with archive.codec 'null' is what tools of Dataphos read`
const NO_MONGO = 'the index is a file (index.path), made anew from the store at any time'
const IGNORED = 'Dataphos ignores it too'
const REPLAY = 'replays name their target: millpond replay --to kafka:TOPIC'
const OWN_PACE = 'batches are sized by themselves'
const LIBRARY = 'the SDK reads this variable by itself: leave it set'

/** Rules that only account for a property, and never show what it holds. */
const hidden =
  (rule: Rule): Rule =>
  (property, draft) =>
    rule({ ...property, value: property.value === '' ? '' : '(secret)' }, draft)

const optional =
  (rule: Rule): Rule =>
  (property, draft) =>
    property.value === '' ? draft.fixed(property, 'not given') : rule(property, draft)

const sourceType: Rule = (property, draft) => {
  if (property.value === 'kafka') return draft.map(property, { 'source.type': 'kafka' })
  draft.set('source.type', 'local')
  return draft.unsupported(property, `${NO_BROKER}; source.type is local`)
}

/** What the store is called: `abs`, which the documentation calls `azure`. */
export const storeType: Rule = (property, draft) => {
  const type = { gcs: 'gcs', abs: 'azure', azure: 'azure' }[property.value]
  return type === undefined ? draft.unsupported(property, 'known are gcs and abs') : draft.map(property, { 'store.type': type })
}

/** The bucket or container. */
export const destination =
  (store: (draft: Draft) => string | undefined): Rule =>
  (property, draft) =>
    draft.map(property, { [store(draft) === 'gcs' ? 'gcs.bucket' : 'azure.container']: property.value })

export const batchSize: Rule = (property, draft) => draft.map(property, { 'archive.rotate.maxCount': Number(property.value) })

/** Durations of Go: `30s`, `1m30s`. */
export const batchTimeout: Rule = (property, draft) => {
  const written = /^\d+(?:\.\d+)?$/u.test(property.value) ? `${property.value}s` : property.value
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/u.test(written)) return draft.unsupported(property, 'durations are like 30s or 1m30s')
  return draft.map(property, { 'archive.rotate.maxAge': written, 'archive.rotate.idle': written })
}

export const batchMemory: Rule = (property, draft) =>
  draft.map(
    property,
    { 'archive.rotate.maxBytes': Math.max(64 * 1024, Number(property.value)) },
    'counted as the object lies in the store, compressed',
  )

export const customValues: Rule = (property, draft) => {
  if (property.value.trim() === '') return draft.fixed(property, 'none')
  const pairs = listOf(property.value).map((pair): [string, ConfigValue] => {
    const at = pair.indexOf(':')
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
  })
  const inMask = (draft.value('STORAGE_MASK') ?? '').split('/')
  const used = pairs.filter(([name]) => inMask.includes(name))
  if (used.length === pairs.length) return draft.map(property, { [`${LAYOUT}.customValues`]: Object.fromEntries(pairs) })
  draft.set(`${LAYOUT}.customValues`, Object.fromEntries(used))
  return draft.unsupported(property, 'keys that do not stand in the mask have no place in names')
}

export const logLevel: Rule = (property, draft) => {
  const level = { INFO: 'info', WARN: 'warn', ERROR: 'error' }[property.value.toUpperCase()]
  return level === undefined
    ? draft.unsupported(property, 'known are INFO, WARN and ERROR')
    : draft.map(property, { 'log.level': level })
}

const isUsingTls = (draft: Draft): boolean => isTrue(draft.value('READER_KAFKA_TLS_ENABLED') ?? 'false')

const tlsFile =
  (path: string): Rule =>
  (property, draft) =>
    isUsingTls(draft) ? draft.map(property, { [path]: property.value }) : draft.fixed(property, 'not used without TLS')

/** `:8080` is port 8080 of every address; without keys Millpond listens at this machine alone. */
const serverAddress =
  (name: 'indexer' | 'resubmitter'): Rule =>
  (property, draft) => {
    const port = /:(\d+)$/u.exec(property.value)?.[1]
    if (port === undefined) return draft.unsupported(property, `dataphos.${name}.host and .port say where to listen`)
    draft.set('dataphos.enabled', true)
    const why = `dataphos.${name}.host is this machine alone until http.token or http.keys is set`
    return draft.map(property, { [`dataphos.${name}.port`]: Number(port) }, why)
  }

/** The name that the index calls the topic by, where it is not its own. */
const brokerId: Rule = (property, draft) => {
  const topics = listOf(draft.value('READER_KAFKA_TOPICID') ?? property.value)
  if (property.value === '' || topics.length !== 1 || topics[0] === property.value)
    return draft.fixed(property, 'messages are found by the name of their topic')
  return draft.map(property, { 'dataphos.brokerIds': { [topics[0]!]: property.value } })
}

/** A setting that the reader has too: it counts where the reader's is not given. */
const unlessRead =
  (reader: string, rule: Rule): Rule =>
  (property, draft) =>
    draft.value(reader) === undefined ? rule(property, draft) : draft.fixed(property, `said by ${reader}`)

const TLS = 'TLS is for a proxy before the program'
const KERBEROS = 'SASL knows PLAIN, SCRAM and OAUTHBEARER'

/** Whether nothing was asked of the index: then what is read are the blobs. */
export const isOfBlobsAlone = (draft: Draft): boolean => !isTrue(draft.value('INDEXERENABLED') ?? 'true')

const coreNames: Readonly<Record<string, Rule>> = {
  READER_TYPE: sourceType,
  READER_KAFKA_ADDRESS: mapList('kafka.brokers'),
  READER_KAFKA_TOPICID: mapList('source.topics'),
  READER_KAFKA_GROUPID: optional(mapTo('source.group', 'while the Persistor runs the two would share its lanes: stop it first')),
  READER_KAFKA_TLS_ENABLED: (property, draft) => draft.map(property, { 'kafka.tls.enabled': isTrue(property.value) }),
  READER_KAFKA_TLS_CERTFILE: tlsFile('kafka.tls.certificate'),
  READER_KAFKA_TLS_KEYFILE: tlsFile('kafka.tls.key'),
  READER_KAFKA_TLS_CAFILE: tlsFile('kafka.tls.ca'),
  READER_PUBSUB_PROJECTID: unsupported(NO_BROKER, ['']),
  READER_PUBSUB_SUBID: unsupported(NO_BROKER, ['']),
  READER_SERVICEBUS_CONNECTIONSTRING: hidden(unsupported(NO_BROKER, [''])),
  READER_SERVICEBUS_TOPICID: unsupported(NO_BROKER, ['']),
  READER_SERVICEBUS_SUBID: unsupported(NO_BROKER, ['']),
  BATCHSETTINGS_BATCHSIZE: batchSize,
  BATCHSETTINGS_BATCHTIMEOUT: batchTimeout,
  BATCHSETTINGS_BATCHMEMORY: batchMemory,
  STORAGE_TYPE: storeType,
  STORAGE_DESTINATION: destination((draft) => draft.value('STORAGE_TYPE')),
  STORAGE_STORAGEACCOUNTID: optional(mapTo('azure.account')),
  STORAGE_TOPICID: brokerId,
  STORAGE_PREFIX: mapTo(`${LAYOUT}.prefix`),
  STORAGE_MSGEXTENSION: mapTo(`${LAYOUT}.msgExtension`),
  STORAGE_MASK: optional(mapTo(`${LAYOUT}.mask`)),
  STORAGE_CUSTOMVALUES: customValues,
  INDEXERENABLED: (property, draft) =>
    isOfBlobsAlone(draft)
      ? draft.map(
          property,
          { 'archive.format': 'persistorrecord', 'archive.codec': 'null' },
          "Dataphos' own blobs, byte for byte what its tools read; archive.format avro keeps keys and times too, and is searched and replayed",
        )
      : draft.fixed(property, WITH_INDEX),
  DEADLETTERENABLED: fixed('what cannot be archived is always a dead letter (deadLetters), counted by the commit'),
  SENDER_TYPE: fixed(NO_INDEX_TOPIC),
  SENDER_TOPICID: fixed(NO_INDEX_TOPIC),
  SENDER_DEADLETTERTOPIC: unsupported('dead letters go to files: deadLetters.path', ['']),
  MINIMUM_LOG_LEVEL: logLevel,
  PRODUCT_NAME: fixed('a label of logs'),
  GOOGLE_APPLICATION_CREDENTIALS: optional(mapTo('gcs.credentials')),
  AZURE_CLIENT_ID: fixed(LIBRARY),
  AZURE_CLIENT_SECRET: hidden(fixed(LIBRARY)),
  AZURE_TENANT_ID: fixed(LIBRARY),
  STORAGE_EMULATOR_HOST: optional(mapTo('gcs.endpoint')),
  STORAGE_EXTENSION: fixed(IGNORED),
  STORAGE_WRITETIMEOUT: fixed(IGNORED),
  STORAGE_STORAGETOPICID: fixed(IGNORED),
  STORAGE_VERSIONKEY: fixed('gone from Dataphos: a {header} in the mask does it'),
}

const apiNames: Readonly<Record<string, Rule>> = {
  CONN: hidden(fixed(NO_MONGO)),
  DATABASE: fixed(NO_MONGO),
  IDX_API_SERVER_ADDRESS: serverAddress('indexer'),
  IDX_API_USE_TLS: unsupported(TLS, ['false', '']),
  IDX_API_SERVER_TIMEOUT: mapTo('dataphos.indexer.timeout'),
  CERTS: unsupported(TLS, ['']),
  GIN_MODE: fixed('log.level'),
  SERVER_ADDRESS: fixed(IGNORED),
  USE_TLS: fixed(IGNORED),
  SERVER_TIMEOUT: fixed(IGNORED),
}

const resubmitterNames: Readonly<Record<string, Rule>> = {
  INDEXER_URL: fixed('the index is part of the program'),
  PUBLISHER_TYPE: fixed(REPLAY),
  TOPIC_ID: optional(mapTo('dataphos.defaultTopic')),
  RSB_SERVER_ADDRESS: serverAddress('resubmitter'),
  RSB_USE_TLS: unsupported(TLS, ['false', '']),
  RSB_SERVER_TIMEOUT: mapTo('dataphos.resubmitter.timeout'),
  RSB_META_CAPACITY: fixed(OWN_PACE),
  RSB_FETCH_CAPACITY: fixed(OWN_PACE),
  RSB_WORKER_NUM: fixed(OWN_PACE),
  RSB_ENABLE_MESSAGE_ORDERING: fixed('replays keep the order of each lane'),
  CREDENTIALS_GS: unlessRead('GOOGLE_APPLICATION_CREDENTIALS', optional(mapTo('gcs.credentials'))),
  AZURE_STORAGE_ACCOUNT_NAME: unlessRead('STORAGE_STORAGEACCOUNTID', mapTo('azure.account')),
  MONGO_CONNECTION_STRING: hidden(fixed('Mongo is no store; in Dataphos it does not work either')),
  MONGO_STORAGE_DATABASE: fixed('Mongo is no store; in Dataphos it does not work either'),
  KAFKA_BROKERS: unlessRead('READER_KAFKA_ADDRESS', mapList('kafka.brokers')),
  KAFKA_USE_TLS: unlessRead('READER_KAFKA_TLS_ENABLED', (property, draft) =>
    draft.map(property, { 'kafka.tls.enabled': isTrue(property.value) }),
  ),
  CLIENT_CERT_PATH: unlessRead('READER_KAFKA_TLS_CERTFILE', optional(mapTo('kafka.tls.certificate'))),
  CLIENT_KEY_PATH: unlessRead('READER_KAFKA_TLS_KEYFILE', optional(mapTo('kafka.tls.key'))),
  CA_CERT_PATH: unlessRead('READER_KAFKA_TLS_CAFILE', optional(mapTo('kafka.tls.ca'))),
  KAFKA_SKIP_VERIFY: (property, draft) => draft.map(property, { 'kafka.tls.verify': !isTrue(property.value) }),
  KAFKA_USE_SASL: (property, draft) =>
    isTrue(property.value)
      ? draft.map(property, { 'kafka.sasl.mechanism': 'PLAIN', 'kafka.tls.enabled': true })
      : draft.fixed(property, 'none'),
  SASL_USERNAME: sasl(mapTo('kafka.sasl.username')),
  SASL_PASSWORD: sasl(mapSecretTo('kafka.sasl.password', 'SASL_PASSWORD')),
  KAFKA_DISABLE_COMPRESSION: (property, draft) =>
    draft.map(property, { 'kafka.compression': isTrue(property.value) ? 'none' : 'snappy' }),
  KAFKA_BATCH_SIZE: fixed(OWN_PACE),
  KAFKA_BATCH_BYTES: fixed(OWN_PACE),
  KAFKA_BATCH_TIMEOUT: fixed(OWN_PACE),
  ENABLE_KERBEROS: unsupported(KERBEROS, ['false', '']),
  SB_CONNECTION_STRING: hidden(unsupported(NO_BROKER, [''])),
  NUM_PUBLISH_GOROUTINES: fixed(OWN_PACE),
}

function sasl(rule: Rule): Rule {
  return (property: Property, draft: Draft) =>
    isTrue(draft.value('KAFKA_USE_SASL') ?? 'false')
      ? rule(property, draft)
      : hidden(fixed('not used without KAFKA_USE_SASL'))(property, draft)
}

/** Variables of the Persistor, the Indexer, its API and the Resubmitter. */
export const dataphosBook: RuleBook = {
  names: { ...coreNames, ...apiNames, ...resubmitterNames },
  patterns: [
    [/^SENDER_SERVICEBUS_CONNECTIONSTRING$/u, hidden(fixed(NO_INDEX_TOPIC))],
    [/^SENDER_(?:KAFKA|PUBSUB|SERVICEBUS)_/u, fixed(NO_INDEX_TOPIC)],
    [/^MONGO_(?:CONNECTIONSTRING|PASSWORD|SESSIONTOKENVAL)$/u, hidden(fixed(NO_MONGO))],
    [/^MONGO_/u, fixed(NO_MONGO)],
    [/^KRB_/u, unsupported(KERBEROS, [''])],
    [/^(?:PUBSUB_PROJECT_ID$|PUBLISH_|MAX_PUBLISH_)/u, unsupported(NO_BROKER, [''])],
    [/^(?:READER|SENDER|STORAGE|MONGO|BATCHSETTINGS)$/u, fixed('the name of a section: with it Dataphos does not start')],
  ],
}

/** Defaults of Dataphos that say something else than Millpond's. */
export const dataphosStandards = {
  BATCHSETTINGS_BATCHSIZE: '5000',
  BATCHSETTINGS_BATCHTIMEOUT: '30s',
  BATCHSETTINGS_BATCHMEMORY: '1000000',
  STORAGE_MASK: 'year/month/day/hour',
  STORAGE_MSGEXTENSION: 'avro',
}
