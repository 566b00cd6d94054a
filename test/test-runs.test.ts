import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from './support/scratch.js';
import { mayHaveTests, type Run } from './support/test-files.js';

const root = join(import.meta.dirname, '..');

/** Joins the first line of a tagged file from two parts, because vitest reads the tag of this file in strings, too. */
const taggedFile = (tag: string): string => ['/** @module', `tag ${tag} */`].join('-');

describe('the runs of tests', () => {
  it.each<[string, string, readonly Run[]]>([
    ['without a tag', 'it()', ['short']],
    ['that is long', `${taggedFile('long')}\nit()`, ['long']],
    ['of the night', `${taggedFile('nightly')}\nit()`, ['nightly']],
    ['whose tag follows an import', `import a;\n${taggedFile('long')}\nit()`, ['long']],
    ['with tagged tests', 'it("", { tags: [] })', ['short', 'long', 'nightly']],
    ['that is long, with tagged tests', `${taggedFile('long')}\nit("", { tags: [] })`, ['long', 'nightly']],
    [
      'that is long, with a helper that tags tests',
      `${taggedFile('long')}\nimport { needsMpi } from '../support/mpi.js';`,
      ['long', 'nightly'],
    ],
    ['of the night, with tagged tests', `${taggedFile('nightly')}\nit("", { tags: [] })`, ['nightly']],
  ])('load a file %s where it may have tests', (_, text, expected) => {
    const runs: readonly Run[] = ['short', 'long', 'nightly'];
    expect(runs.filter((run) => mayHaveTests(run, text))).toEqual(expected);
  });

  it('of a night include those of a day and those that no day has', () => {
    const commands = (script: string): string[] =>
      [...readFileSync(join(root, '.ci', script), 'utf8').matchAll(/^run .*/gm)].map(([line]) => line);
    expect(commands('run')).not.toHaveLength(0);
    expect(commands('nightly')).toEqual(
      expect.arrayContaining([...commands('run'), 'run nightly npm run test:nightly --']),
    );
  });
});

describe('.ci/count.js', () => {
  const passed = { status: 'passed', fullName: 'a' };
  const failed = { status: 'failed', fullName: 'b' };
  const skipped = { status: 'pending', fullName: 'c' };
  const ofNight = { status: 'pending', fullName: 'd', tags: ['nightly'] };
  const file = (...assertionResults: readonly object[]): object => ({ name: 'x', status: 'passed', assertionResults });

  /** Returns the exit code and the lines for reports, each of one file, and the status of the runs. */
  function count(reports: Readonly<Record<string, object | string>>, status = 0): readonly [number | null, string[]] {
    const directory = scratchFolder();
    for (const [run, report] of Object.entries(reports))
      writeFileSync(
        join(directory, `${run}.json`),
        typeof report === 'string' ? report : JSON.stringify({ testResults: [report] }),
      );
    const { status: code, stdout } = spawnSync(
      process.execPath,
      [join(root, '.ci', 'count.js'), directory, String(status)],
      { encoding: 'utf8' },
    );
    return [code, stdout.trim().split('\n')];
  }

  it('adds up the runs, and counts a test as skipped if none of them runs it', () => {
    const reports = {
      kernels: file(passed, skipped),
      short: file(passed, skipped),
      long: file({ ...passed, ...skipped }),
    };
    expect(count(reports)).toEqual([0, ['2 passed, 0 failed, 1 skipped']]);
    expect(count({ short: file(passed, skipped), long: file({ ...skipped, status: 'passed' }) })).toEqual([
      0,
      ['2 passed, 0 failed, 0 skipped'],
    ]);
  });

  it('counts a test of the night as skipped in a night only', () => {
    const reports = { short: file(passed, ofNight) };
    expect(count(reports)).toEqual([0, ['1 passed, 0 failed, 0 skipped']]);
    expect(count({ ...reports, nightly: file(ofNight) })).toEqual([0, ['1 passed, 0 failed, 1 skipped']]);
  });

  it('lists failed tests, and a file that fails without one', () => {
    expect(count({ short: file(passed, failed) }, 1)).toEqual([1, ['failed: x: b', '1 passed, 1 failed, 0 skipped']]);
    const broken = { ...file(passed), status: 'failed', message: 'a hook fails' };
    expect(count({ short: broken }, 1)).toEqual([1, ['failed: x: a hook fails', '1 passed, 1 failed, 0 skipped']]);
  });

  it('counts a report that cannot be read as a failure', () => {
    const [code, lines] = count({ short: file(passed), long: '{' }, 1);
    expect([code, lines.at(-1)]).toEqual([1, '1 passed, 1 failed, 0 skipped']);
  });

  it('counts one failure if a run fails without a failed test', () => {
    expect(count({ short: file(passed) }, 1)).toEqual([1, ['1 passed, 1 failed, 0 skipped']]);
  });
});

describe.skipIf(process.platform === 'win32')('.ci/install.sh', () => {
  /** Installs an environment by a shell command, and returns the printed lines. */
  const install = (directory: string, command: string): string[] => {
    const script = `. .ci/install.sh; build() { ${command}; }; install_once "$1" build || echo failed; remove_fallback`;
    return execFileSync('bash', ['-c', script, 'bash', directory], { cwd: root, encoding: 'utf8', stdio: 'pipe' })
      .trim()
      .split('\n');
  };

  it('installs an environment once', () => {
    const directory = join(scratchFolder(), 'peers');
    expect(install(directory, 'echo installs; touch "$1/python"')).toEqual(['installs']);
    expect(install(directory, 'echo installs')).toEqual(['']);
    expect(existsSync(join(directory, 'python'))).toBe(true);
  });

  it.each([
    ['failed', 'touch "$1/partial"; false', ['failed']],
    ['was killed', 'touch "$1/partial"; kill -KILL $BASHPID', ['failed']],
    ['lacks a part', 'touch "$1/partial" "$1/incomplete"', ['']],
  ])('installs an environment from scratch if its installation %s', (_, command, printed) => {
    const directory = join(scratchFolder(), 'peers');
    expect(install(directory, command)).toEqual(printed);
    expect(install(directory, 'echo installs')).toEqual(['installs']);
    expect(existsSync(join(directory, 'partial'))).toBe(false);
  });
});
