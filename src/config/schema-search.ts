import { DAY_MS, duration, MiB, section, size, TiB, wholeNumber } from './fields.ts'

/** What searches over HTTP may take. */
export const searchSection = section(
  {
    cache: size(
      0,
      TiB,
      'Parts of look-up filters that are kept in memory between searches, as they are asked for: those of ten million messages take about 18 MiB a look-up field.',
    ).default('128 MiB'),
    maxBytes: size(
      MiB,
      1024 * TiB,
      'What one request reads of the store; past it the answer ends and says where to go on.',
    ).default('4 GiB'),
    maxMessages: wholeNumber(1, Number.MAX_SAFE_INTEGER, 10_000_000, 'Messages that one request gives as lines.'),
    maxPageMessages: wholeNumber(1, 1_000_000, 10_000, 'Messages of one JSON page.'),
    maxTime: duration(10, DAY_MS, 'How long one request runs.').default('5m'),
    maxSearches: wholeNumber(1, 100_000, 64, 'Searches under way at once; more are told to come again.'),
    maxSearchesPerCaller: wholeNumber(1, 100_000, 32, 'Of these, searches of one caller.'),
  },
  'The search over HTTP of `millpond serve`; see [search.md](search.md).',
)
