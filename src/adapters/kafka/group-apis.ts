import type * as Kafka from '@platformatic/kafka'
import { type Args, versionsOf } from './cluster-apis.ts'
import { protocol } from './protocol.ts'

export const joinGroupVersions = versionsOf<Args<typeof Kafka.joinGroupV9.createRequest>, Kafka.joinGroupV9.JoinGroupResponse>(
  protocol.joinGroupV9.api,
  protocol.joinGroupV8.api,
  protocol.joinGroupV7.api,
  protocol.joinGroupV6.api,
  protocol.joinGroupV5.api,
)

export const syncGroupVersions = versionsOf<Args<typeof Kafka.syncGroupV5.createRequest>, Kafka.syncGroupV5.SyncGroupResponse>(
  protocol.syncGroupV5.api,
  protocol.syncGroupV4.api,
  protocol.syncGroupV3.api,
)

export const heartbeatVersions = versionsOf<Args<typeof Kafka.heartbeatV4.createRequest>, Kafka.heartbeatV4.HeartbeatResponse>(
  protocol.heartbeatV4.api,
  protocol.heartbeatV3.api,
)

export const leaveGroupVersions = versionsOf<
  Args<typeof Kafka.leaveGroupV5.createRequest>,
  Kafka.leaveGroupV5.LeaveGroupResponse
>(protocol.leaveGroupV5.api, protocol.leaveGroupV4.api, protocol.leaveGroupV3.api)

/** Members of the newer protocol need version 9. */
export const offsetCommitVersions = versionsOf<
  Args<typeof Kafka.offsetCommitV9.createRequest>,
  Kafka.offsetCommitV9.OffsetCommitResponse
>(protocol.offsetCommitV9.api, protocol.offsetCommitV8.api, protocol.offsetCommitV7.api)

export const consumerGroupHeartbeatVersions = versionsOf<
  Args<typeof Kafka.consumerGroupHeartbeatV1.createRequest>,
  Kafka.consumerGroupHeartbeatV1.ConsumerGroupHeartbeatResponse
>(protocol.consumerGroupHeartbeatV1.api, protocol.consumerGroupHeartbeatV0.api)
