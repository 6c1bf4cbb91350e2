import {
  className,
  type Draft,
  fixed,
  isTrue,
  listOf,
  mapSecretTo,
  mapTo,
  type Property,
  type Rule,
  unsupported,
} from './draft.ts'
import type { RuleBook } from './rules.ts'

const KEPT_AS_BYTES = 'keys, values and headers are kept as the bytes that they are; formats by schema ask the registry'
const DEAD_LETTERS =
  'a message that cannot be archived is a dead letter with its bytes and the reason (deadLetters), and the commit counts it'
const TRANSFORM = 'messages are archived as they are; transforms have no counterpart yet'
const RETRIED = 'what fails for a reason that passes is tried again until it succeeds; nothing is skipped'

/** Names, and names with `*` for the `.*` of a regular expression; undefined where it has anything else. */
function globsOf(regex: string): string[] | undefined {
  const whole = regex.replace(/^\^/u, '').replace(/\$$/u, '')
  const inner = /^\(([^()]*)\)$/u.exec(whole)?.[1] ?? whole
  const parts = inner.split('|')
  if (!parts.every((part) => /^(?:[\w-]|\\[.-]|\.\*)+$/u.test(part))) return undefined
  return parts.map((part) => part.replaceAll('.*', '*').replaceAll('\\', ''))
}

const topicsRegex: Rule = (property, draft) => {
  const globs = globsOf(property.value)
  if (globs !== undefined) return draft.map(property, { 'source.topics': globs })
  draft.set('source.topics', ['*'])
  return draft.unsupported(property, 'patterns know `*` alone: source.topics is ["*"], which is more; name the topics')
}

const startOf: Rule = (property, draft) =>
  property.value === 'none'
    ? draft.unsupported(property, 'a lane that the archive does not have begins at kafka.start')
    : draft.map(property, { 'kafka.start': property.value })

/** What Connect's framework and its worker say, as far as it concerns one connector. */
export const connectBook: RuleBook = {
  names: {
    name: (property, draft) =>
      draft.map(
        property,
        { 'source.group': `millpond-${property.value}` },
        'a group of its own: the connector may run beside it meanwhile',
      ),
    'connector.class': fixed('the rules that were used'),
    'tasks.max': fixed('threads and processes share lanes by the consumer group: millpond archive --threads'),
    topics: (property, draft) => draft.map(property, { 'source.topics': listOf(property.value) }),
    'topics.regex': topicsRegex,
    'key.converter': fixed(KEPT_AS_BYTES),
    'header.converter': fixed(KEPT_AS_BYTES),
    'value.converter': fixed(KEPT_AS_BYTES),
    transforms: unsupported(TRANSFORM, ['']),
    predicates: unsupported(TRANSFORM, ['']),
    'errors.tolerance': fixed(DEAD_LETTERS),
    'errors.retry.timeout': fixed(RETRIED),
    'errors.retry.delay.max.ms': fixed(RETRIED),
    'errors.log.enable': fixed('dead letters are counted and logged (log.level)'),
    'errors.log.include.messages': unsupported('no payload is ever logged; dead letters hold it', ['false']),
    'errors.deadletterqueue.topic.name': unsupported('dead letters go to files: deadLetters.path', ['']),
    'errors.deadletterqueue.topic.replication.factor': unsupported('dead letters go to files, which have no copies of their own'),
    'errors.deadletterqueue.context.headers.enable': fixed('dead letters always say their topic, lane, position and reason'),
    'config.action.reload': fixed('the configuration is read at start'),
    'bootstrap.servers': (property, draft) => draft.map(property, { 'kafka.brokers': listOf(property.value) }),
    'group.id': fixed("the worker's own"),
    'offset.flush.interval.ms': fixed('positions are acknowledged behind each commit'),
    'offset.storage.file.filename': fixed('the store holds the positions'),
  },
  patterns: [
    [/^(?:transforms|predicates)\./u, unsupported(TRANSFORM)],
    [/^(?:consumer|admin)\.(?:override\.)?(.+)$/u, clientRule],
    [/^producer\./u, fixed('nothing is produced')],
    [/^(?:security\.protocol|sasl\.|ssl\.)/u, clientRule],
    [/^(?:key|header)\.converter\./u, fixed(KEPT_AS_BYTES)],
    [/^value\.converter\./u, converterRule],
    [
      /^(?:confluent\.|reporter\.|metrics?\.|topic\.creation\.)/u,
      fixed("the vendor's licence, reports and metrics; metrics are at /metrics"),
    ],
    [/^(?:offset|config|status)\.(?:storage|flush)\./u, fixed("the worker's own storage")],
    [/^(?:rest\.|listeners|plugin\.path|internal\.)/u, fixed("the worker's own")],
  ],
}

