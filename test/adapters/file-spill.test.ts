import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openFileSpill } from '../../src/adapters/file/spill.ts'
import { createRandom } from '../live/random.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-spill-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('a spill file', () => {
  it('gives back what it was given, in any order, however often it was emptied meanwhile', async () => {
    await using spill = await openFileSpill(join(folder, 'new'))
    const random = createRandom(1)
    let differences = 0
    const waiting: { expected: Uint8Array; spilled: Awaited<ReturnType<typeof spill.write>> }[] = []
    for (let step = 0; step < 500; step++) {
      if (waiting.length > 0 && random() < (step % 100 > 80 ? 0.95 : 0.45)) {
        const [one] = waiting.splice(Math.floor(random() * waiting.length), 1)
        differences += Math.abs(Buffer.compare(await one!.spilled.read(), one!.expected))
        const from = Math.floor(random() * one!.expected.byteLength)
        const part = new Uint8Array(Math.floor(random() * (one!.expected.byteLength - from)))
        await one!.spilled.readInto(part, from)
        differences += Math.abs(Buffer.compare(part, one!.expected.subarray(from, from + part.byteLength)))
        one!.spilled.free()
        one!.spilled.free()
        continue
      }
      const expected = new Uint8Array(Math.floor(random() * 70_000)).fill(step)
      waiting.push({ expected, spilled: await spill.write(expected) })
    }
    expect(differences).toBe(0)
    for (const { expected, spilled } of waiting) expect(Buffer.compare(await spilled.read(), expected)).toBe(0)
  })

  it('has no name, so that a crash leaves nothing', async () => {
    await using spill = await openFileSpill(folder)
    await spill.write(new Uint8Array(10))
    expect(await readdir(folder)).toEqual([])
  })

  it('says where it cannot be made', async () => {
    await writeFile(join(folder, 'file'), '')
    await expect(openFileSpill(join(folder, 'file', 'below'))).rejects.toThrow(
      expect.objectContaining({ code: 'KEY_INVALID', message: expect.stringContaining('file/below') as string }),
    )
  })
})
