import { openFileStore } from '../../../src/adapters/file/store.ts'
import { type KafkaSourceOptions, openKafkaSource } from '../../../src/adapters/kafka/source.ts'
import { startArchiver } from './source-archive.ts'

/** An archiver as a process of its own: its parent kills it. */
const [path, options] = process.argv.slice(2) as [string, string]
const store = await openFileStore({ path, create: true })
const source = await openKafkaSource(JSON.parse(options) as KafkaSourceOptions)
const archiver = startArchiver(source, store)
process.once('SIGTERM', () => void archiver.stop().then(() => process.exit(0)))
// Says that it is at work.
process.stdout.write('started\n')
await archiver.done
