import { z } from 'zod'
import { duration, listOf, oneOf, optionalText, section, secretText, text, words } from './fields.ts'

const partition =
  'How a table is partitioned: columns, or `day(timestamp)`, `hour(…)`, `bucket(16, key)`, `truncate(4, name)`; `_lane` is the lane.'

const table = section(
  {
    table: optionalText('The name of the table. Without it: that of the topic.'),
    partition: z
      .array(z.string({ error: 'must be text' }).min(1, { error: 'must not be empty' }), {
        error: 'must be a list of partition fields',
      })
      .meta({ description: 'How this table is partitioned. Without it: as `iceberg.partition`.' })
      .optional(),
  },
  'A topic whose table has settings of its own.',
)

const rest = section(
  {
    url: optionalText('The catalogue, without `/v1`: `https://catalog.example.com/iceberg`.'),
    warehouse: optionalText('The warehouse, where the catalogue has several.'),
    token: secretText('The bearer token. Best `${file:/run/secrets/…}` or `${ICEBERG_TOKEN}`.'),
    tokenEndpoint: optionalText(
      'The URL that gives tokens for client credentials (OAuth 2.0). Without it: `/v1/oauth/tokens` of the catalogue.',
    ),
    clientId: optionalText('The client id, for a token by client credentials.'),
    clientSecret: secretText('The client secret.'),
    scope: text('catalog', 'What the token is for.'),
    headers: words('header names', 'Headers that are sent with each request.'),
    timeout: duration(100, 3_600_000, 'The longest time for one answer.').default('30s'),
  },
  'The REST catalogue of `catalog: rest`.',
)

/** Topics as Apache Iceberg tables. */
export const icebergSection = section(
  {
    topics: listOf(['*'], 'topic names or patterns', 'Topics that have a table. `*` stands for any text within a name.'),
    catalog: oneOf(
      ['files', 'rest'],
      'files',
      'What knows the newest state of each table: files beside its data, or a REST catalogue.',
    ),
    prefix: z
      .string({ error: 'must be text' })
      .regex(/^(?:[^/]+\/)*[^/]*$/u, { error: 'must be a path of folders like lake/tables, without a / at its beginning' })
      .meta({ description: 'The folder of the store that tables lie in: the warehouse.' })
      .default('_iceberg'),
    namespace: text('millpond', 'The namespace of the tables; `.` parts levels.'),
    root: optionalText(
      "The store's address as engines know it, like `s3://bucket/archive`. Without it: what the store section says.",
    ),
    partition: listOf([], 'partition fields', partition),
    tables: z
      .record(z.string(), table, { error: 'must be a section of topic names' })
      .meta({ description: 'Topics whose tables have settings of their own, by topic.' })
      .default({}),
    rest,
  },
  'Topics as Apache Iceberg tables, for `millpond iceberg sync`; see [iceberg.md](iceberg.md).',
)
