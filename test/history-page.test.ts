import { it } from 'vitest'
import { runPage } from './run-page.ts'

it('docs/history.md does what it says', () => runPage('history.md'), 120_000)
