/**
 * Resolves when all of them have ended, well or not, so that nothing goes on behind; throws the first failure in their order.
 * Files that are synced side by side share the file system's own commit: two take hardly longer than one.
 */
export async function allDone(works: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) if (outcome.status === 'rejected') throw outcome.reason
}
