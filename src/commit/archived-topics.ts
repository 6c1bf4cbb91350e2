import type { Store } from '../store/store.ts'
import { readGenesis, topicChains } from './chain.ts'

/** The topics that the archive has, by name. */
export async function archivedTopics(store: Store, signal?: AbortSignal): Promise<string[]> {
  const topics = new Set<string>()
  for await (const { folders } of topicChains(store, undefined, signal)) {
    // All lanes of a folder are of one topic.
    for (const folder of folders) {
      const genesis = await readGenesis(store, folder, signal)
      if (genesis === undefined) continue
      topics.add(genesis.topic)
      break
    }
  }
  return [...topics].sort()
}
