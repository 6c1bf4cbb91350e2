import { describe, expect, it } from 'vitest'
import { applyEnvironment } from '../../../src/api/dataphos/environment.ts'
import { checkConfig } from '../../../src/config/load.ts'

const surroundings = { env: {}, readFile: () => Promise.reject(new Error('no files here')) }
const { config } = await checkConfig(
  'dataphos: { defaultTopic: of-the-file }',
  { file: undefined, folder: '/pond' },
  surroundings,
)
const dataphosOf = (env: Record<string, string>, which?: 'indexer' | 'resubmitter') =>
  applyEnvironment(config, env, which).config.dataphos

describe('variables of Dataphos', () => {
  it('leave the configuration as it is where there are none', () => {
    expect(applyEnvironment(config, { PATH: '/bin', HOME: '/root' })).toEqual({ config, notes: [] })
  })

  it.each([
    { env: { IDX_API_SERVER_ADDRESS: ':9090' }, indexer: { host: '127.0.0.1', port: 9090 } },
    { env: { IDX_API_SERVER_ADDRESS: '0.0.0.0:9090' }, indexer: { host: '0.0.0.0', port: 9090 } },
    { env: { IDX_API_SERVER_ADDRESS: '[::1]:9090' }, indexer: { host: '::1', port: 9090 } },
    { env: { IDX_API_SERVER_ADDRESS: '' }, indexer: { host: '127.0.0.1', port: 8080 } },
    { env: { SERVER_ADDRESS: ':9090' }, indexer: { port: 9090 }, resubmitter: { port: 8081 } },
    { env: { SERVER_ADDRESS: ':8081' }, resubmitter: { port: 8081 } },
    { env: { RSB_SERVER_ADDRESS: 'localhost:9091', SERVER_ADDRESS: ':1' }, resubmitter: { host: 'localhost', port: 9091 } },
    { env: { IDX_API_SERVER_TIMEOUT: '1m30.5s' }, indexer: { headerTimeoutMs: 90_500 }, resubmitter: { headerTimeoutMs: 2000 } },
    { env: { SERVER_TIMEOUT: '500ms' }, indexer: { headerTimeoutMs: 500 }, resubmitter: { headerTimeoutMs: 500 } },
    {
      env: { RSB_USE_TLS: 'true', CERTS: '/certs' },
      indexer: { tls: undefined },
      resubmitter: { tls: { certificateFile: '/certs/server.crt', keyFile: '/certs/server.key' } },
    },
    { env: { USE_TLS: '1', IDX_API_USE_TLS: 'F', CERTS: '/c' }, indexer: { tls: undefined } },
  ])('$env', ({ env, indexer = {}, resubmitter = {} }) => {
    const dataphos = dataphosOf(env)
    expect(dataphos.indexer).toMatchObject(indexer)
    expect(dataphos.resubmitter).toMatchObject(resubmitter)
  })

  it('call the one interface that runs by the address of the documentation', () => {
    expect(dataphosOf({ SERVER_ADDRESS: ':9091' }, 'resubmitter').resubmitter.port).toBe(9091)
  })

  it('say topic, broker and how much is logged', () => {
    const env = { TOPIC_ID: 'again', PUBLISHER_TYPE: 'kafka', KAFKA_BROKERS: 'a:1, b:2', MINIMUM_LOG_LEVEL: 'WARN' }
    const given = applyEnvironment(config, env).config
    expect(given.dataphos).toMatchObject({ defaultTopic: 'again', target: 'kafka' })
    expect(given.kafka.brokers).toEqual(['a:1', 'b:2'])
    expect(given.log.level).toBe('warn')
    expect(dataphosOf({}).defaultTopic).toBe('of-the-file')
  })

  it('without a meaning here are named, their values never', () => {
    const env = {
      CONN: 'mongodb://user:secret@host',
      RSB_WORKER_NUM: '4',
      KRB_REALM: 'secret',
      PUBLISHER_TYPE: 'pubsub',
      SASL_PASSWORD: 'secret',
    }
    const { notes } = applyEnvironment(config, env)
    expect(notes.map((note) => note.split(' ')[0]!).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'CONN',
      'KRB_REALM',
      'PUBLISHER_TYPE',
      'RSB_WORKER_NUM',
      'SASL_PASSWORD',
    ])
    expect(notes.join()).not.toContain('secret')
  })

  it.each([
    { env: { IDX_API_SERVER_ADDRESS: '8080' }, name: 'IDX_API_SERVER_ADDRESS' },
    { env: { RSB_SERVER_ADDRESS: ':99999' }, name: 'RSB_SERVER_ADDRESS' },
    { env: { RSB_SERVER_TIMEOUT: 'soon' }, name: 'RSB_SERVER_TIMEOUT' },
    { env: { IDX_API_USE_TLS: 'yes' }, name: 'IDX_API_USE_TLS' },
  ])('$env is refused', ({ env, name }) => {
    expect(() => applyEnvironment(config, env)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(name) }),
    )
  })
})
