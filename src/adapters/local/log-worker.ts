import { parentPort, workerData } from 'node:worker_threads'
import { createStatements, type Statements } from './statements.ts'
import { isMillpondError } from '../../errors.ts'
import { openDatabase } from './database.ts'
import { logError } from './errors.ts'
import type { Answer, Operation, ThreadReply, ThreadRequest, ToldError } from './operations.ts'
import { createGroupWriter } from './write-groups.ts'
import { createLogWriter } from './write-log.ts'

// The one thread of a process that writes to the log: SQLite's calls wait for the disk, and must not hold up the event loop.

const { path } = workerData as { path: string }

const told = (error: unknown): ToldError => {
  const { code, message, details } = logError(error, path)
  return { code, message, details }
}

/** Runs one operation on the connection. */
function executor(sql: Statements): (operation: Operation) => unknown {
  const log = createLogWriter(sql, path)
  const groups = createGroupWriter(sql)
  return ({ name, given }) => {
    switch (name) {
      case 'append':
        return log.append(given)
      case 'createTopic':
        return log.createTopic(given)
      case 'deleteTopic':
        return log.deleteTopic(given.name)
      case 'purge':
        return log.purge(given.maxRows)
      case 'retain':
        return log.retain(given)
      case 'shrink':
        return log.shrink(given.maxPages)
      case 'acknowledge':
        return groups.acknowledge(given)
      case 'heartbeat':
        return groups.heartbeat(given)
      case 'leave':
        return groups.leave(given.group, given.member, given.session)
      case 'deleteGroup':
        return groups.deleteGroup(given.group)
      default:
        throw new TypeError(`no operation ${String(name satisfies never)}`)
    }
  }
}

const port = parentPort!
const send = (reply: ThreadReply) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  port.postMessage(reply)
}

/** Answers the requests of the log, one at a time, in order. */
function serve(): void {
  const database = openDatabase(path, { readOnly: false })
  const execute = executor(createStatements(database))
  let isLocked = false

  const rollback = () => {
    isLocked = false
    if (database.isTransaction) database.exec('ROLLBACK')
  }
  const lock = () => {
    database.exec('BEGIN IMMEDIATE')
    isLocked = true
  }
  /** One transaction. An operation that refuses has changed nothing; an error of SQLite takes all of them back. */
  const runTogether = (operations: readonly Operation[]): Answer[] => {
    try {
      if (!isLocked) lock()
      const answers = operations.map((operation): Answer => {
        try {
          return { ok: true, answer: execute(operation) }
        } catch (error) {
          if (!isMillpondError(error)) throw error
          return { ok: false, error: told(error) }
        }
      })
      database.exec('COMMIT')
      isLocked = false
      return answers
    } catch (error) {
      rollback()
      throw error
    }
  }
  /** What fails together is tried alone, so that one that does not fit on the disk fails alone. */
  const transact = (operations: readonly Operation[]): Answer[] => {
    try {
      return runTogether(operations)
    } catch (error) {
      if (operations.length === 1) return [{ ok: false, error: told(error) }]
      return operations.flatMap((operation) => transact([operation]))
    }
  }
  const answer = (request: ThreadRequest): Answer[] => {
    if (request.kind === 'transact') return transact(request.operations)
    if (request.kind === 'lock') lock()
    else rollback()
    if (request.kind === 'close') database.close()
    return []
  }
  port.on('message', (request: ThreadRequest) => {
    let reply: ThreadReply
    try {
      reply = { id: request.id, ok: true, answers: answer(request) }
    } catch (error) {
      reply = { id: request.id, ok: false, error: told(error) }
    }
    send(reply)
    if (request.kind === 'close') port.close()
  })
  send({ id: 0, ok: true, answers: [] })
}

try {
  serve()
} catch (error) {
  send({ id: 0, ok: false, error: told(error) })
  port.close()
}
