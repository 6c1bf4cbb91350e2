import { z } from 'zod'
import { DAY_MS, duration, optionalOneOf, optionalPath, section, secretText } from './fields.ts'

/** The database of `index.type: mongodb` and `jobs.type: mongodb`. */
export const mongodbSection = section(
  {
    url: secretText(
      'The connection string: `mongodb://user:password@host:27017/?tls=true`, or `mongodb+srv://…`, with hosts, replica set, login and TLS; best `${file:/run/secrets/…}` or `${MONGODB_URL}`. Writes are `w=majority` where it does not say.',
    ),
    database: z
      .string({ error: 'must be text' })
      .regex(/^[^/\\. "$*<>:|?\0]{1,63}$/u, {
        error: 'must be a name of 63 characters at the most, without any of /\\. "$*<>:|?',
      })
      .meta({ description: 'The database. It is made where there is none.' })
      .default('millpond'),
    collectionPrefix: z
      .string({ error: 'must be text' })
      .regex(/^(?!system\.)[\w.-]{0,60}$/u, { error: 'must be letters, digits, _, . and -, 60 at the most' })
      .meta({ description: 'What the names of collections begin with. Archives that share a database have one each.' })
      .default('millpond_'),
    readPreference: optionalOneOf(
      ['primary', 'primaryPreferred', 'secondary', 'secondaryPreferred', 'nearest'],
      'Which members of a replica set are asked for what searches read; what is to be changed is asked of the primary. Without it: what `url` says.',
    ),
    connectTimeout: duration(100, DAY_MS, 'The longest time to find a server and get a connection.').default('10s'),
    requestTimeout: duration(100, DAY_MS, 'The longest time for one answer.').default('30s'),
    ca: optionalPath("File of the authority that signed the servers' certificates, PEM. Without it: those that Node knows."),
  },
  'The MongoDB database, where `index.type` or `jobs.type` is `mongodb`. Version 4.4 or newer.',
)
