import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jsonLines, runProgram } from '../live/program.ts'

const COUNT = 3000
const START_MS = Date.UTC(2026, 0, 1)
const line = (n: number) =>
  `${JSON.stringify({ key: `k${n % 100}`, value: { n, text: 'a "b",\u001b[31m' }, headers: { even: String(n % 2 === 0) }, timestamp: START_MS + n * 1000, id: `id-${n}` })}\n`

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-query-cli-'))
  const input = Array.from({ length: COUNT }, (_, n) => line(n)).join('')
  expect((await runProgram(['ingest', 'orders', '--partitions', '2', '--dir', dir], { input })).exitCode).toBe(0)
  expect((await runProgram(['archive', '--once', '--dir', dir])).exitCode).toBe(0)
})
afterAll(() => rm(dir, { recursive: true }))

async function query(...words: string[]) {
  const { exitCode, stdout, stderr } = await runProgram(['query', ...words, '--dir', dir])
  return { exitCode, stdout: stdout.toString(), stderr }
}

describe('millpond query over values', () => {
  it('asks a topic in value-json under paths, and one that came after messages', { timeout: 240_000 }, async () => {
    const folder = await mkdtemp(join(dir, 'values-'))
    const run = async (...words: string[]) => {
      const { exitCode, stdout, stderr } = await runProgram([...words, '--dir', folder])
      return { exitCode, stdout: stdout.toString(), stderr }
    }
    const input = Array.from({ length: 48 }, (_, n) =>
      JSON.stringify({ value: { n, city: n % 2 ? 'Ulm' : null }, timestamp: START_MS + n * 3_600_000 }),
    )
    const ingest = async (lines: readonly string[]) => {
      expect(
        (await runProgram(['ingest', 'sales', '--partitions', '1', '--dir', folder], { input: lines.join('\n') })).exitCode,
      ).toBe(0)
    }
    const config = join(folder, 'millpond.yaml')
    await ingest(input.slice(0, 40))
    await writeFile(config, 'archive: { format: value-json }\nlayout: { type: hive }\n')
    expect(await run('archive', '--once')).toMatchObject({ exitCode: 0 })
    const sql = `SELECT month, day, count(*) AS n, sum(n) AS s, count(city) AS c FROM sales WHERE day = '02' GROUP BY ALL`
    const answer = await run('query', sql)
    expect(answer).toMatchObject({ exitCode: 0, stdout: 'month,day,n,s,c\r\n01,02,16,504,8\r\n' })
    expect(answer.stderr).toMatch(/^read 1 of 2 blocks/u)
    expect((await run('query', sql, '--explain')).stdout).toMatch(/^sales: 1 of 2 blocks.*\n {2}by day 02\n$/u)
    const json = await run('query', 'SELECT _position, n FROM sales ORDER BY n LIMIT 1', '--json')
    expect(JSON.parse(json.stdout)).toEqual({ _position: 0, n: 0 })
    await ingest(input.slice(40))
    await writeFile(config, 'archive: { format: avro }\nlayout: { type: hive }\n')
    expect(await run('archive', '--once')).toMatchObject({ exitCode: 0 })
    expect(await run('query', 'FROM sales')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--only') as string })
    const messages = await run('query', 'SELECT count(*) AS n, min(position) AS first FROM sales', '--only', 'messages')
    expect(messages.stdout).toBe('n,first\r\n8,40\r\n')
    expect((await run('query', 'SELECT count(*) AS n FROM sales', '--only', 'values')).stdout).toBe('n\r\n40\r\n')
  })
})

describe('millpond query', () => {
  it('prints CSV, a table, JSON lines and what it read', async () => {
    const sql = `SELECT position, value->>'$.text' AS text, NULL AS none FROM orders WHERE id = 'id-7'`
    const csv = await query(sql)
    expect(csv).toMatchObject({ exitCode: 0, stdout: 'position,text,none\r\n3,"a ""b"",\u001b[31m",\r\n' })
    expect(csv.stderr).toMatch(/^read 1 of \d+ blocks \(.*\), 1 row in /u)
    const table = await query(sql, '--format', 'table')
    expect(table.stdout).toBe('position  text         none\n       3  a "b",·[31m  -\n')
    const json = await query(sql, '--json')
    expect(jsonLines(Buffer.from(json.stdout))).toEqual([{ position: 3, text: 'a "b",\u001b[31m', none: null }])
    expect(JSON.parse(json.stderr)).toMatchObject({ rows: 1, blocksRead: 1 })
  })

  it('prints as many rows as are asked for, and says that there are more', async () => {
    const { stdout, stderr } = await query('SELECT position FROM orders', '--limit-rows', '5')
    expect(stdout.trim().split('\r\n')).toHaveLength(6)
    expect(stderr).toContain('only the first 5 rows')
  })

  it('writes files whole, or not at all', async () => {
    const path = join(dir, 'out.parquet')
    expect((await query('SELECT key, position, timestamp FROM orders ORDER BY ALL', '--out', path)).exitCode).toBe(0)
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors })
    expect(rows).toHaveLength(COUNT)
    expect(rows[0]).toMatchObject({ key: 'k0', timestamp: expect.any(Date) as Date })
    const csv = join(dir, 'out.csv')
    expect((await query('SELECT count(*) AS n FROM orders', '--out', csv)).exitCode).toBe(0)
    expect(await readFile(csv, 'utf8')).toBe(`n\r\n${COUNT}\r\n`)
    const never = join(dir, 'never.json')
    expect((await query(`SELECT (value->>'$.text')::INT FROM orders`, '--out', never)).exitCode).toBe(2)
    expect((await readdir(dir)).filter((name) => name.includes('never') || name.includes('unfinished'))).toEqual([])
    expect((await query('SELECT 1', '--format', 'parquet')).exitCode).toBe(2)
    expect((await query('SELECT 1', '--out', join(dir, 'nowhere/x.csv'))).exitCode).toBe(6)
  })

  it('reaches files only where it is allowed to', async () => {
    const path = join(dir, 'cities.csv')
    await writeFile(path, 'key,city\nk1,Ulm\n')
    const sql = `SELECT city, count(*) AS n FROM orders JOIN '${path}' USING (key) GROUP BY city`
    expect(await query(sql)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('QUERY_FAILED') as string })
    expect(await query(sql, '--allow-files')).toMatchObject({ exitCode: 0, stdout: `city,n\r\nUlm,${COUNT / 100}\r\n` })
  })

  it('says what it would read', async () => {
    const { stdout } = await query(`FROM orders WHERE lane = '0' AND position < 10`, '--explain')
    expect(stdout).toMatch(/^orders: 1 of \d+ blocks, .*\n {2}by lanes 0, positions \.\.10\n$/u)
    const [explained] = jsonLines(Buffer.from((await query(`FROM orders WHERE key = 'x'`, '--explain', '--json')).stdout))
    expect(explained).toMatchObject({
      reads: [{ topic: 'orders', blocks: 0, conditions: { key: 'by filter' } }],
      plan: expect.any(Array) as unknown,
    })
  })

  it('names the nearest topic', async () => {
    expect(await query('SELECT * FROM oders')).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('did you mean orders?') as string,
    })
  })

  it('ends at Ctrl-C, and leaves no temporary files', async () => {
    const main = join(import.meta.dirname, '../../src/cli/main.ts')
    const temp = await mkdtemp(join(dir, 'temp-'))
    const sql = 'SELECT count(*) FROM orders, range(1000000) a, range(1000000) b'
    const child = spawn(process.execPath, [main, 'query', sql, '--dir', dir], {
      env: { ...process.env, TMPDIR: temp },
      stdio: 'pipe',
    })
    while (!existsSync(temp) || (await readdir(temp)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    await new Promise((resolve) => setTimeout(resolve, 500))
    child.kill('SIGINT')
    const [exitCode] = (await once(child, 'close')) as [number | null]
    expect(exitCode).toBe(130)
    expect(await readdir(temp)).toEqual([])
  })
})
