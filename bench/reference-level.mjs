import { ClassicLevel } from 'classic-level'

/** The reference engine, opened before anything is timed. Keys and values are strings: it parses no JSON. */
export async function openLevel(directory) {
  const level = new ClassicLevel(directory)
  await level.open()
  return level
}
