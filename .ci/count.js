// Prints the failed tests of vitest's JSON reports, and the counts of all tests as the last line. Exits with 1 if a
// test or a run has failed.
// Usage: node .ci/count.js DIRECTORY STATUS
//   DIRECTORY   has a report for each run; short.json, long.json and nightly.json run each test once
//   STATUS      0 if each run has ended with 0
import { readdirSync, readFileSync } from 'node:fs';

const SUITES = ['short.json', 'long.json', 'nightly.json'];
const [directory, runStatus] = process.argv.slice(2);
const reports = readdirSync(directory);

/** Returns the tests of a report, and a failure for each file that fails without one: it may not load. */
function testsOf(report) {
  try {
    const { testResults } = JSON.parse(readFileSync(`${directory}/${report}`, 'utf8'));
    return testResults.flatMap(({ name: file, status, message, assertionResults: results }) => {
      const isSilent = status === 'failed' && !results.some((test) => test.status === 'failed');
      const all = [...results, ...(isSilent ? [{ status, fullName: message }] : [])];
      return all.map((test) => ({ ...test, report, file }));
    });
  } catch (error) {
    return [{ report, file: report, status: 'failed', fullName: error.message }];
  }
}

const tests = reports.flatMap(testsOf);
const passed = tests.filter(({ status }) => status === 'passed');
const failed = tests.filter(({ status }) => status === 'failed');

// A file of several runs lists all its tests in each, so a test is skipped if none of them runs it. A test of the night
// is not skipped by day. Other reports repeat some tests, and skip the rest of their files.
const isRun = ({ status }) => status === 'passed' || status === 'failed';
const isExpected = ({ report, tags = [] }) =>
  SUITES.includes(report) && (reports.includes('nightly.json') || !tags.includes('nightly'));
const titleOf = ({ file, fullName }) => `${file}: ${fullName}`;
const expected = tests.filter(isExpected);
const runTitles = new Set(expected.filter(isRun).map(titleOf));
const skippedTitles = new Set(expected.filter((test) => !isRun(test)).map(titleOf));
const skipped = [...skippedTitles].filter((title) => !runTitles.has(title));

// A run that fails without a failed test counts as one failure.
const failures = failed.length === 0 && runStatus !== '0' ? 1 : failed.length;
for (const test of failed) console.log(`failed: ${titleOf(test)}`);
console.log(`${passed.length} passed, ${failures} failed, ${skipped.length} skipped`);
if (failures > 0) process.exitCode = 1;
