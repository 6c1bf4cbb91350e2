// Prints the closing line of a test run from vitest's JSON report: `N passed, N failed, N skipped`. Fails where nothing ran.
import { readFileSync } from 'node:fs'

const file = process.argv[2] ?? 'build/test-results.json'
interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly numFailedTestSuites: number
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
console.log(`${passed} passed, ${failed} failed, ${(report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)} skipped`)
if (failed > 0 || passed === 0) process.exitCode = 1
