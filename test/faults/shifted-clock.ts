import { readFileSync } from 'node:fs'

/*
 * Imported by a process before the program: its wall clock is off by the milliseconds in the file that CLOCK_OFFSET_FILE names, as
 * they are at each moment. Timers and the monotonic clock go on as they are, as when somebody sets the clock of a machine.
 */
const file = process.env['CLOCK_OFFSET_FILE'] ?? ''
const realNow = Date.now

const nowMs = (): number => realNow() + Number(readFileSync(file, 'utf8'))

globalThis.Date = new Proxy(Date, {
  construct: (target, given: []) => (given.length === 0 ? new target(nowMs()) : new target(...given)),
  get: (target, name, receiver): unknown => (name === 'now' ? nowMs : Reflect.get(target, name, receiver)),
})
