import type * as Kafka from '@platformatic/kafka'
import { type Args, type Versions, versionsOf } from './cluster-apis.ts'
import type { Protocol } from './protocol.ts'

export const listOffsetsVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.listOffsetsV7.createRequest>, Kafka.listOffsetsV7.ListOffsetsResponse>(
    p.listOffsetsV7.api,
    p.listOffsetsV6.api,
    p.listOffsetsV5.api,
    p.listOffsetsV4.api,
  )

export const describeConfigsVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.describeConfigsV4.createRequest>, Kafka.describeConfigsV4.DescribeConfigsResponse>(
    p.describeConfigsV4.api,
    p.describeConfigsV3.api,
    p.describeConfigsV2.api,
  )

/** Older versions cannot leave the number of replicas to the brokers. */
export const createTopicsVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.createTopicsV7.createRequest>, Kafka.createTopicsV7.CreateTopicsResponse>(
    p.createTopicsV7.api,
    p.createTopicsV6.api,
    p.createTopicsV5.api,
    p.createTopicsV4.api,
  )

export const alterConfigsVersions = (p: Protocol) =>
  versionsOf<
    Args<typeof Kafka.incrementalAlterConfigsV1.createRequest>,
    Kafka.incrementalAlterConfigsV1.IncrementalAlterConfigsResponse
  >(p.incrementalAlterConfigsV1.api, p.incrementalAlterConfigsV0.api)

export const listGroupsVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.listGroupsV5.createRequest>, Kafka.listGroupsV5.ListGroupsResponse>(
    p.listGroupsV5.api,
    p.listGroupsV4.api,
  )

export const deleteGroupsVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.deleteGroupsV2.createRequest>, Kafka.deleteGroupsV2.DeleteGroupsResponse>(
    p.deleteGroupsV2.api,
    p.deleteGroupsV1.api,
  )

/** Groups whose offsets are asked for; of all topics where none are named. */
type OffsetFetchArgs = [
  groups: readonly { groupId: string; topics: { name: string; partitionIndexes: number[] }[] | null }[],
  stable: boolean,
]

/** Kafka 3.0 and later: older ones know one group a request, asked for in another form. */
export const offsetFetchVersions = (p: Protocol) =>
  versionsOf(p.offsetFetchV8.api) as unknown as Versions<OffsetFetchArgs, Kafka.offsetFetchV8.OffsetFetchResponse>

export const offsetCommitVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.offsetCommitV8.createRequest>, Kafka.offsetCommitV8.OffsetCommitResponse>(p.offsetCommitV8.api)

/** Versions from 3 on let a producer go on from the epoch it has. */
export const initProducerIdVersions = (p: Protocol) =>
  versionsOf<
    [transactionalId: string | null, timeoutMs: number, id: bigint, epoch: number],
    Kafka.initProducerIdV4.InitProducerIdResponse
  >(p.initProducerIdV4.api, p.initProducerIdV3.api)

/** Later versions speak for several transactions, and are spoken by brokers. */
export const addPartitionsVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.addPartitionsToTxnV3.createRequest>, Kafka.addPartitionsToTxnV3.AddPartitionsToTxnResponse>(
    p.addPartitionsToTxnV3.api,
  )

export const addOffsetsVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.addOffsetsToTxnV3.createRequest>, Kafka.addOffsetsToTxnV3.AddOffsetsToTxnResponse>(
    p.addOffsetsToTxnV3.api,
  )

export const txnOffsetCommitVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.txnOffsetCommitV3.createRequest>, Kafka.txnOffsetCommitV3.TxnOffsetCommitResponse>(
    p.txnOffsetCommitV3.api,
  )

export const endTxnVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.endTxnV3.createRequest>, Kafka.endTxnV3.EndTxnResponse>(p.endTxnV3.api)
