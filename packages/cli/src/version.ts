import { readFile } from 'node:fs/promises'

/** The version of this package; the path is the same from `src` and from `dist`. */
export async function packageVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return manifest.version
}
