/** A file in which something cannot be right. */
export interface FileDamage {
  readonly file: string
  readonly reason: string
}
