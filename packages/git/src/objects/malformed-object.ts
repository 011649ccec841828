/**
 * Thrown by the parsers of git's formats: the bytes break a rule. What that means depends on where they came from, so the
 * caller translates: bytes of a peer are REFUSED, bytes of our own disk are CORRUPT. It never leaves this package's
 * readers untranslated.
 */
export class MalformedObject extends Error {
  override readonly name = 'MalformedObject'
}

/** Undefined where what was read is malformed. */
export async function unlessMalformed<Result>(read: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof MalformedObject) return undefined
    throw error
  }
}
