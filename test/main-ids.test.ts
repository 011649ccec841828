import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

/** One history has one `main`, whatever machine works it out (I2). The id stands here for ever: a change of it is a change of format. */

const script = fileURLToPath(new URL('main-ids/print-main.mjs', import.meta.url))
const known = 'ce2aba47ff09b4831a7103ba6df17b437dcbfa6c of 109 commits, 11 heads\n'

it.each([
  ['UTC', 'C'],
  ['Pacific/Apia', 'tr_TR.UTF-8'],
  ['America/St_Johns', 'de_DE.UTF-8'],
])('gives the id of main that it always gave, in %s, with %s', async (timeZone, locale) => {
  const env = { ...process.env, TZ: timeZone, LC_ALL: locale, LANG: locale }
  const { stdout } = await promisify(execFile)(process.execPath, [script], { env })
  expect(stdout).toBe(known)
})