const clientRules: Readonly<Record<string, Rule>> = {
  'bootstrap.servers': (property, draft) => draft.map(property, { 'kafka.brokers': listOf(property.value) }),
  'client.id': mapTo('kafka.clientId'),
  'group.id': mapTo('source.group', 'while the connector runs the two would share its lanes: stop it first'),
  'group.instance.id': mapTo('kafka.groupInstanceId'),
  'group.protocol': (property, draft) => draft.map(property, { 'kafka.groupProtocol': property.value.toLowerCase() }),
  'auto.offset.reset': startOf,
  'isolation.level': (property, draft) =>
    draft.map(property, { 'kafka.isolation': property.value === 'read_uncommitted' ? 'uncommitted' : 'committed' }),
  'session.timeout.ms': (property, draft) => draft.map(property, { 'kafka.sessionTimeout': `${property.value}ms` }),
  'request.timeout.ms': (property, draft) => draft.map(property, { 'kafka.requestTimeout': `${property.value}ms` }),
  'security.protocol': (property, draft) =>
    property.value.endsWith('SSL') ? draft.map(property, { 'kafka.tls.enabled': true }) : draft.fixed(property, 'as it is'),
  'sasl.mechanism': saslMechanism,
  'sasl.jaas.config': jaas,
  'sasl.oauthbearer.token.endpoint.url': mapTo('kafka.sasl.tokenEndpoint'),
  'ssl.truststore.location': trustStore,
  'ssl.truststore.certificates': unsupported('kafka.tls.ca is a file: put the certificates into one'),
  'ssl.truststore.type': fixed('files are PEM'),
  'ssl.keystore.location': unsupported(
    'kafka.tls.certificate and kafka.tls.key are PEM files: openssl pkcs12 -in keystore.p12 -out all.pem',
  ),
  'ssl.keystore.certificate.chain': unsupported('kafka.tls.certificate is a file: put the chain into one'),
  'ssl.keystore.key': unsupported('kafka.tls.key is a file: put the key into one'),
  'ssl.keystore.type': fixed('files are PEM'),
  'ssl.keystore.password': fixed('PEM files have no such password'),
  'ssl.truststore.password': fixed('PEM files have no such password'),
  'ssl.key.password': mapSecretTo('kafka.tls.passphrase', 'KAFKA_KEY_PASSPHRASE'),
  'ssl.endpoint.identification.algorithm': (property, draft) =>
    property.value === ''
      ? draft.unsupported(
          property,
          'names in certificates are checked: kafka.tls.serverName says which, kafka.tls.verify: false checks nothing at all',
        )
      : draft.fixed(property, 'names in certificates are checked'),
  'max.poll.records': fixed('reading is bounded by archive.memory'),
  'max.poll.interval.ms': fixed('a lane is kept while it is worked on'),
  'fetch.min.bytes': fixed('fetches are sized by archive.memory'),
  'fetch.max.bytes': fixed('fetches are sized by archive.memory'),
  'fetch.max.wait.ms': fixed('fetches are sized by archive.memory'),
  'max.partition.fetch.bytes': fixed('fetches are sized by archive.memory'),
  'partition.assignment.strategy': fixed('the group decides'),
}

/** A setting of the Kafka client, of the worker or of this connector. */
function clientRule(property: Property, draft: Draft): void {
  const name = property.name.replace(/^(?:consumer|admin)\.(?:override\.)?/u, '')
  if (property.name.startsWith('admin.')) return draft.fixed(property, "the consumer's settings are used for all")
  const rule = clientRules[name]
  return rule === undefined ? draft.unsupported(property, 'the Kafka client here has no such setting') : rule(property, draft)
}

function saslMechanism(property: Property, draft: Draft): void {
  const known = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']
  if (known.includes(property.value)) draft.map(property, { 'kafka.sasl.mechanism': property.value })
  else draft.unsupported(property, `known are ${known.join(', ')}`)
}

function jaas(property: Property, draft: Draft): void {
  const option = (name: string) =>
    new RegExp(`\\b${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s;]+))`, 'u')
      .exec(property.value)
      ?.slice(1)
      .find((one) => one !== undefined)
  const username = option('username')
  const clientId = option('clientId')
  if (username !== undefined) {
    setName(draft, property, { path: 'kafka.sasl.username', name: username, variable: 'KAFKA_USERNAME' })
    if (!saysMechanism(draft)) draft.set('kafka.sasl.mechanism', property.value.includes('Scram') ? 'SCRAM-SHA-512' : 'PLAIN')
    draft.mapSecret(property, 'kafka.sasl.password', 'KAFKA_PASSWORD', 'also kafka.sasl.username')
  } else if (clientId !== undefined) {
    setName(draft, property, { path: 'kafka.sasl.clientId', name: clientId, variable: 'KAFKA_CLIENT_ID' })
    if (!saysMechanism(draft)) draft.set('kafka.sasl.mechanism', 'OAUTHBEARER')
    const scope = option('scope')
    if (scope !== undefined) draft.set('kafka.sasl.scope', scope)
    draft.mapSecret(property, 'kafka.sasl.clientSecret', 'KAFKA_CLIENT_SECRET', 'also kafka.sasl.clientId')
  } else draft.unsupported({ ...property, value: '(secret)' }, 'it names neither a username nor a clientId')
}

