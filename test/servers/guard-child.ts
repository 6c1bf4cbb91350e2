// Outlives the process that started it by as long as it takes to end that one's servers and to remove their folders, however it ended:
// its standard input is a pipe from there, which the system closes. Lines: `+pid 12`, `-pid 12`, `+folder /tmp/x`, `-folder /tmp/x`.
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'

const END_DEADLINE_MS = 5_000

const pids = new Set<number>()
const folders = new Set<string>()

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function endAll(): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  const deadline = performance.now() + END_DEADLINE_MS
  const removeWhenEnded = () => {
    if (performance.now() < deadline && [...pids].some(isAlive)) {
      setTimeout(removeWhenEnded, 20)
      return
    }
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  removeWhenEnded()
}

// What a terminal sends to the whole group when someone types Ctrl-C; the end of the input says the same, and surely.
process.on('SIGINT', () => undefined)
process.on('SIGHUP', () => undefined)

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [act = '', ...rest] = line.split(' ')
    const what = rest.join(' ')
    if (act === '+pid') pids.add(Number(what))
    else if (act === '-pid') pids.delete(Number(what))
    else if (act === '+folder') folders.add(what)
    else if (act === '-folder') folders.delete(what)
  })
  .on('close', endAll)
