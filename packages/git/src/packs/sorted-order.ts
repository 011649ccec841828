const VALUES_A_BUCKET = 2048
const NUMBERS = 2 ** 21

/**
 * The numbers 0 to `count` - 1 in ascending order of their values, which are whole numbers below `limit` and spread evenly
 * enough over it that buckets of equal width stay small. Yields often, so that a million can be sorted in slices; values
 * that are equal come in the order of `compare`.
 */
export function* sortedOrder(
  count: number,
  limit: number,
  valueOf: (number: number) => number,
  compare: (a: number, b: number) => number = (a, b) => a - b,
): Generator<void, Uint32Array, undefined> {
  const order = new Uint32Array(count)
  // A value's place in its bucket and an entry's place there fit one number together.
  const buckets = Math.max(1, Math.ceil(count / VALUES_A_BUCKET), Math.ceil(limit / 2 ** 32))
  const width = Math.ceil(limit / buckets)
  const ends = new Uint32Array(buckets + 1)
  for (let number = 0; number < count; number++) {
    if (number % 65_536 === 65_535) yield
    ends[Math.floor(valueOf(number) / width) + 1]!++
  }
  for (let bucket = 1; bucket <= buckets; bucket++) ends[bucket]! += ends[bucket - 1]!
  const starts = ends.slice()
  for (let number = 0; number < count; number++) {
    if (number % 65_536 === 65_535) yield
    order[starts[Math.floor(valueOf(number) / width)]!++] = number
  }
  for (let bucket = 0; bucket < buckets; bucket++) {
    sortBucket(order.subarray(ends[bucket], ends[bucket + 1]), bucket * width, valueOf, compare)
    if (bucket % 8 === 7) yield
  }
  return order
}

function sortBucket(
  numbers: Uint32Array,
  lowest: number,
  valueOf: (number: number) => number,
  compare: (a: number, b: number) => number,
): void {
  const keys = new Float64Array(numbers.length)
  for (let i = 0; i < keys.length; i++) keys[i] = (valueOf(numbers[i]!) - lowest) * NUMBERS + i
  // Sorting numbers needs no comparison function.
  keys.sort()
  const before = numbers.slice()
  for (let i = 0; i < keys.length; i++) numbers[i] = before[keys[i]! % NUMBERS]!
  for (let start = 0; start < keys.length;) {
    const value = Math.floor(keys[start]! / NUMBERS)
    let end = start + 1
    while (end < keys.length && Math.floor(keys[end]! / NUMBERS) === value) end++
    if (end - start > 1) numbers.subarray(start, end).sort(compare)
    start = end
  }
}
