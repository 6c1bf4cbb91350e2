/** What a case measured, beside what it ran. Figures of rate and of time are given where the case has them. */
export interface Measurement {
  readonly messages: number
  readonly milliseconds: number
  readonly cpuMicroseconds: number
  readonly peakMemoryBytes: number
}

/** Measures `act`, which gives the number of messages it dealt with; CPU time is that of all threads of this process. */
export async function measure(act: () => Promise<number>): Promise<Measurement> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const messages = await act()
  const milliseconds = performance.now() - start
  const used = process.cpuUsage(cpu)
  return {
    messages,
    milliseconds,
    cpuMicroseconds: used.user + used.system,
    // Of the whole process from its start, kilobytes.
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  }
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** The figures of a case that is about how many messages a second. */
export function rateFigures(measurement: Measurement): Record<string, number> {
  return {
    messagesPerSecond: Math.round(measurement.messages / (measurement.milliseconds / 1000)),
    cpuMicrosPerMessage: rounded(measurement.cpuMicroseconds / measurement.messages, 3),
    peakMemoryMB: Math.round(measurement.peakMemoryBytes / 1e6),
    messages: measurement.messages,
  }
}

/** The smallest, the median and the largest of some times, ms. */
export function spread(milliseconds: readonly number[]): { readonly min: number; readonly median: number; readonly max: number } {
  const sorted = milliseconds.toSorted((a, b) => a - b)
  return {
    min: rounded(sorted[0]!, 2),
    median: rounded(sorted[Math.floor(sorted.length / 2)]!, 2),
    max: rounded(sorted.at(-1)!, 2),
  }
}
