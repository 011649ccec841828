import { defineConfig } from 'vitest/config'

// Tests run from source: the `@atolldb/source` export condition resolves our packages to their TypeScript.
const conditions = ['@atolldb/source', 'node', 'import', 'default']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
  },
})
