import type * as Kafka from '@platformatic/kafka'
import { type Args, type Versions, versionsOf } from './cluster-apis.ts'
import { protocol } from './protocol.ts'

export const listOffsetsVersions = versionsOf<
  Args<typeof Kafka.listOffsetsV7.createRequest>,
  Kafka.listOffsetsV7.ListOffsetsResponse
>(protocol.listOffsetsV7.api, protocol.listOffsetsV6.api, protocol.listOffsetsV5.api, protocol.listOffsetsV4.api)

export const describeConfigsVersions = versionsOf<
  Args<typeof Kafka.describeConfigsV4.createRequest>,
  Kafka.describeConfigsV4.DescribeConfigsResponse
>(protocol.describeConfigsV4.api, protocol.describeConfigsV3.api, protocol.describeConfigsV2.api)

/** Older versions cannot leave the number of replicas to the brokers. */
export const createTopicsVersions = versionsOf<
  Args<typeof Kafka.createTopicsV7.createRequest>,
  Kafka.createTopicsV7.CreateTopicsResponse
>(protocol.createTopicsV7.api, protocol.createTopicsV6.api, protocol.createTopicsV5.api, protocol.createTopicsV4.api)

export const alterConfigsVersions = versionsOf<
  Args<typeof Kafka.incrementalAlterConfigsV1.createRequest>,
  Kafka.incrementalAlterConfigsV1.IncrementalAlterConfigsResponse
>(protocol.incrementalAlterConfigsV1.api, protocol.incrementalAlterConfigsV0.api)

export const listGroupsVersions = versionsOf<
  Args<typeof Kafka.listGroupsV5.createRequest>,
  Kafka.listGroupsV5.ListGroupsResponse
>(protocol.listGroupsV5.api, protocol.listGroupsV4.api)

export const deleteGroupsVersions = versionsOf<
  Args<typeof Kafka.deleteGroupsV2.createRequest>,
  Kafka.deleteGroupsV2.DeleteGroupsResponse
>(protocol.deleteGroupsV2.api, protocol.deleteGroupsV1.api)

/** Groups whose offsets are asked for; of all topics where none are named. */
type OffsetFetchArgs = [
  groups: readonly { groupId: string; topics: { name: string; partitionIndexes: number[] }[] | null }[],
  stable: boolean,
]

/** Kafka 3.0 and later: older ones know one group a request, asked for in another form. */
export const offsetFetchVersions = versionsOf(protocol.offsetFetchV8.api) as unknown as Versions<
  OffsetFetchArgs,
  Kafka.offsetFetchV8.OffsetFetchResponse
>

export const offsetCommitVersions = versionsOf<
  Args<typeof Kafka.offsetCommitV8.createRequest>,
  Kafka.offsetCommitV8.OffsetCommitResponse
>(protocol.offsetCommitV8.api)

/** Versions from 3 on let a producer go on from the epoch it has. */
export const initProducerIdVersions = versionsOf<
  [transactionalId: string | null, timeoutMs: number, id: bigint, epoch: number],
  Kafka.initProducerIdV4.InitProducerIdResponse
>(protocol.initProducerIdV4.api, protocol.initProducerIdV3.api)

/** Later versions speak for several transactions, and are spoken by brokers. */
export const addPartitionsVersions = versionsOf<
  Args<typeof Kafka.addPartitionsToTxnV3.createRequest>,
  Kafka.addPartitionsToTxnV3.AddPartitionsToTxnResponse
>(protocol.addPartitionsToTxnV3.api)

export const addOffsetsVersions = versionsOf<
  Args<typeof Kafka.addOffsetsToTxnV3.createRequest>,
  Kafka.addOffsetsToTxnV3.AddOffsetsToTxnResponse
>(protocol.addOffsetsToTxnV3.api)

export const txnOffsetCommitVersions = versionsOf<
  Args<typeof Kafka.txnOffsetCommitV3.createRequest>,
  Kafka.txnOffsetCommitV3.TxnOffsetCommitResponse
>(protocol.txnOffsetCommitV3.api)

export const endTxnVersions = versionsOf<Args<typeof Kafka.endTxnV3.createRequest>, Kafka.endTxnV3.EndTxnResponse>(
  protocol.endTxnV3.api,
)
