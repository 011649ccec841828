/** A measure for people: three digits or so. */
export function measure(value, unit) {
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })} ${unit}`.replace(' /s', '/s')
}
