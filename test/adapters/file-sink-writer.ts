import { batchOf } from '../../src/batch/builder.ts'
import { openFileSink } from '../../src/adapters/file/sink.ts'

/*
 * A replay job of two lanes into a file, or to standard output, until it is done or killed; it prints a line to standard error when it has
 * begun to write. Arguments: path, format, whether it appends, whether it is resumed, messages of a lane.
 */
const [, , path = '', format = '', append = '', resumed = '', count = ''] = process.argv
const job = 'job-1'
const sink = await openFileSink({
  path,
  format: format === 'raw' ? 'raw' : 'json',
  append: append === 'true',
  ...(resumed === 'true' && { resumeJob: job }),
})

async function writeLane(lane: string): Promise<void> {
  const target = { topic: 'orders', origin: { topic: 'orders', lane }, job }
  let position = (await sink.resumePosition?.(target)) ?? 0
  while (position < Number(count)) {
    const length = Math.min(1 + (position % 7), Number(count) - position)
    const messages = Array.from({ length }, (_, i) => ({
      position: position + i,
      timestamp: 0,
      value: `${lane}-${position + i}`,
    }))
    await sink.write(target, batchOf(messages), new AbortController().signal)
    position += length
    if (position < 50) process.stderr.write('.\n')
  }
}

try {
  await Promise.all(['0', '1'].map(writeLane))
  await sink[Symbol.asyncDispose]()
} catch (error) {
  process.stderr.write(`${JSON.stringify(error)}\n`)
  process.exitCode = 3
}
