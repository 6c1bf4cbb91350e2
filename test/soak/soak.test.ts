import { randomInt } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { tmpfsMissing } from '../live/tmpfs.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { runSoak } from './soak.ts'

const MINUTES = 2
/** Starting, catching up, verifying and replaying come on top, on a machine that has other things to do. */
const LIMIT_MS = 10 * 60_000

const isMissing = (['kafka', 'minio', 'toxiproxy'] as const).some((name) => serverMissing(name) !== undefined)

describe.skipIf(isMissing)('exactly once under fire', () => {
  it(
    'archives every acknowledged message once, in order, byte for byte, whatever goes wrong, and replays it so',
    async () => {
      // Each run is another one; its first line names the seed.
      const seed = randomInt(2 ** 31)
      const report = await runSoak({
        minutes: MINUTES,
        seed,
        messagesPerSecond: 2_000,
        groupProtocol: seed % 2 === 0 ? 'classic' : 'consumer',
        tell: (line) => process.stderr.write(`soak: ${line}\n`),
      })
      expect(report).toMatchObject({
        lost: 0,
        doubled: 0,
        changed: 0,
        misplaced: 0,
        foreign: 0,
        problems: [],
        verified: true,
        stuck: 0,
        replay: { equal: true, archived: report.archived, copied: report.archived },
        restore: { equal: true, archived: report.archived, copied: report.archived },
      })
      expect(report.acknowledged).toBeGreaterThan(10_000)
      expect(report.archived).toBeGreaterThanOrEqual(report.acknowledged)
      expect(report.replay.kills).toBeGreaterThan(0)
      expect(report.restore.kills).toBeGreaterThan(0)
      const happened = Object.entries(report.faults).filter(([, times]) => times > 0)
      expect(happened).toHaveLength(tmpfsMissing === undefined ? 14 : 13)
    },
    GET_LIMIT_MS + LIMIT_MS,
  )
})
