import { type FaultProxy, startFaultProxy } from '../servers/fault-proxy.ts'
import { type Kafka, startKafka } from '../servers/kafka.ts'
import { startMinio } from '../servers/minio.ts'
import { openFolder } from '../servers/process.ts'
import type { S3Server } from '../servers/s3.ts'
import { type Proxy, startToxiproxy, type Toxiproxy } from '../servers/toxiproxy.ts'

export const TOPIC = 'soak'
export const SESSION_TIMEOUT_MS = 6_000
const BUCKET = 'soak'
const REQUEST_TIMEOUT = '5s'

export type GroupProtocol = 'classic' | 'consumer'

export interface FieldOptions {
  readonly seed: number
  readonly partitions: number
  readonly groupProtocol: GroupProtocol
  /** Where the store's data lies, where it is not to be the disk: a file system that can be filled. */
  readonly storePath: string | undefined
}

/** All that the soak runs on. */
export interface Field extends AsyncDisposable {
  readonly kafka: Kafka
  readonly store: S3Server
  readonly toxiproxy: Toxiproxy
  readonly kafkaNetwork: Proxy
  /** The way to the store; behind it are its answers. */
  readonly storeNetwork: Proxy
  readonly storeAnswers: FaultProxy
  /** For whatever else is written; goes with all of it. */
  readonly folder: string
  /** The configuration of a program, that has everything between it and the servers that can go wrong, or nothing. */
  readonly config: (way: 'through faults' | 'straight', format?: 'avro' | 'kafka') => object
  /** Lets everything through again. */
  readonly calm: () => Promise<void>
}

/** Starts the servers, and what stands before them. */
export async function openField({ seed, partitions, groupProtocol, storePath }: FieldOptions): Promise<Field> {
  await using opened = new AsyncDisposableStack()
  const { path: folder, remove } = openFolder('soak')
  opened.defer(remove)
  const toxiproxy = opened.use(await startToxiproxy())
  const session = String(SESSION_TIMEOUT_MS)
  // In its new protocol the broker says how long a silent member is waited for.
  const properties = { 'group.consumer.session.timeout.ms': session }
  const kafka = opened.use(await startKafka({ through: toxiproxy, properties }))
  await kafka.createTopic(TOPIC, { partitions, config: { 'retention.ms': '-1' } })
  const store = opened.use(await startMinio(storePath === undefined ? {} : { dataPath: storePath }))
  await store.createBucket(BUCKET)
  const storeAnswers = opened.use(await startFaultProxy(store.endpoint, seed))
  const storeNetwork = await toxiproxy.createProxy('store', new URL(storeAnswers.url).host)
  const kafkaNetwork = kafka.nodes[0]!.proxy!
  const kept = opened.move()
  return {
    kafka,
    store,
    toxiproxy,
    kafkaNetwork,
    storeNetwork,
    storeAnswers,
    folder,
    config: (way, format = 'avro') => ({
      source: { type: 'kafka', topics: [TOPIC], group: 'soak' },
      kafka: {
        brokers: (way === 'straight' ? kafka.bootstrap : kafka.proxied()).split(','),
        sessionTimeout: SESSION_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT,
        groupProtocol,
      },
      store: { type: 's3' },
      s3: {
        bucket: BUCKET,
        endpoint: way === 'straight' ? store.endpoint : `http://${storeNetwork.address}`,
        region: store.region,
        accessKeyId: store.accessKeyId,
        secretAccessKey: store.secretAccessKey,
        timeout: REQUEST_TIMEOUT,
      },
      archive: { format, rotate: { idle: '500ms', maxAge: '1s' } },
    }),
    async calm() {
      storeAnswers.setPlan(undefined)
      await toxiproxy.reset()
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
