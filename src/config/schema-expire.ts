import { z } from 'zod'
import { DAY_MS, duration, listOf, MiB, section, size, TiB } from './fields.ts'

const topic = section(
  {
    olderThan: duration(1000, 36_500 * DAY_MS, 'Segments whose newest message is older than this go.').optional(),
    maxBytes: size(MiB, 1024 * TiB, 'The oldest segments go while all lanes of a topic together have more.').optional(),
  },
  'How long topics are kept in the archive.',
)

/** What the archive no longer keeps. */
export const expireSection = section(
  {
    topics: z
      .record(z.string(), topic, { error: 'must be a section of topic names or patterns' })
      .meta({
        description:
          'Topics, by name or pattern, `*` standing for any text; the first that fits counts. Without any, all is kept for ever.',
      })
      .default({}),
    every: duration(1000, 365 * DAY_MS, 'How often `millpond serve` looks for what is past its time.').default('1h'),
    keepRemoved: duration(
      0,
      365 * DAY_MS,
      'How long segments stay, for readers at work, once a record says that they are removed.',
    ).default('1h'),
    holds: listOf(
      [],
      'topic names or patterns',
      'Topics under legal hold, beside those of `millpond hold`: nothing of them is expired or forgotten by who has this configuration.',
    ),
  },
  'What the archive no longer keeps; see [expire.md](expire.md).',
)
