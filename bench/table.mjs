/** The results as a table on stdout. */
export function printTable({ cpu, cores, memoryGiB, platform, node, git }, results) {
  console.log(`${cpu}, ${cores} cores, ${memoryGiB} GiB, ${platform}, node ${node}, git ${git}\n`)
  const head = ['work', 'atoll', 'reference', '', 'ratio', 'bar', 'goal', '']
  const rows = results.map(result => [
    result.title,
    measure(result.subject, result.unit),
    measure(result.reference, result.unit),
    result.referenceName,
    `${result.ratio.toFixed(2)} ×`,
    `${result.relation} ${bound(result.bar)}`,
    `${result.relation} ${bound(result.goal)}`,
    result.reached ? 'reached' : 'below the bar',
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => row[column].length)))
  const toTheRight = new Set([1, 2, 4])
  for (const row of [head, ...rows]) {
    const cells = row.map((cell, column) =>
      toTheRight.has(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    )
    console.log(cells.join('  ').trimEnd())
  }
}

function measure(value, unit) {
  const digits = value < 100 ? 1 : 0
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })} ${unit}`
}

function bound(value) {
  return `${Number(value.toFixed(2))} ×`
}
