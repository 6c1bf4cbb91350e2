import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/load.ts'

const root = resolve(import.meta.dirname, '../..')
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((file) => `docs/${file}`)].filter((page) =>
  page.endsWith('.md'),
)
const configs = pages.flatMap((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```yaml\n(.*?)^```$/gmsu)].map(([, text]) => ({ page, text: text! })),
)

describe('the configurations in the documentation', () => {
  it('are found', () => {
    expect(configs.length).toBeGreaterThan(1)
  })

  it.each(configs)('are right: $page', async ({ text }) => {
    const surroundings = {
      env: { S3_SECRET: 'secret', MILLPOND_KEY: 'a-key-of-32-characters-or-more-xx' },
      readFile: () => Promise.resolve('secret'),
    }
    const { config } = await checkConfig(text, { file: undefined, folder: '/etc/pond' }, surroundings)
    const defaults = await checkConfig('', { file: undefined, folder: '/etc/pond' }, surroundings)
    expect(config).not.toEqual(defaults.config)
  })
})
