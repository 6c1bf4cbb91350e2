import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ReplayJob } from '../../src/replay/job.ts'
import type { JobStore } from '../../src/replay/jobs.ts'
import { until } from '../live/until.ts'

const PROCESS = join(import.meta.dirname, 'worker-child.ts')
const DEADLINE_MS = 90_000

/** Worker processes, two at a time, that a test kills. */
export interface Crew extends AsyncDisposable {
  /**
   * Lets two processes work on a job until it is done. `kills` times one of them is killed, right after it got on with a part of its own, and another
   * one is started in its place.
   */
  finish(id: string, kills: number): Promise<ReplayJob>
}

export function createCrew(jobs: JobStore, words: readonly string[]): Crew {
  const children: ChildProcess[] = []
  const start = () => {
    const child = spawn(process.execPath, [PROCESS, ...words], { stdio: ['ignore', 'inherit', 'inherit'] })
    children.push(child)
    return child
  }
  const end = async (child: ChildProcess, signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill(signal)
    await closed
  }
  const look = async (id: string) => (await jobs.get(id, Date.now()))!
  return {
    async finish(id, kills) {
      const crew = [start(), start()]
      for (let killed = 0; killed < kills; killed++) {
        const before = await look(id)
        const getsOn = async () => {
          const now = await look(id)
          // More was read since, by whoever holds parts now.
          return now.state === 'done' || (now.counts.read > before.counts.read && now.parts.some(({ owner }) => owner !== null))
        }
        await until(getsOn, 'the job to get on', DEADLINE_MS)
        await end(crew.shift()!, 'SIGKILL')
        crew.push(start())
      }
      await until(async () => (await look(id)).state === 'done', 'the job to be done', DEADLINE_MS)
      for (const child of crew) {
        await end(child, 'SIGTERM')
        expect(child.exitCode).toBe(0)
      }
      return look(id)
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) await end(child, 'SIGKILL')
    },
  }
}
