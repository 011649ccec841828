/**
 * Prints how much memory the process has at most, in MB, while merge scripts allocate without end in their thread, beside what it
 * has after a script that does not: `{ "baseMb", "peakMb" }`. Runs what `npm run build` made.
 */
const built = new URL('../../packages/db/dist/rules/script-sandbox.js', import.meta.url)
const { ScriptSandbox } = await import(built.href)

const bombs = [
  '() => { const all = []; for (;;) all.push(new Array(1000).fill(all.length)) }',
  "() => new Array(3e8) + ''",
  "() => { let s = 'x'; for (;;) s += s }",
  "() => 'x'.repeat(2e7)",
  '() => { const all = new Map(); for (let i = 0; ; i++) all.set(i, {}) }',
  '() => { const f = () => f() + 1; return f() }',
]
const sandbox = new ScriptSandbox({ inThread: true })
const run = source => sandbox.run({ source, base: '1', versions: ['2', '3'] })
const megabytes = () => process.memoryUsage.rss() / 2 ** 20

for (let i = 0; i < 3; i++) await run(`() => ${i}`)
const baseMb = megabytes()
let peakMb = baseMb
const timer = setInterval(() => (peakMb = Math.max(peakMb, megabytes())), 2)
const failures = []
for (const bomb of bombs) failures.push((await run(bomb)).failure)
clearInterval(timer)
await sandbox.close()
process.stdout.write(JSON.stringify({ baseMb, peakMb, failures }))
