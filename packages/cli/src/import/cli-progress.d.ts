/** The part of cli-progress that we use; the package carries no types. */
declare module 'cli-progress' {
  export class SingleBar {
    constructor(
      options: { format: string; stream: NodeJS.WritableStream; hideCursor: boolean; clearOnComplete: boolean },
      preset: object,
    )
    start(total: number, value: number, payload: object): void
    update(value: number, payload: object): void
    stop(): void
  }
  export const Presets: { readonly shades_classic: object }
}
