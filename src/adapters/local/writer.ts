import { Worker } from 'node:worker_threads'
import { type ErrorCode, errorTable, MillpondError } from '../../errors.ts'
import type { Answer, Operation, OperationName, Operations, ThreadReply, ThreadRequest, ToldError } from './operations.ts'

/** The one thread that writes, as its process sees it. Operations that come while a transaction runs go together in the next. */
export interface Writer {
  /** Resolves when the operation is durable. Buffers in `transfer` are handed over and are empty afterwards. */
  run<Name extends OperationName>(
    name: Name,
    given: Operations[Name]['given'],
    transfer?: readonly ArrayBuffer[],
  ): Promise<Operations[Name]['answer']>
  /**
   * Takes the write lock of the log, so that no other process changes it before the operation that `prepare` gives has run; where
   * it gives none, nothing is done and answered.
   */
  runLocked<Name extends OperationName>(
    name: Name,
    prepare: () => Promise<Prepared<Name> | undefined>,
  ): Promise<Operations[Name]['answer'] | undefined>
  close(): Promise<void>
}

interface Prepared<Name extends OperationName> {
  readonly given: Operations[Name]['given']
  readonly transfer: readonly ArrayBuffer[]
}

interface Waiting {
  readonly operation: Operation
  readonly transfer: readonly ArrayBuffer[]
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
}

type RequestBody<Body = ThreadRequest> = Body extends ThreadRequest ? Omit<Body, 'id'> : never

/** The error that the other thread told. */
function heard({ code, message, details }: ToldError): MillpondError {
  return new MillpondError(code in errorTable ? (code as ErrorCode) : 'INTERNAL', message, { details })
}

/** Starts the thread for the log at `path`, which must be there. */
export async function openWriter(path: string): Promise<Writer> {
  const thread = startThread(path)
  await thread.started
  let waiting: Waiting[] = []
  let lockers: (() => Promise<void>)[] = []
  let isRunning = false

  const send = async (batch: readonly Waiting[]) => {
    const operations = batch.map(({ operation }) => operation)
    const transfer = batch.flatMap((one) => one.transfer)
    try {
      const answers = await thread.ask({ kind: 'transact', operations }, transfer)
      for (const [i, { resolve, reject }] of batch.entries()) {
        const answer: Answer = answers[i]!
        if (answer.ok) resolve(answer.answer)
        else reject(heard(answer.error))
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
  const work = async () => {
    if (isRunning) return
    isRunning = true
    while (waiting.length > 0 || lockers.length > 0) {
      const batch = waiting
      waiting = []
      if (batch.length > 0) await send(batch)
      const locked = lockers
      lockers = []
      for (const run of locked) await run()
    }
    isRunning = false
  }
  const unlockAndThrow = async (error: unknown): Promise<never> => {
    await thread.ask({ kind: 'unlock' })
    throw error
  }
  const enqueue = <Name extends OperationName>(
    name: Name,
    given: Operations[Name]['given'],
    transfer: readonly ArrayBuffer[],
  ) => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const operation = { name, given } as Operation
    return { promise: promise as Promise<Operations[Name]['answer']>, item: { operation, transfer, resolve, reject } }
  }
  return {
    run(name, given, transfer = []) {
      const { promise, item } = enqueue(name, given, transfer)
      waiting.push(item)
      void work()
      return promise
    },
    runLocked<Name extends OperationName>(name: Name, prepare: () => Promise<Prepared<Name> | undefined>) {
      const done = Promise.withResolvers<Operations[Name]['answer'] | undefined>()
      const runAlone = async () => {
        await thread.ask({ kind: 'lock' })
        const prepared = await prepare().catch(unlockAndThrow)
        if (prepared === undefined) {
          await thread.ask({ kind: 'unlock' })
          return undefined
        }
        const { promise, item } = enqueue(name, prepared.given, prepared.transfer)
        await send([item])
        return promise
      }
      lockers.push(() => runAlone().then(done.resolve, done.reject))
      void work()
      return done.promise
    },
    close: () => thread.stop(),
  }
}

interface Thread {
  readonly started: Promise<unknown>
  ask(request: RequestBody, transfer?: readonly ArrayBuffer[]): Promise<readonly Answer[]>
  stop(): Promise<void>
}

/** The thread with its open questions; it holds up the end of the process only while there are any. */
function startThread(path: string): Thread {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./log-worker.${extension}`, import.meta.url), { workerData: { path } })
  const open = new Map<number, { resolve: (answers: readonly Answer[]) => void; reject: (error: unknown) => void }>()
  let lastId = -1
  let failure: MillpondError | undefined
  const fail = (cause: unknown) => {
    failure ??= new MillpondError('LOG_UNAVAILABLE', `local log ${path}: the thread that writes has ended`, { cause })
    for (const { reject } of open.values()) reject(failure)
    open.clear()
  }
  const expect = (id: number) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Answer[]>()
    open.set(id, { resolve, reject })
    worker.ref()
    return promise
  }
  worker.on('message', (reply: ThreadReply) => {
    const question = open.get(reply.id)
    open.delete(reply.id)
    if (open.size === 0) worker.unref()
    if (reply.ok) question?.resolve(reply.answers)
    else question?.reject(heard(reply.error))
  })
  worker.on('error', fail)
  worker.on('exit', (exitCode) => fail(new Error(`exit code ${exitCode}`)))
  const ask: Thread['ask'] = async (request, transfer = []) => {
    if (failure) throw failure
    lastId += 1
    const answers = expect(lastId)
    worker.postMessage({ ...request, id: lastId }, transfer)
    return answers
  }
  lastId = 0
  return {
    started: expect(0),
    ask,
    async stop() {
      if (failure) return
      const ended = new Promise((resolve) => worker.once('exit', resolve))
      await ask({ kind: 'close' })
      worker.ref()
      await ended
    },
  }
}
