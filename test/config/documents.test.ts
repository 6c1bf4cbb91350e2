import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { documents } from '../../scripts/generate-docs.ts'
import { checkConfig } from '../../src/config/load.ts'
import { STARTER } from '../../src/config/text.ts'

describe('the documents that are made from the program', () => {
  it.each(Object.entries(documents))('%s is as `node scripts/generate-docs.ts` makes it', (file, make) => {
    expect(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')).toBe(make())
  })
})

describe('the file that `config init` writes', () => {
  it('says what holds without it', async () => {
    const place = { file: undefined, folder: '/' }
    const surroundings = { env: {}, readFile: () => Promise.reject(new Error('none')) }
    const [started, empty] = await Promise.all([checkConfig(STARTER, place, surroundings), checkConfig('', place, surroundings)])
    expect(started.config).toEqual(empty.config)
  })
})
