import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { verifyAgainstKafka } from '../../src/adapters/kafka/verify.ts'
import { openCluster } from '../../src/adapters/kafka/cluster.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { loadConfig } from '../../src/config/load.ts'
import { followChains } from '../../src/index/follow.ts'
import { type Archive, search } from '../../src/search/read.ts'
import { openBroker, openIndex } from '../../src/wiring.ts'
import { openStore } from '../../src/wiring/store.ts'
import type { Checker } from './check.ts'
import { type Field, TOPIC } from './field.ts'

/** How far a partition is. */
export interface LaneState {
  /** The next offset that the broker gives. */
  readonly end: number
  /** The next that will be archived. */
  readonly archived: number
}

/** Looks at the archive from beside, past all that goes wrong. */
export interface ArchiveView extends AsyncDisposable {
  readonly archive: Archive
  /** The folder of its configuration. */
  readonly dir: string
  /** By partition. Fails while the broker is away. */
  readonly lanes: () => Promise<LaneState[]>
  /** Hands all that is archived to the checker. */
  readonly readInto: (checker: Checker) => Promise<void>
  /** What is wrong with the archive, by itself and compared with every offset of the topic; nothing where it is clean. */
  readonly problems: () => Promise<string[]>
}

export async function openArchiveView(field: Field): Promise<ArchiveView> {
  await using opened = new AsyncDisposableStack()
  const dir = join(field.folder, 'view')
  await mkdir(dir)
  await writeFile(join(dir, 'millpond.yaml'), JSON.stringify(field.config('straight')))
  const { config } = await loadConfig({ dir, workingFolder: dir }, {})
  const broker = opened.use(await openBroker(config))
  const store = opened.use(await openStore(config, 'write'))
  const index = opened.use(await openIndex(config))
  const archive = { store, index }
  const kept = opened.move()
  return {
    archive,
    dir,
    async lanes() {
      const [topic] = await broker.topics()
      const ends = await broker.ranges(topic!)
      await followChains(store, index)
      const lanes = await index.lanes(TOPIC)
      return ends.map(({ next }, partition) => ({
        end: next,
        archived: lanes.find(({ lane }) => lane === String(partition))?.nextPosition ?? 0,
      }))
    },
    async readInto(checker) {
      await followChains(store, index)
      for await (const { lane, batch } of search(archive, { topic: TOPIC })) checker.add(Number(lane.lane), batch)
    },
    async problems() {
      await using source = await broker.openSource()
      await using cluster = await openCluster({ brokers: config.kafka.brokers })
      const { problems, messages, compared } = await verifyArchive(store, { against: source })
      const { lanes } = await verifyAgainstKafka(cluster, store)
      return [
        ...problems.map(({ code, lane, position, message }) => `${code} ${lane}@${position ?? ''}: ${message}`),
        ...(compared === messages ? [] : [`of ${messages} messages ${compared} were compared with the source`]),
        ...lanes.flatMap(({ lane, account, problems }) => [
          ...problems.map(({ offset, message }) => `${lane.lane}@${offset}: ${message}`),
          ...(account === undefined ? [`lane ${lane.lane} was not compared with the cluster`] : []),
        ]),
      ]
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
