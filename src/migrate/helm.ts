import { MillpondError } from '../errors.ts'
import type { AccountEntry, Outcome } from './draft.ts'

/** Values of the chart as the variables that the chart makes of them. */
interface HelmVariables {
  readonly variables: ReadonlyMap<string, string>
  /** The value that each variable comes from. */
  readonly origins: ReadonlyMap<string, string>
  /** Values that are no variable of this persistor. */
  readonly others: readonly AccountEntry[]
}

type Section = Readonly<Record<string, unknown>>

/** What is a single value, as text. */
const textOf = (value: unknown, standard = ''): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : standard

const sectionOf = (value: unknown): Section => (typeof value === 'object' && value !== null ? (value as Section) : {})

/** The variable of each key of a persistor; those of brokers and stores depend on their type. */
const PERSISTOR: Readonly<Record<string, string>> = {
  batchSize: 'BATCHSETTINGS_BATCHSIZE',
  batchMemory: 'BATCHSETTINGS_BATCHMEMORY',
  batchTimeout: 'BATCHSETTINGS_BATCHTIMEOUT',
  storageTargetID: 'STORAGE_DESTINATION',
  storagePrefix: 'STORAGE_PREFIX',
  storageMask: 'STORAGE_MASK',
  storageCustomValues: 'STORAGE_CUSTOMVALUES',
  deadletterTopic: 'SENDER_DEADLETTERTOPIC',
  clientID: 'AZURE_CLIENT_ID',
  clientSecret: 'AZURE_CLIENT_SECRET',
  tenantID: 'AZURE_TENANT_ID',
}

const SECRET = /secret|password|connectionString|serviceAccountKey/iu

/** What becomes of values that no variable of the persistor holds. */
const OTHERS: readonly (readonly [RegExp, Outcome, string])[] = [
  [/^namespace$/u, 'fixed', 'Kubernetes says it'],
  [/^images\./u, 'fixed', 'one image does all'],
  [/^persistor\.[^.]+\.replicas$/u, 'fixed', 'processes share lanes by the consumer group: as many as there are'],
  [/^persistor\.[^.]+\.(?:broker|storage)$/u, 'fixed', 'names the section that was read'],
  [/^persistor\.[^.]+\.(?:indexer|deadletterBroker)$/u, 'fixed', 'the index follows the commits, dead letters go to files'],
  [/\.serviceAccount(?:Secret|Key)$/u, 'fixed', 'the chain of the SDK: GOOGLE_APPLICATION_CREDENTIALS, workload identity'],
  [/^storage\.[^.]+\.projectID$/u, 'fixed', 'the bucket says it'],
  [/^indexer\./u, 'fixed', 'the index follows the commits: index.path'],
  [/^resubmitter\./u, 'fixed', 'replays: millpond replay, or the HTTP interface of millpond serve'],
  [/^persistor\.[^.]+\.pullMode$/u, 'fixed', 'Dataphos ignores it too'],
]

/**
 * Reads the values of one persistor.
 * @throws MillpondError `INPUT_INVALID` where there is none, or several and none is named.
 */
export function helmVariables(values: Section, id: string | undefined): HelmVariables {
  const persistors = sectionOf(values['persistor'])
  const ids = Object.keys(persistors)
  const chosen = id ?? (ids.length === 1 ? ids[0] : undefined)
  if (chosen === undefined || !ids.includes(chosen)) {
    const message =
      ids.length === 0
        ? 'the values have no persistor'
        : `the values have ${ids.length} persistors: name one of ${ids.join(', ')} by --id`
    throw new MillpondError('INPUT_INVALID', message)
  }
  const persistor = sectionOf(persistors[chosen])
  const variables = new Map<string, string>()
  const origins = new Map<string, string>()
  const take = (variable: string, path: string, value: unknown) => {
    if (value === undefined || value === null) return
    variables.set(variable, textOf(value, JSON.stringify(value)))
    origins.set(variable, path)
  }
  const at = `persistor.${chosen}`
  for (const [key, variable] of Object.entries(PERSISTOR)) take(variable, `${at}.${key}`, persistor[key])
  const broker = textOf(persistor['broker'])
  readBroker(sectionOf(sectionOf(values['brokers'])[broker]), { at, broker, persistor, take })
  const storage = textOf(persistor['storage'])
  const store = sectionOf(sectionOf(values['storage'])[storage])
  take('STORAGE_TYPE', `storage.${storage}.type`, store['type'])
  take('STORAGE_STORAGEACCOUNTID', `storage.${storage}.accountStorageID`, store['accountStorageID'])
  const taken = new Set(origins.values())
  const others = [...leavesOf(values, '')]
    .filter(([path]) => !taken.has(path))
    .map(([path, value]) => otherEntry(path, value, chosen))
  return { variables, origins, others }
}

interface BrokerReader {
  readonly at: string
  readonly broker: string
  readonly persistor: Section
  readonly take: (variable: string, path: string, value: unknown) => void
}

function readBroker(section: Section, { at, broker, persistor, take }: BrokerReader): void {
  const type = textOf(section['type'], 'kafka').toUpperCase()
  take('READER_TYPE', `brokers.${broker}.type`, section['type'])
  take('READER_KAFKA_ADDRESS', `brokers.${broker}.brokerAddr`, section['brokerAddr'])
  take('READER_SERVICEBUS_CONNECTIONSTRING', `brokers.${broker}.connectionString`, section['connectionString'])
  take('READER_PUBSUB_PROJECTID', `brokers.${broker}.projectID`, section['projectID'])
  take(type === 'PUBSUB' ? 'STORAGE_TOPICID' : `READER_${type}_TOPICID`, `${at}.topic`, persistor['topic'])
  take(type === 'KAFKA' ? 'READER_KAFKA_GROUPID' : `READER_${type}_SUBID`, `${at}.consumerID`, persistor['consumerID'])
}

function* leavesOf(value: unknown, path: string): Generator<[path: string, value: unknown]> {
  if (typeof value !== 'object' || value === null) yield [path, value]
  else for (const [key, inner] of Object.entries(value)) yield* leavesOf(inner, path === '' ? key : `${path}.${key}`)
}

function otherEntry(path: string, value: unknown, chosen: string): AccountEntry {
  const shown = SECRET.test(path) ? '(secret)' : textOf(value, JSON.stringify(value))
  const [, section, id] = /^(\w+)\.([^.]+)\./u.exec(path) ?? []
  if (section === 'persistor' && id !== chosen) {
    return {
      property: path,
      value: shown,
      outcome: 'unsupported',
      keys: [],
      note: `another persistor: a configuration of its own, by --id ${id!}`,
    }
  }
  const known = OTHERS.find(([pattern]) => pattern.test(path))
  if (known !== undefined) return { property: path, value: shown, outcome: known[1], keys: [], note: known[2] }
  if (section === 'brokers' || section === 'storage')
    return { property: path, value: shown, outcome: 'fixed', keys: [], note: 'not of this persistor' }
  return { property: path, value: shown, outcome: 'unknown', keys: [], note: 'nothing is known of it' }
}
