import { defineConfig } from 'vitest/config'

// Tests run from source: the `@atolldb/source` export condition resolves our packages to their TypeScript.
const conditions = ['@atolldb/source', 'node', 'import', 'default']

// scripts/test asks for a report to count from.
const report = process.env['ATOLL_TEST_REPORT']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // vitest would leave one core to its own process, which on a machine of two halves the speed.
    maxWorkers: '100%',
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
})
