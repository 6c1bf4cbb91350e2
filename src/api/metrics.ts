import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { ObserveRequest } from '../store/requests.ts'

/** What is counted while the program runs, for Prometheus. */
export interface Metrics {
  readonly registry: Registry
  readonly messagesIn: Counter<'topic'>
  readonly bytesIn: Counter<'topic'>
  readonly requestsFailed: Counter<'code'>
  readonly auditLost: Counter
  readonly appendSeconds: Histogram
  readonly searches: Counter<'route' | 'outcome'>
  readonly searchSeconds: Histogram<'route'>
  readonly messagesArchived: Counter<'topic'>
  readonly bytesArchived: Counter<'topic'>
  readonly commits: Counter<'topic' | 'cause'>
  readonly racesLost: Counter<'topic'>
  readonly retries: Counter<'topic' | 'code'>
  readonly deadLetters: Counter<'topic'>
  readonly messagesExpired: Counter<'topic'>
  readonly storeRequests: Counter<'kind' | 'outcome'>
  readonly storeBytes: Counter<'direction'>
  readonly storeSeconds: Histogram<'kind'>
  readonly storeCost: Counter
  readonly archiveLag: Gauge<'topic'>
  readonly indexLag: Gauge<'topic'>
  readonly indexLagSeconds: Gauge
  readonly replayRead: Gauge<'job'>
  readonly replayPlanned: Gauge<'job'>
  readonly replaysRunning: Gauge
}

/** Metrics at zero, with those of the process (memory, CPU, event loop) beside them. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `millpond_${name}`, help, labelNames, registers })
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Gauge({ name: `millpond_${name}`, help, labelNames, registers })
  return {
    registry,
    messagesIn: counter('messages_in_total', 'Messages taken by HTTP, durable.', ['topic']),
    bytesIn: counter('bytes_in_total', 'Bytes of bodies taken by HTTP, durable.', ['topic']),
    requestsFailed: counter('requests_failed_total', 'Requests answered with an error, by its code.', ['code']),
    auditLost: counter('audit_lost_total', 'Calls that the audit log should have and could not take.', []),
    appendSeconds: new Histogram({
      name: 'millpond_append_seconds',
      help: 'From a request that is read to messages that are durable.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    searches: counter(
      'searches_total',
      'Searches, counts and estimates over HTTP, by how they ended: done, gone (the caller went), or the code of an error.',
      ['route', 'outcome'],
    ),
    searchSeconds: new Histogram({
      name: 'millpond_search_seconds',
      help: 'From a search that is asked to the last byte of its answer.',
      labelNames: ['route'],
      buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
      registers,
    }),
    messagesArchived: counter('messages_archived_total', 'Messages committed to the archive by this process.', ['topic']),
    bytesArchived: counter('bytes_archived_total', 'Bytes of segments committed by this process.', ['topic']),
    commits: counter('commits_total', 'Commits written by this process, by why the segment closed.', ['topic', 'cause']),
    racesLost: counter('commits_lost_total', 'Commits that another writer was first with.', ['topic']),
    retries: counter('archive_retries_total', 'Times that a lane started again after a failure that passes.', ['topic', 'code']),
    deadLetters: counter('dead_letters_total', 'Messages that could not be archived and went to the dead letters.', ['topic']),
    messagesExpired: counter('messages_expired_total', 'Positions that the source no longer had when they were to be archived.', [
      'topic',
    ]),
    storeRequests: counter('store_requests_total', 'Requests to a store behind a network, repetitions counted.', [
      'kind',
      'outcome',
    ]),
    storeBytes: counter('store_bytes_total', 'Bytes of objects sent to and received from a store behind a network.', [
      'direction',
    ]),
    storeSeconds: new Histogram({
      name: 'millpond_store_request_seconds',
      help: 'Time of a request to a store behind a network.',
      labelNames: ['kind'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
      registers,
    }),
    storeCost: counter('store_cost_dollars_total', 'What the requests cost by list prices, an estimate.', []),
    archiveLag: gauge('archive_lag_messages', 'Messages of the source that are not in the archive yet.', ['topic']),
    indexLag: gauge('index_lag_messages', 'Messages of the archive that are not in the index yet.', ['topic']),
    indexLagSeconds: gauge('index_lag_seconds', 'How long the oldest commit of this process waits for the index.', []),
    replayRead: gauge('replay_messages_done', 'Messages that a running replay has dealt with.', ['job']),
    replayPlanned: gauge('replay_messages_planned', 'Messages that a running replay has to deal with, at the most.', ['job']),
    replaysRunning: gauge('replays_running', 'Replays that run, in whatever process.', []),
  }
}

/** Counts the requests to a store behind a network. */
export const countRequests =
  ({ storeRequests, storeBytes, storeSeconds, storeCost }: Metrics): ObserveRequest =>
  ({ kind, outcome, milliseconds, sentBytes, receivedBytes, costUsd }) => {
    storeRequests.inc({ kind, outcome })
    storeSeconds.observe({ kind }, milliseconds / 1000)
    if (sentBytes > 0) storeBytes.inc({ direction: 'sent' }, sentBytes)
    if (receivedBytes > 0) storeBytes.inc({ direction: 'received' }, receivedBytes)
    if (costUsd > 0) storeCost.inc(costUsd)
  }
