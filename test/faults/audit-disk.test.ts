import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openLineFile } from '../../src/api/auth/audit-file.ts'
import { fill } from '../live/filler.ts'
import { tmpfsMissing, withTmpfs } from '../live/tmpfs.ts'

describe.skipIf(tmpfsMissing !== undefined)('a disk that is full under the audit log', () => {
  it('fails what cannot be written; when there is room again every line that was told durable is there', async () => {
    await withTmpfs(1024 * 1024, async ({ path }) => {
      await using file = openLineFile({ path: join(path, 'audit.jsonl'), rotateBytes: 10_000_000, nowMs: Date.now })
      await file.append(JSON.stringify({ n: 0 }))
      const giveBack = await fill(path)
      const told = [0]
      const failures: unknown[] = []
      for (let n = 1; failures.length < 3; n++) {
        try {
          await file.append(JSON.stringify({ n, filler: 'x'.repeat(500) }))
          told.push(n)
        } catch (error) {
          failures.push(error)
        }
      }
      const full = expect.objectContaining({ code: 'AUDIT_UNAVAILABLE', message: expect.stringContaining('ENOSPC') as string })
      expect(failures).toEqual([full, full, full])
      await giveBack()
      await file.append(JSON.stringify({ n: -1 }))
      const found = (await readFile(join(path, 'audit.jsonl'), 'utf8')).split('\n').flatMap((line) => {
        try {
          return [(JSON.parse(line) as { n: number }).n]
        } catch {
          return []
        }
      })
      expect(told.filter((n) => !found.includes(n))).toEqual([])
      expect(found.at(-1)).toBe(-1)
    })
  })
})
