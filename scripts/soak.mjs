import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const usage = `scripts/soak: the tests in test/soak, which need longer than the gate has

  --only <text>    those files whose name has it
  --seed <number>  the seed of the first round; the next round takes the next number (default: a random one, printed)
  --minutes <m>    how long each test begins new rounds (default 5; 0: one round). What enumerates goes to its end.
  --first <n>      where what enumerates begins: system-call-kills (default 1)
`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    first: { type: 'string' },
    help: { type: 'boolean' },
  },
})
if (values.help) {
  process.stdout.write(usage)
  process.exit(0)
}

const seed = numberOf('seed', values.seed ?? String(Math.floor(Math.random() * 1_000_000)))
const minutes = numberOf('minutes', values.minutes ?? '5')
const first = numberOf('first', values.first ?? '1')
process.stdout.write(`seed ${seed}, ${minutes} minutes a test\n`)

const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const filter = values.only === undefined ? [] : [values.only]
const { status } = spawnSync(process.execPath, [vitest, 'run', '--config', 'vitest.soak.config.ts', ...filter], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  stdio: 'inherit',
  env: {
    ...process.env,
    ATOLL_SOAK_SEED: String(seed),
    ATOLL_SOAK_MINUTES: String(minutes),
    ATOLL_SOAK_FIRST: String(first),
  },
})
process.exit(status ?? 1)

function numberOf(name, text) {
  const number = Number(text)
  if (text !== '' && number >= 0) return number
  process.stderr.write(`--${name} is a number, not "${text}"\n\n${usage}`)
  process.exit(2)
}
