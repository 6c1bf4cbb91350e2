import { describe, expect, it } from 'vitest'
import { benchCases } from '../../src/cli/bench/cases.ts'
import { jsonLines, runProgram } from '../live/program.ts'

describe('bench', () => {
  it.each(benchCases.map(({ name }) => name))('measures %s and prints one line', { timeout: 120_000 }, async (name) => {
    const { exitCode, stdout, stderr } = await runProgram(['bench', name, '--messages', '20000', '--json'])
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    const [figures, ...more] = jsonLines(stdout) as Record<string, unknown>[]
    expect(more).toEqual([])
    expect(figures).toMatchObject({
      case: name,
      cpuMicrosPerMessage: expect.any(Number),
      peakMemoryMB: expect.any(Number),
      ran: expect.stringContaining('20000 messages'),
    })
    expect(figures).toHaveProperty(name.startsWith('search') ? 'milliseconds' : 'messagesPerSecond', expect.any(Number))
  })

  it.each(['json', 'value-avro', 'csv'])('encodes %s where it is asked to', { timeout: 120_000 }, async (format) => {
    const { exitCode, stdout } = await runProgram(['bench', 'encode', '--format', format, '--messages', '20000', '--json'])
    expect({ exitCode, figures: jsonLines(stdout)[0] }).toMatchObject({
      exitCode: 0,
      figures: { case: 'encode', format, messages: 20_000, bytesPerMessage: expect.any(Number) },
    })
  })

  it('names the cases where there is no such one', async () => {
    const { exitCode, stderr } = await runProgram(['bench', 'fly'])
    expect(exitCode).toBe(2)
    expect(stderr).toContain('http-batch')
  })
})
