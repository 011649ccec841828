import type { RecordChange } from '@atolldb/client'
import { printableId, printableJson, type Output } from './output.ts'

/** `+` came, `-` went, `~` changed. */
export function changeLine({ collection, id, before, after }: RecordChange, out: Output): string {
  const sign = before === undefined ? out.green('+') : after === undefined ? out.yellow('-') : '~'
  const values = [before, after].filter(side => side !== undefined).map(({ value }) => valueText(value))
  return `${sign} ${collection}/${printableId(id)}  ${values.join(' → ')}`
}

export function valueText(value: unknown): string {
  return value instanceof Uint8Array ? `(${value.length} bytes)` : printableJson(value)
}

/** A value in `--json` output: bytes are base64. */
export function valueJson(value: unknown): { readonly value?: unknown; readonly bytes?: string } {
  return value instanceof Uint8Array ? { bytes: Buffer.from(value).toString('base64') } : { value }
}

export function changeJson({ before, after, ...change }: RecordChange): unknown {
  return {
    ...change,
    before: before && { ...valueJson(before.value), version: before.version },
    after: after && { ...valueJson(after.value), version: after.version },
  }
}
