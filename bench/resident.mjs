/** Memory of this process that is resident now, in MB of a million bytes. */
export function residentMB() {
  return process.memoryUsage.rss() / 1e6
}

/** The most that ever was. */
export function peakResidentMB() {
  return (process.resourceUsage().maxRSS * 1024) / 1e6
}
