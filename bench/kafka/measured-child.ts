// Runs a command and writes what it cost: `node measured-child.ts <result.json> <command> [words…]`. Memory is the sum of the largest
// resident sizes of the processes of its tree, CPU time that of all of them, as Linux counted it.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const POLL_MS = 50
const TICKS_PER_SECOND = 100

const [resultFile, command, ...words] = process.argv.slice(2)
if (resultFile === undefined || command === undefined)
  throw new Error('usage: measured-child.ts <result.json> <command> [words…]')

/** Processes below this one, by pid, with their parents; those that end meanwhile are left out. */
function descendants(): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/u.test(name)) continue
    try {
      // Behind the name in parentheses: state, parent.
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
    } catch {
      continue
    }
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && pid !== 0 && (pid === process.pid || isBelow(parents.get(pid)))
  return [...parents.keys()].filter((pid) => pid !== process.pid && isBelow(pid))
}

const peaks = new Map<number, number>()
function look(): void {
  for (const pid of descendants()) {
    try {
      const peak = /^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
      if (peak !== null) peaks.set(pid, Math.max(peaks.get(pid) ?? 0, Number(peak[1])))
    } catch {
      continue
    }
  }
}

/** CPU seconds of all children that have ended and been waited for. */
function childSeconds(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND
}

const startedMs = performance.now()
const child = spawn(command, words, { stdio: 'inherit' })
const timer = setInterval(look, POLL_MS)
child.once('exit', (exitCode) => {
  clearInterval(timer)
  const seconds = (performance.now() - startedMs) / 1000
  // What a wait has not collected yet is there at the next turn.
  setImmediate(() => {
    const peakMemoryMB = Math.round([...peaks.values()].reduce((sum, kB) => sum + kB, 0) / 1000)
    writeFileSync(resultFile, JSON.stringify({ seconds, cpuSeconds: childSeconds(), peakMemoryMB, exitCode }))
    process.exitCode = exitCode ?? 1
  })
})
