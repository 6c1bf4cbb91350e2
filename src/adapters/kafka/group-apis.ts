import type * as Kafka from '@platformatic/kafka'
import { type Args, versionsOf } from './cluster-apis.ts'
import type { Protocol } from './protocol.ts'

export const joinGroupVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.joinGroupV9.createRequest>, Kafka.joinGroupV9.JoinGroupResponse>(
    p.joinGroupV9.api,
    p.joinGroupV8.api,
    p.joinGroupV7.api,
    p.joinGroupV6.api,
    p.joinGroupV5.api,
  )

export const syncGroupVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.syncGroupV5.createRequest>, Kafka.syncGroupV5.SyncGroupResponse>(
    p.syncGroupV5.api,
    p.syncGroupV4.api,
    p.syncGroupV3.api,
  )

export const heartbeatVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.heartbeatV4.createRequest>, Kafka.heartbeatV4.HeartbeatResponse>(
    p.heartbeatV4.api,
    p.heartbeatV3.api,
  )

export const leaveGroupVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.leaveGroupV5.createRequest>, Kafka.leaveGroupV5.LeaveGroupResponse>(
    p.leaveGroupV5.api,
    p.leaveGroupV4.api,
    p.leaveGroupV3.api,
  )

/** Members of the newer protocol need version 9. */
export const offsetCommitVersions = (p: Protocol) =>
  versionsOf<Args<typeof Kafka.offsetCommitV9.createRequest>, Kafka.offsetCommitV9.OffsetCommitResponse>(
    p.offsetCommitV9.api,
    p.offsetCommitV8.api,
    p.offsetCommitV7.api,
  )

export const consumerGroupHeartbeatVersions = (p: Protocol) =>
  versionsOf<
    Args<typeof Kafka.consumerGroupHeartbeatV1.createRequest>,
    Kafka.consumerGroupHeartbeatV1.ConsumerGroupHeartbeatResponse
  >(p.consumerGroupHeartbeatV1.api, p.consumerGroupHeartbeatV0.api)
