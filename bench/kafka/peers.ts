import { type Bench, costFigures, type Figures, measured } from './bench.ts'
import { inRound } from './copies.ts'
import type { SourceTopic } from './fill.ts'

/** A program of others, given as a command. */
export interface Peer {
  readonly name: string
  readonly command: string
  /** Its name ends in `-restore`: it restores what the peer whose name begins alike has backed up in the same round. */
  readonly restores: boolean
}

const RESTORE = '-restore'

/** Reads `NAME=COMMAND`. @throws Error where the name cannot be that of a bucket. */
export function parsePeer(given: string): Peer {
  const [, name, command] = /^([a-z0-9-]+)=(.+)$/su.exec(given) ?? []
  if (name === undefined || command === undefined) throw new Error(`a peer is NAME=COMMAND, NAME in small letters, not ${given}`)
  return { name, command, restores: name.endsWith(RESTORE) }
}

/** Runs a peer; it is told by its environment where everything is. */
export async function runPeer(bench: Bench, topic: SourceTopic, round: number, peer: Peer): Promise<Figures> {
  const bucket = inRound(`peer-${peer.restores ? peer.name.slice(0, -RESTORE.length) : peer.name}`, round)
  if (!peer.restores) await bench.minio.createBucket(bucket)
  const { endpoint, region, accessKeyId, secretAccessKey } = bench.minio
  const { cost } = await measured(bench, ['sh', '-c', peer.command], {
    KAFKA_BROKERS: bench.kafka.bootstrap,
    KAFKA_TOPIC: topic.name,
    RESTORE_TOPIC: inRound(`${topic.name}-of-${peer.name}`, round),
    MESSAGES: String(topic.messages),
    ROUND: String(round),
    S3_ENDPOINT: endpoint,
    S3_BUCKET: bucket,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  })
  return costFigures(cost, topic.messages)
}
