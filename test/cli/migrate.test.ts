import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProgram } from '../live/program.ts'

/** Runs the program, and gives what it printed as text. */
async function run(args: readonly string[]) {
  const { exitCode, stdout, stderr } = await runProgram([...args])
  return { exitCode, stderr, stdout: stdout.toString('utf8') }
}

const PROPERTIES = `name=s3-sink
connector.class=io.confluent.connect.s3.S3SinkConnector
topics=orders
format.class=io.confluent.connect.s3.format.json.JsonFormat
flush.size=250
s3.bucket.name=lake
transforms=route
no.such.property=1
`

describe('millpond migrate', { timeout: 60_000 }, () => {
  let folder: string
  const path = (name: string) => join(folder, name)
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-migrate-'))
    await writeFile(path('sink.properties'), PROPERTIES)
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('writes a file that config check takes, and leaves one alone that is there', async () => {
    const args = ['migrate', 'kafka-connect', path('sink.properties'), '--out', path('millpond.yaml')]
    const made = await run(args)
    expect(made).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('transforms=route: messages are archived as they are'),
    })
    expect(made.stdout).toContain('no.such.property=1: nothing is known of it')
    expect(made.stderr).toContain('1 unsupported, 1 unknown')
    expect(await readFile(path('millpond.yaml'), 'utf8')).toContain('maxCount: 250')
    expect(await run(['config', 'check', '--dir', folder])).toMatchObject({ exitCode: 0 })
    expect(await run(args)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('it is there already') })
  })

  it('gives the file on stdout with the account before it, and the account as JSON', async () => {
    const printed = await run(['migrate', 'kafka-connect', path('sink.properties')])
    expect(printed.stdout).toContain('#   flush.size=250 → archive.rotate.maxCount, archive.rotate.exact\n')
    const { stdout } = await run(['migrate', 'kafka-connect', path('sink.properties'), '--json'])
    expect(JSON.parse(stdout)).toMatchObject({
      from: 'Confluent S3 sink',
      config: { s3: { bucket: 'lake' } },
      account: expect.arrayContaining([
        { property: 'no.such.property', value: '1', outcome: 'unknown', keys: [], note: 'nothing is known of it' },
      ]),
    })
  })

  it('reads Dataphos, and says what it cannot read', async () => {
    await writeFile(
      path('persistor.env'),
      'READER_TYPE=kafka\nREADER_KAFKA_ADDRESS=k:9092\nREADER_KAFKA_TOPICID=orders\nSTORAGE_TYPE=gcs\nSTORAGE_DESTINATION=lake\n',
    )
    const made = await run(['migrate', 'dataphos', path('persistor.env')])
    expect(made).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('type: dataphos') })
    expect(await run(['migrate', 'dataphos', path('nowhere.env')])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('cannot read'),
    })
    expect(await run(['migrate', 'kafka-connect', path('persistor.env')])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('names no connector.class'),
    })
  })
})
