import type { ErrorCode, MillpondError } from '../errors.ts'

/** What a code says and what to do about it. */
interface ErrorHelp {
  /** For the reference, docs/errors.md. */
  readonly means: string
  /** The next step, shown below the error; none where the message itself says it. */
  readonly next?: string
}

/** Words for every code. */
export const errorHelp: Readonly<Record<ErrorCode, ErrorHelp>> = {
  USAGE: {
    means: 'A command or option is not used as it is meant.',
    next: 'millpond <command> --help shows options and examples',
  },
  INPUT_INVALID: { means: 'A value that was given cannot be right: a time, a range, a header, text that is no UTF-8.' },
  QUERY_FAILED: {
    means: 'A query is no SQL, names what is not there, or fails while it runs; the message is that of DuckDB.',
    next: 'docs/query.md says what can be asked and shows examples',
  },
  JQ_INVALID: {
    means: 'A jq program is none: the message says line, column and what was expected.',
    next: 'docs/jq.md says which parts of the language are there',
  },
  JQ_FAILED: {
    means: 'A jq program raises an error for a value, or takes more steps, depth or room than it may.',
    next: 'docs/jq.md lists the limits; `?` and `try` take errors of single values away',
  },
  JSON_INVALID: {
    means: 'A message is not the JSON it should be. The answer names line, column and reason; nothing of the request was taken.',
  },
  BODY_TOO_LARGE: {
    means: 'A request has more bytes than `http.maxBodyBytes`.',
    next: 'send smaller requests or raise http.maxBodyBytes',
  },
  MESSAGE_TOO_LARGE: {
    means: 'A message is larger than `http.maxMessageBytes`, or than a batch can be.',
    next: 'raise http.maxMessageBytes where such messages are meant',
  },
  MEDIA_TYPE_UNSUPPORTED: { means: 'A request says a content type or encoding that Millpond cannot read.' },
  NOT_ACCEPTABLE: { means: 'A request takes no content type in which Millpond could answer it.' },
  METHOD_NOT_ALLOWED: { means: 'The HTTP interface has this address, but not for this method; `allow` says for which.' },
  TOPIC_INVALID: { means: 'A topic cannot have this name: 1 to 1,024 bytes of UTF-8.' },
  TOPIC_EXISTS: { means: 'A topic of this name is there already.', next: 'millpond topics lists all topics' },
  CONFIG_INVALID: {
    means: 'The configuration has mistakes; all are told at once, with line and column.',
    next: 'docs/config.md lists every key; `millpond config check` checks again',
  },
  DEPENDENCY_MISSING: {
    means: 'The configuration or the command needs a package that is not installed; the message says which.',
  },
  NODE_TOO_OLD: { means: 'Node is older than version 24.' },
  UNAUTHORIZED: {
    means: 'A request has no key or token, or one that is wrong or has expired.',
    next: 'send `Authorization: Bearer <key or token>` or `x-api-key: <key>`; docs/security.md says more',
  },
  FORBIDDEN: { means: 'The caller is known and may not do this, or not with this topic.', next: 'ask for a key with that scope' },
  TOO_MANY_REQUESTS: {
    means: 'A caller asks more than `http.limits` allows, or an address had too many requests refused.',
    next: 'wait as long as `retry-after` says',
  },
  ISSUER_UNAVAILABLE: {
    means: 'A token cannot be checked, because the keys of its issuer were never fetched and cannot be now.',
    next: 'check http.oidc.issuer and that it runs; keys of http.keys work meanwhile',
  },
  AUDIT_UNAVAILABLE: {
    means: 'A call was not done because the audit log cannot be written.',
    next: 'free some room where http.audit.path lies; http.audit.onFailure says which calls are refused',
  },
  TOPIC_UNKNOWN: { means: 'There is no topic of this name.', next: 'millpond topics lists all topics' },
  LANE_UNKNOWN: { means: 'The topic has no such lane.', next: 'millpond topics show <topic> lists its lanes' },
  JOB_UNKNOWN: { means: 'There is no replay job of this id.', next: 'millpond jobs lists all jobs' },
  SCHEDULE_UNKNOWN: { means: 'There is no schedule of this id or name.', next: 'millpond schedules lists all schedules' },
  NOT_FOUND: { means: 'The HTTP interface has no such address.' },
  OBJECT_MISSING: { means: 'An object that should be in the store is not there.', next: 'millpond verify says what is missing' },
  KEY_INVALID: { means: 'A name cannot be a key of the store.' },
  OBJECT_TOO_LARGE: { means: 'The store takes no object of this size.', next: 'lower archive.rotate.maxBytes' },
  STORE_UNAVAILABLE: {
    means: 'The store does not answer, or its folder cannot be used.',
    next: 'check the address or folder of the store and the rights there; the same command may succeed later',
  },
  STORE_REFUSED: {
    means:
      'The store answers and will not do what was asked: credentials, rights, no such bucket or container, or the wrong region.',
    next: 'the message says what was refused; check credentials, access rights and the store section of the configuration',
  },
  STORE_FULL: {
    means: 'There is no room left where the archive lies.',
    next: 'free some room, then run it again; a service that runs goes on by itself',
  },
  STORE_READ_ONLY: { means: 'The folder of the archive cannot be written to.', next: 'check the rights of store.path' },
  STORE_UNSAFE: {
    means: 'The store cannot put an object only if it is absent, and so cannot keep messages exactly once.',
    next: 'use a local file system, or another store',
  },
  POSITION_GONE: { means: 'The broker no longer has the position that is asked for.' },
  POSITION_INVALID: { means: 'Positions do not rise as they must.' },
  SOURCE_TRUNCATED: {
    means: 'The broker has lost messages that are archived, and gives their positions to others: going on would mix them.',
    next: 'docs/kafka.md, "When the cluster loses messages", says how to go on; what is archived is not affected',
  },
  COMMIT_CORRUPT: {
    means: 'A commit is not what was written.',
    next: 'millpond verify says how much of the archive is affected',
  },
  COMMIT_LOST_RACE: { means: 'Another writer committed these positions first.' },
  CHAIN_BROKEN: {
    means: 'A commit is missing, or does not follow the one before it.',
    next: 'millpond verify says how much of the archive is affected',
  },
  SEGMENT_CORRUPT: {
    means: 'A segment is not what was written.',
    next: 'millpond verify says how much of the archive is affected',
  },
  NAME_TAKEN: {
    means: 'Something that is no part of the archive lies under a name that the layout gives.',
    next: 'Move the object elsewhere, or import it.',
  },
  SEGMENT_TAKEN: { means: 'Another writer made an object of this name.' },
  BLOCK_CORRUPT: {
    means: 'A block of a segment or of the local log is not what was written.',
    next: 'millpond verify says how much of the archive is affected',
  },
  RECORD_SET_CORRUPT: {
    means: 'Record batches of Kafka, as a broker gave them or a segment holds them, are not what they should be.',
    next: 'millpond verify says whether the archive is affected; kafka-dump-log looks at what the broker holds',
  },
  FORMAT_NOT_READABLE: {
    means:
      'Messages are to be searched, replayed or restored whose segments are in a format that keeps only part of them: `csv`, `raw`, or one that begins with `value-`.',
    next: 'read the objects themselves with tools of their format; docs/formats.md says which values of archive.format keep everything',
  },
  FORMAT_UNSUPPORTED: { means: 'A segment has a format or codec that this version cannot read.' },
  LOG_CORRUPT: {
    means: 'The local log is damaged.',
    next: 'stop writing; what is in the archive is not affected: millpond verify',
  },
  LOG_UNAVAILABLE: { means: 'The local log does not open or answer.', next: 'check local.path and its rights' },
  LOG_FULL: {
    means: 'There is no room left where the local log lies.',
    next: 'free some room, or let local.retention remove what is archived',
  },
  INDEX_CORRUPT: { means: 'The index is damaged; the archive is not affected.', next: 'millpond index rebuild' },
  INDEX_UNAVAILABLE: {
    means: 'The index does not open or answer.',
    next: 'check index.path and its rights, or the database that index.type names',
  },
  INDEX_GAP: { means: 'The index lacks a commit before the one that is to be added.', next: 'millpond index rebuild' },
  BROKER_UNAVAILABLE: {
    means: 'A broker does not answer, or cannot serve the request at the moment.',
    next: 'check that the brokers run and can be reached under the addresses they advertise; the same may succeed later',
  },
  BROKER_REFUSED: {
    means: 'A broker answered and will not do what was asked: credentials, certificates, rights, or a version too old.',
    next: 'the message says what was refused; check credentials, certificates and access rights',
  },
  REGISTRY_UNAVAILABLE: {
    means: 'The schema registry does not answer, or cannot serve the request at the moment.',
    next: 'check registry.urls and that the registry runs; a service that runs goes on by itself, and skips nothing meanwhile',
  },
  REGISTRY_REFUSED: {
    means: 'The schema registry, or another server in its place, answered and will not do what was asked.',
    next: 'the message says what was refused; check registry.urls, credentials, certificates and access rights',
  },
  SCHEMA_INVALID: {
    means:
      'A schema cannot be read, refers to one that the registry does not have, is missing, or does not describe the value that is given with it.',
  },
  SCHEMA_DAMAGED: {
    means: 'An archived schema is not what was written.',
    next: 'millpond verify lists them; the messages themselves are not affected',
  },
  MEMBER_REPLACED: { means: 'Another process took the name of this member of a consumer group.' },
  SOURCE_DIFFERS: { means: 'The archive and its source say different things of the same position.' },
  TABLE_CORRUPT: {
    means: 'The metadata of an Iceberg table is not what it should be. Archive and data files are not affected.',
    next: 'remove the table in its catalogue, or its folder; `millpond iceberg sync` makes it anew from the archive',
  },
  TABLE_MISMATCH: {
    means: 'An Iceberg table of this name is there and is not that of this topic or archive, or lies outside the store.',
    next: 'set iceberg.tables.<topic>.table to another name, iceberg.root to the address of the store, or remove the table',
  },
  TABLE_CONFLICT: {
    means: 'Others changed an Iceberg table again and again while files were to be added to it. Nothing was added twice.',
    next: 'run it again when less is written to the table',
  },
  SCHEMA_CONFLICT: {
    means:
      'A column of a new file cannot be the column of that name in the Iceberg table: text is no number, a longer type no shorter one.',
    next: 'set iceberg.tables.<topic>.table to a new name: the table is made anew from all of the archive',
  },
  CATALOG_UNAVAILABLE: {
    means: 'The Iceberg catalogue does not answer, or cannot at the moment.',
    next: 'check iceberg.rest.url and the network; the same may succeed later',
  },
  CATALOG_REFUSED: {
    means: 'The Iceberg catalogue answered and will not do what was asked: credentials, rights, or a name that it does not take.',
    next: 'the message says what was refused; check iceberg.rest and the rights there',
  },
  ADDRESS_IN_USE: { means: 'Something else listens at this address.', next: 'set another http.port, or 0 for a free one' },
  VERIFY_FAILED: { means: 'The archive is not what it should be; the report says where.' },
  OUTPUT_FAILED: { means: 'What a command has to say could not be written.' },
  DELIVERY_FAILED: {
    means: 'The target of a replay takes nothing more at the moment.',
    next: 'millpond replay --resume <job> goes on where it stopped',
  },
  IMPORT_CONFLICT: {
    means: 'Objects cannot be imported: the archive has their positions already, or two of them hold the same.',
    next: 'the message names the object; docs/import.md says what can be done',
  },
  FUNCTION_INVALID: {
    means:
      'A function file is not there, does not load, has no function as its default export, or is not the one that the job was made with.',
    next: 'docs/replay.md shows what a function is',
  },
  JOB_CONFLICT: { means: 'Another process runs this job, or it has ended.', next: 'millpond jobs show <job>' },
  SCHEDULE_CONFLICT: {
    means: 'A schedule of this name is there already, or there are 1,000.',
    next: 'millpond schedules lists all schedules; choose another name, or remove one',
  },
  COMPACT_UNFIT: {
    means: 'Segments are to be rewritten in a format that cannot hold one of their messages. Nothing was replaced.',
    next: 'leave --format out, or name another; the message says which message it is',
  },
  COMPACT_CONFLICT: {
    means: 'Others compact the same lane at the same time. Nothing is lost.',
    next: 'run one of them at a time',
  },
  TOPIC_HELD: {
    means: 'Nothing of this topic may be removed: it is under legal hold.',
    next: '`millpond hold list` says who holds it and why; `millpond hold remove <topic>` ends that',
  },
  FORGET_INCOMPLETE: {
    means: 'Some of the messages are forgotten, and some objects that may hold others cannot be written anew.',
    next: 'the output names them; docs/expire.md says what can be done',
  },
  JOBS_UNAVAILABLE: {
    means: 'The database of the replay jobs does not open or answer.',
    next: 'check jobs.path and its rights, or the database that jobs.type names',
  },
  JOBS_CORRUPT: {
    means: 'The database of the replay jobs is damaged.',
    next: 'move the file at jobs.path away; a new one is made',
  },
  REPLAY_LOOP: {
    means: 'A replay would write to a topic that it reads from, or that the archive stores.',
    next: 'choose another target, or say --allow-loop',
  },
  SEARCH_TOO_LARGE: {
    means: 'A search over HTTP used up what one request may read or take, before there was anything to give.',
    next: 'narrow it by topic, time or position, or raise search.maxBytes or search.maxTime',
  },
  TOO_BUSY: { means: 'More is on its way than memory is allowed for.', next: 'send again in a moment' },
  KERNEL_MISSING: { means: 'The compiled kernel is not there.', next: 'npm run kernel, or install the package again' },
  STOPPED: { means: 'A signal ended the work before it was complete. What was told to be done is done.' },
  INTERNAL: { means: 'A defect in Millpond.', next: 'please report it with the lines below' },
}

/** What to do about the error. */
export function nextStep(error: MillpondError): string | undefined {
  return errorHelp[error.code].next
}
