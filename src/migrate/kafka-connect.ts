import { MillpondError } from '../errors.ts'
import { aivenSink } from './aiven-rules.ts'
import { confluentSink } from './confluent-rules.ts'
import type { Migration } from './draft.ts'
import { parseConnector } from './properties.ts'
import { type Translation, translate } from './rules.ts'

/** Connectors that can be read, by their class. */
const connectors: Readonly<Record<string, () => Translation>> = {
  'io.confluent.connect.s3.S3SinkConnector': () => confluentSink('s3'),
  'io.confluent.connect.gcs.GcsSinkConnector': () => confluentSink('gcs'),
  'io.confluent.connect.azure.blob.AzureBlobStorageSinkConnector': () => confluentSink('azure'),
  'io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector': () => aivenSink('s3'),
  'io.aiven.kafka.connect.gcs.GcsSinkConnector': () => aivenSink('gcs'),
  'io.aiven.kafka.connect.azure.sink.AzureBlobSinkConnector': () => aivenSink('azure'),
}

/**
 * A configuration of Millpond for what a connector of Kafka Connect does: Confluent's and Aiven's sinks for S3, Google Cloud Storage
 * and Azure. `text` is properties, or JSON as Connect's REST interface has it; the worker's properties may stand in it too.
 * @throws MillpondError `INPUT_INVALID` for anything else.
 */
export function migrateKafkaConnect(text: string): Migration {
  const given = parseConnector(text)
  const name = given.get('connector.class')
  if (name === undefined) throw new MillpondError('INPUT_INVALID', 'the configuration names no connector.class')
  const open = connectors[name.trim()]
  if (open === undefined) {
    throw new MillpondError(
      'INPUT_INVALID',
      `the connector ${name} is not known; known are ${Object.keys(connectors).join(', ')}`,
    )
  }
  return translate(given, open())
}
