import { mergeConfig } from 'vitest/config'
import gate from './vitest.config.ts'

// What `scripts/soak` runs: one file after the other, since each measures, fills or kills what it has to itself.
export default mergeConfig(
  { ...gate, test: { ...gate.test, include: [] } },
  {
    test: {
      include: ['test/soak/**/*.soak.ts'],
      fileParallelism: false,
      testTimeout: 24 * 60 * 60 * 1000,
      hookTimeout: 60_000,
    },
  },
)
