import { z } from 'zod'
import { DAY_MS, duration, listOf, oneOf, optionalPath, optionalText, section, secretText, text, truth } from './fields.ts'

const tls = section(
  {
    enabled: truth(false, 'Whether the brokers speak TLS; a certificate or authority given here means that they do.'),
    ca: optionalPath("File of the authority that signed the brokers' certificates, PEM. Without it: those that Node knows."),
    certificate: optionalPath('File of the own certificate, PEM, for brokers that ask for one.'),
    key: optionalPath("File of the certificate's key, PEM."),
    passphrase: secretText('Opens the key.'),
    serverName: optionalText("The name in the brokers' certificates, where it is not their host."),
    verify: truth(true, 'False takes any certificate: for tests alone.'),
  },
  'TLS to the brokers.',
)

const sasl = section(
  {
    mechanism: z
      .enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'], {
        error: 'must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER',
      })
      .meta({ description: 'How to log in. Without it: no SASL.' })
      .optional(),
    username: optionalText('For PLAIN and SCRAM.'),
    password: secretText('For PLAIN and SCRAM. Best `${file:/run/secrets/…}` or `${KAFKA_PASSWORD}`.'),
    token: secretText('For OAUTHBEARER: the token itself.'),
    tokenFile: optionalPath('For OAUTHBEARER: a file that something else keeps fresh; read for every connection.'),
    tokenEndpoint: optionalText('For OAUTHBEARER: the URL that gives tokens for client credentials (OAuth 2.0).'),
    clientId: optionalText('For `tokenEndpoint`.'),
    clientSecret: secretText('For `tokenEndpoint`.'),
    scope: optionalText('For `tokenEndpoint`.'),
    audience: optionalText('For `tokenEndpoint`.'),
  },
  'SASL: how to log in at the brokers.',
)

/** The cluster of `source.type: kafka`, and of replays to `kafka:TOPIC`. */
export const kafkaSection = section(
  {
    brokers: listOf([], 'addresses', 'Brokers that are asked first, `host:port`.'),
    clientId: text('millpond', 'The name by which brokers log and count this client.'),
    groupProtocol: oneOf(
      ['classic', 'consumer'],
      'classic',
      'The protocol of the consumer group; `consumer` (KIP-848) is that of Kafka 4.',
    ),
    groupInstanceId: optionalText(
      'A stable name of this member: it keeps its lanes over a restart. No other process may have it.',
    ),
    sessionTimeout: duration(1000, 30 * 60_000, 'A member that was silent for so long loses its lanes.').default('45s'),
    start: z
      .string({ error: 'must be earliest, latest or a time' })
      .refine((value) => value === 'earliest' || value === 'latest' || !Number.isNaN(Date.parse(value)), {
        error: 'must be earliest, latest or a time like 2026-11-21T08:00:00Z',
      })
      .meta({
        description:
          'Where a lane begins that the archive does not have yet: `earliest`, `latest`, or a time (RFC 3339). Topics that come later begin at their beginning.',
      })
      .default('earliest'),
    isolation: oneOf(
      ['committed', 'uncommitted'],
      'committed',
      'Whether messages of transactions that were aborted are left out; the archive notes their positions.',
    ),
    compression: oneOf(['lz4', 'zstd', 'snappy', 'gzip', 'none'], 'lz4', 'How batches of replayed messages are compressed.'),
    requestTimeout: duration(100, DAY_MS, 'The longest time for one answer.').default('30s'),
    tls,
    sasl,
  },
  'The Kafka cluster, where `source.type` is `kafka`, and where replays go to `kafka:TOPIC`.',
)
