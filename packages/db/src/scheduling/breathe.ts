const SLICE_MS = 5

/** Lets the event loop turn: timers, sockets and other writers get their moment in long work. */
export function breathe(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** The same for steps so small that a turn after each would be waste: the loop gets one every 5 ms. */
export function breatheInSlices(): () => Promise<void> {
  let endsMs = performance.now() + SLICE_MS
  return async () => {
    if (performance.now() < endsMs) return
    await breathe()
    endsMs = performance.now() + SLICE_MS
  }
}
