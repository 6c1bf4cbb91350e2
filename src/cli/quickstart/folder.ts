import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CONFIG_FILE } from '../../config/load.ts'
import { MillpondError } from '../../errors.ts'

const MARK = '# Made by millpond quickstart, which replaces this folder when it runs again.'

const CONFIG = `${MARK}
data: .
archive:
  lookups:
    headers: [punctuality]
`

/**
 * Makes the folder with its configuration. One that an earlier quickstart made is emptied first.
 * @throws MillpondError `USAGE` where the folder holds something else.
 */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const names = await readdir(folder)
  if (names.length > 0) {
    const config = await readFile(join(folder, CONFIG_FILE), 'utf8').catch(() => '')
    if (!config.startsWith(MARK)) {
      throw new MillpondError('USAGE', `${folder} is not empty and was not made by quickstart; name another with --dir`)
    }
    // The configuration goes last: what is left of an interrupted clearing is still known as ours.
    for (const name of names.filter((one) => one !== CONFIG_FILE)) await rm(join(folder, name), { recursive: true })
  }
  await writeFile(join(folder, CONFIG_FILE), CONFIG)
}
