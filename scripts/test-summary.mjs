/**
 * Reads the JSON report of vitest and closes a run of scripts/test with the line "N passed, N failed". Fails when there is no
 * report: then a step before the tests stopped the gate.
 */
import { readFileSync } from 'node:fs'

const [reportFile] = process.argv.slice(2)
const text = readFileSync(reportFile, 'utf8')
if (text === '') {
  console.log('\nThe tests were not run: a step before them failed.')
  process.exitCode = 1
} else {
  const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites, testResults } = JSON.parse(text)
  // A file that could not be loaded fails without a test to its name.
  const brokenFiles = testResults.filter(file => file.status === 'failed' && file.assertionResults.length === 0).length
  const failed = numFailedTests + brokenFiles
  if (numPendingTests > 0) console.log(`${numPendingTests} skipped`)
  console.log(`${numPassedTests} passed, ${failed} failed`)
  if (failed > 0 || numFailedTestSuites > 0) process.exitCode = 1
}
