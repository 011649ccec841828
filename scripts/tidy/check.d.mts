/** A rule that the repository breaks, and where. */
export interface Problem {
  /** Relative to the root, with forward slashes. */
  readonly file: string
  readonly line?: number
  readonly rule: string
  readonly message: string
}

/** Checks the repository at `root`; an empty list is a tidy one. */
export function check(root: string): { problems: Problem[]; fileCount: number }