const saysMechanism = (draft: Draft): boolean =>
  ['sasl.mechanism', 'consumer.override.sasl.mechanism', 'consumer.sasl.mechanism'].some(
    (name) => draft.value(name) !== undefined,
  )

/** A name of a login; one that a provider of Connect gives becomes a variable. */
function setName(
  draft: Draft,
  property: Property,
  { path, name, variable }: { path: string; name: string; variable: string },
): void {
  if (name.startsWith('${')) draft.setVariable(path, variable, property)
  else draft.set(path, name)
}

function trustStore(property: Property, draft: Draft): void {
  if (/\.(?:pem|crt|cer)$/iu.test(property.value)) draft.map(property, { 'kafka.tls.ca': property.value })
  else draft.unsupported(property, 'kafka.tls.ca is a PEM file: keytool -exportcert -rfc -keystore …')
}

const converterRules: Readonly<Record<string, Rule>> = {
  'schema.registry.url': (property, draft) => draft.map(property, { 'registry.urls': listOf(property.value) }),
  'basic.auth.credentials.source': (property, draft) =>
    property.value === 'URL'
      ? draft.unsupported(property, 'addresses hold no login: registry.username and registry.password do')
      : draft.fixed(property, 'the login is in registry.username and registry.password'),
  'basic.auth.user.info': userInfo,
  'schema.registry.basic.auth.user.info': userInfo,
  'bearer.auth.token': mapSecretTo('registry.token', 'REGISTRY_TOKEN'),
  'bearer.auth.credentials.source': fixed('the token is in registry.token'),
  'schema.registry.ssl.truststore.location': (property, draft) =>
    /\.(?:pem|crt|cer)$/iu.test(property.value)
      ? draft.map(property, { 'registry.tls.ca': property.value })
      : draft.unsupported(property, 'registry.tls.ca is a PEM file'),
  'schemas.enable': (property, draft) =>
    isTrue(property.value)
      ? draft.unsupported(property, 'values of the form {"schema", "payload"} are archived whole')
      : draft.fixed(property, 'values are JSON'),
  'schemas.cache.config': fixed('registry.cache'),
  'enhanced.avro.schema.support': fixed('schemas are those of the registry'),
  'auto.register.schemas': fixed('nothing is registered'),
  'use.latest.version': fixed('each value has the schema that it names'),
  'decimal.format': fixed('values are not written anew'),
}

function converterRule(property: Property, draft: Draft): void {
  const rule = converterRules[property.name.replace(/^value\.converter\./u, '')]
  if (rule === undefined) draft.fixed(property, KEPT_AS_BYTES)
  else rule(property, draft)
}

function userInfo(property: Property, draft: Draft): void {
  const [username = ''] = property.value.split(':')
  setName(draft, property, { path: 'registry.username', name: username, variable: 'REGISTRY_USERNAME' })
  draft.mapSecret(property, 'registry.password', 'REGISTRY_PASSWORD', 'also registry.username')
}

/** What values are, as their converter says. */
export type ValueForm = 'avro' | 'json-schema' | 'protobuf' | 'json' | 'text' | 'bytes' | 'unknown'

const forms: Readonly<Record<string, ValueForm>> = {
  AvroConverter: 'avro',
  JsonSchemaConverter: 'json-schema',
  ProtobufConverter: 'protobuf',
  JsonConverter: 'json',
  StringConverter: 'text',
  ByteArrayConverter: 'bytes',
}

export const valueForm = (draft: Draft): ValueForm => forms[className(draft.value('value.converter') ?? '')] ?? 'unknown'

/** What no connector says: that the source is Kafka, and where. */
export function completeSource(draft: Draft): void {
  draft.set('source.type', 'kafka')
  const isSaid = ['bootstrap.servers', 'consumer.override.bootstrap.servers', 'consumer.bootstrap.servers'].some(
    (name) => draft.value(name) !== undefined,
  )
  if (!isSaid) draft.set('kafka.brokers', ['${KAFKA_BROKER:-localhost:9092}'])
  if (draft.value('topics') === undefined && draft.value('topics.regex') === undefined) draft.set('source.topics', ['*'])
}
