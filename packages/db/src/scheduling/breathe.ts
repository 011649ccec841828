/** Lets the event loop turn: timers, sockets and other writers get their moment in long work. */
export function breathe(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
