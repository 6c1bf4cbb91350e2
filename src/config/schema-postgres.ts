import { z } from 'zod'
import { DAY_MS, duration, oneOf, optionalPath, section, secretText, wholeNumber } from './fields.ts'
import { createSecret } from '../secret.ts'

const readUrls = z
  .array(z.string({ error: 'must be text' }).min(1, { error: 'must not be empty' }).transform(createSecret), {
    error: 'must be a list of addresses',
  })
  .meta({
    description:
      'Addresses of read replicas, in the form of `url`. The index is read from the first that answers and has all that this process wrote; where none has, from `url`.',
  })
  .default([])

/** The database of `index.type: postgres` and `jobs.type: postgres`. */
export const postgresSection = section(
  {
    url: secretText(
      'The database: `postgres://user:password@host:5432/name`; best `${file:/run/secrets/…}` or `${POSTGRES_URL}`. `?sslmode=` is `disable`, `require` (encrypted, the certificate is not looked at), `verify-ca` or `verify-full`; without it `verify-full`, and `disable` on this machine. Without a password: that of `PGPASSWORD` or `~/.pgpass`.',
    ),
    readUrls,
    schema: z
      .string({ error: 'must be text' })
      .regex(/^[a-z_][a-z0-9_]{0,62}$/u, { error: 'must be lower-case letters, digits and _, 63 at the most' })
      .meta({ description: 'The schema that holds the tables; it is made where there is none, and nothing else belongs in it.' })
      .default('millpond'),
    maxConnections: wholeNumber(1, 1000, 10, 'Connections of this process that are open at once, to each address.'),
    connectTimeout: duration(100, DAY_MS, 'The longest time to get a connection.').default('10s'),
    statementTimeout: duration(100, DAY_MS, 'The longest time for one answer.').default('30s'),
    pooler: oneOf(
      ['none', 'transaction'],
      'none',
      '`transaction`: the addresses lead to a pooler (PgBouncer, Pgpool, Supavisor) that lends a connection for one transaction; statements are not prepared then, and sessions get no settings.',
    ),
    ca: optionalPath("File of the authority that signed the servers' certificates, PEM. Without it: those that Node knows."),
  },
  'The PostgreSQL database, where `index.type` or `jobs.type` is `postgres`. Version 13 or newer.',
)
