/** What a check looked at. */
export type CheckName =
  'format' | 'identity' | 'state' | 'config' | 'journal' | 'repository' | 'pack' | 'ref' | 'graph' | 'view'

/** Something that cannot be right. */
export interface Finding {
  readonly check: CheckName
  /** The damaged file, or the directory of what is incomplete. */
  readonly file: string
  readonly reason: string
  /** The command that mends it, or what else there is to do. */
  readonly repair: string
}

export const REPAIR_FROM =
  'atoll doctor --repair, which asks the peers; or with --from <data directory of another node, a clone, or its address>'

/** How far a check is; `total` is an estimate. */
export type OnDoctorProgress = (progress: {
  readonly check: CheckName
  readonly done: number
  readonly total: number
}) => void
