import { parse } from 'yaml'
import { MillpondError } from '../errors.ts'
import { dataphosBook, dataphosStandards, isOfBlobsAlone } from './dataphos-rules.ts'
import type { AccountEntry, Draft, Migration } from './draft.ts'
import { helmVariables } from './helm.ts'
import { parseEnvironment } from './properties.ts'
import { translate } from './rules.ts'

/** What no variable says. */
function complete(draft: Draft): void {
  draft.set('layout.type', 'dataphos')
  if (!isOfBlobsAlone(draft)) draft.set('archive.format', 'avro')
  if (draft.value('READER_TYPE') === undefined)
    draft.set('source.type', draft.value('READER_KAFKA_ADDRESS') === undefined ? 'local' : 'kafka')
  const isKafka = (draft.value('READER_TYPE') ?? 'kafka') === 'kafka'
  const addresses = ['READER_KAFKA_ADDRESS', 'KAFKA_BROKERS']
  if (isKafka && addresses.every((name) => draft.value(name) === undefined))
    draft.set('kafka.brokers', ['${KAFKA_BROKER:-localhost:9092}'])
  if (draft.value('READER_KAFKA_TOPICID') === undefined) draft.set('source.topics', [draft.value('STORAGE_TOPICID') ?? 'orders'])
}

/**
 * A configuration of Millpond for what Dataphos Persistor does. `text` is an environment file, or the values of its Helm chart; of
 * several persistors in them `id` names the one.
 * @throws MillpondError `INPUT_INVALID` for anything else.
 */
export function migrateDataphos(text: string, id?: string): Migration {
  const values = helmValues(text)
  if (values === undefined)
    return translate(parseEnvironment(text), {
      from: 'Dataphos Persistor',
      book: dataphosBook,
      standards: dataphosStandards,
      complete,
    })
  const { variables, origins, others } = helmVariables(values, id)
  const migration = translate(variables, {
    from: 'Dataphos Persistor (Helm)',
    book: dataphosBook,
    standards: dataphosStandards,
    complete,
  })
  // The account names what stands in the values.
  const named = migration.account.map((entry): AccountEntry => ({
    ...entry,
    property: origins.get(entry.property) ?? entry.property,
  }))
  const needed = migration.variables.map((one) => ({ ...one, property: origins.get(one.property) ?? one.property }))
  return { ...migration, account: [...named, ...others], variables: needed }
}

/** The values of a chart; undefined for an environment file. */
function helmValues(text: string): Record<string, unknown> | undefined {
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    if (parseEnvironment(text).size > 0) return undefined
    throw new MillpondError('INPUT_INVALID', `the file is neither an environment file nor YAML: ${String(error)}`, {
      cause: error,
    })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  if (parseEnvironment(text).size > 0) return undefined
  throw new MillpondError('INPUT_INVALID', 'the file is neither an environment file nor values of a Helm chart')
}
