import { z } from 'zod'
import { duration, listOf, oneOf, optionalPath, optionalText, section, text, truth, wholeNumber } from './fields.ts'

const server = (port: number, description: string) =>
  section(
    {
      host: text('127.0.0.1', 'The address to listen at. Every address but the loopback ones needs `http.token`.'),
      port: wholeNumber(0, 65_535, port, 'The port to listen at; 0 takes a free one.'),
      timeout: duration(100, 600_000, 'Within what time the head of a request must have come.').default('2s'),
      certificate: optionalPath('File of the certificate, PEM: with it and its key the interface speaks HTTPS alone.'),
      key: optionalPath("File of the certificate's key, PEM."),
    },
    description,
  )

/** The interfaces of Dataphos Persistor, for clients that know those. */
export const dataphosSection = section(
  {
    enabled: truth(false, 'Whether `millpond serve` runs both interfaces too; `millpond dataphos` runs them by themselves.'),
    indexer: server(8080, 'The Indexer API.'),
    resubmitter: server(8081, 'The Resubmitter.'),
    defaultTopic: optionalText('Where resubmitted messages go of a request without `?topic=`: `TOPIC_ID`.'),
    target: oneOf(
      ['source', 'local', 'kafka'],
      'source',
      'The broker that messages are resubmitted to; `source` is the one that is archived.',
    ),
    brokerIds: z
      .record(z.string(), z.string().min(1, { error: 'must be text' }), { error: 'must be a section of topic names' })
      .meta({ description: 'The `broker_id` of topics, by topic: `STORAGE_TOPICID`. Without it: the name of the topic.' })
      .default({}),
    collections: listOf(
      [],
      'names of collections',
      'Names of Mongo collections that requests may name. Without any: every name, all mean the archive.',
    ),
    marks: truth(false, 'Whether resubmitted messages get headers that name the job and where they come from.'),
    allowLoop: truth(false, 'Whether messages may be resubmitted into a topic that they are read from.'),
    maxResubmissions: wholeNumber(1, 1000, 8, 'Resubmissions at once; others wait for their turn.'),
  },
  'The Indexer API and the Resubmitter of Dataphos Persistor; see [dataphos.md](dataphos.md).',
)
