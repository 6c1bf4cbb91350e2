// Prints the closing line of a test run from vitest's JSON report: `N passed, N failed, N skipped`, and each skipped test before it. Fails
// where nothing ran, something failed, or something was skipped: where this runs, everything that a test needs has to be there.
import { readFileSync } from 'node:fs'

const file = process.argv[2] ?? 'build/test-results.json'
interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numFailedTestSuites: number
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

function readReport(): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report
  } catch {
    return undefined
  }
}

const report = readReport()
const failed = report ? Math.max(report.numFailedTests, report.numFailedTestSuites > 0 ? 1 : 0) : 1
const passed = report?.numPassedTests ?? 0
const skipped = (report?.testResults ?? [])
  .flatMap(({ assertionResults }) => assertionResults)
  .filter(({ status }) => status !== 'passed' && status !== 'failed')
for (const { fullName } of skipped) console.log(`skipped: ${fullName}`)
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`)
if (failed > 0 || passed === 0 || skipped.length > 0) process.exitCode = 1
