import { join } from 'node:path'
import { describe } from 'vitest'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { followersContract } from '../contract/followers.ts'

describe('an index in SQLite', () => {
  followersContract(
    () => ({}),
    (folder) => openSqliteIndex({ path: join(folder, 'millpond-data', 'index.sqlite') }),
  )
})
