import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/load.ts'

const check = (text: string) =>
  checkConfig(text, { file: undefined, folder: '/pond' }, { env: {}, readFile: () => Promise.reject(new Error('none')) })

describe('the section iceberg', () => {
  it('gives each topic a table of its own name, unless it says another', async () => {
    const { config } = await check(`
iceberg:
  prefix: lake
  namespace: a.b
  partition: [day(timestamp), country]
  tables:
    orders: { table: all_orders }
    clicks: { partition: ['bucket(16, key)'] }
`)
    const days = [
      { transform: 'day', column: 'timestamp' },
      { transform: 'identity', column: 'country' },
    ]
    expect(config.iceberg).toMatchObject({
      catalog: 'files',
      topics: ['*'],
      prefix: 'lake/',
      namespace: ['a', 'b'],
      partition: days,
      tables: {
        orders: { table: 'all_orders', partition: days },
        clicks: { table: 'clicks', partition: [{ transform: 'bucket[16]', column: 'key' }] },
      },
    })
  })

  it.each([
    { store: 'store: { path: a b }', root: 'file:///pond/a b' },
    { store: 'store: { type: s3 }\ns3: { bucket: b, prefix: x/y }', root: 's3://b/x/y' },
    { store: 'store: { type: gcs }\ngcs: { bucket: b }', root: 'gs://b' },
    {
      store: 'store: { type: azure }\nazure: { container: c, account: me, accountKey: k, prefix: p }',
      root: 'abfss://c@me.dfs.core.windows.net/p',
    },
    {
      store: 'store: { type: azure }\nazure: { container: c, connectionString: "AccountName=me;AccountKey=k" }',
      root: 'abfss://c@me.dfs.core.windows.net',
    },
    {
      store: 'store: { type: azure }\nazure: { container: c, sasUrl: "https://me.blob.core.windows.net/?sig=x" }',
      root: 'abfss://c@me.dfs.core.windows.net',
    },
    { store: 'store: { type: azure }\nazure: { container: c, connectionString: "UseDevelopmentStorage=true" }', root: undefined },
    { store: 'iceberg: { root: "s3a://other/" }', root: 's3a://other' },
  ])('knows the address of the store as others have it: $root', async ({ store, root }) => {
    expect((await check(store)).config.iceberg.root).toBe(root)
  })

  it('logs in at the catalogue, by its own token endpoint unless another is given', async () => {
    const rest = async (text: string) =>
      (await check(`iceberg: { catalog: rest, rest: { url: "http://c/ice/", ${text} } }`)).config.iceberg.rest.login
    expect(await rest('')).toEqual({ kind: 'none' })
    expect(await rest('token: t')).toMatchObject({ kind: 'token' })
    expect(await rest('clientId: me, clientSecret: s')).toMatchObject({
      endpoint: 'http://c/ice/v1/oauth/tokens',
      clientId: 'me',
      scope: 'catalog',
    })
    expect(await rest('clientId: me, clientSecret: s, tokenEndpoint: "http://t"')).toMatchObject({ endpoint: 'http://t' })
  })

  it.each([
    { text: 'iceberg: { partition: [week(timestamp)] }', says: '"week(timestamp)" is no partition field' },
    { text: 'iceberg: { tables: { a: { partition: ["bucket(key)"] } } }', says: 'iceberg.tables.a.partition' },
    { text: 'iceberg: { catalog: rest }', says: 'iceberg.catalog is rest: give its address' },
    { text: 'iceberg: { rest: { clientId: a } }', says: 'clientId and clientSecret are given together' },
    { text: 'iceberg: { rest: { token: a, clientId: a, clientSecret: b } }', says: 'give a token, or clientId and clientSecret' },
    { text: 'iceberg: { rest: { tokenEndpoint: "http://t" } }', says: 'a tokenEndpoint needs it' },
    { text: 'iceberg: { prefix: /lake }', says: 'without a / at its beginning' },
  ])('refuses $text', async ({ text, says }) => {
    await expect(check(text)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(says) })
  })
})
