import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archiveAll, succeed, verified } from '../live/messages.ts'
import { configure, serve } from '../live/program.ts'

const BYTES = 100 * 1024 * 1024

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-large-'))
  await configure(dir, { http: { maxBodyBytes: '128 MiB', maxMessageBytes: '128 MiB' }, log: { level: 'warn' } })
})
afterAll(async () => {
  await rm(dir, { recursive: true })
})

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('a message of 100 MB', { timeout: 300_000 }, () => {
  it('goes all the way, in by HTTP and out by search and replay, and its bytes are equal', async () => {
    // Half of it cannot be made smaller, and no byte is special to anybody.
    const value = Buffer.concat([randomBytes(BYTES / 2), Buffer.alloc(BYTES / 2, 'line\n\u0000')])
    const served = await serve(dir)
    const response = await fetch(`${served.url}/topics/large/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', 'millpond-id': 'the-large-one', 'millpond-key': 'k' },
      body: value,
    })
    expect([response.status, await response.json()]).toMatchObject([200, { count: 1 }])
    expect((await served.stop()).exitCode).toBe(0)
    await archiveAll(dir)
    expect(await verified(dir)).toMatchObject({ messages: 1 })

    const found = await succeed(dir, ['search', '--topic', 'large', '--id', 'the-large-one', '--format', 'raw'])
    expect([found.stdout.length, sha256(found.stdout.subarray(0, BYTES))]).toEqual([BYTES + 1, sha256(value)])

    const file = join(dir, 'out.jsonl')
    await succeed(dir, ['replay', '--topic', 'large', '--id', 'the-large-one', '--to', `file:${file}`])
    const line = JSON.parse(await readFile(file, 'utf8')) as { id: string; key: string; valueBase64: string }
    expect([line.id, line.key, sha256(Buffer.from(line.valueBase64, 'base64'))]).toEqual(['the-large-one', 'k', sha256(value)])
  })
})
