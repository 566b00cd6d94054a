/** @module-tag long */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { check } from '../../src/check.js';
import { problemLine, UserError } from '../../src/core/errors.js';
import { brokenConfigs, VALID_CONFIG } from '../support/broken-configs.js';
import { brokenFiles } from '../support/broken-files.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

// Every input that training rejects: `check` and `train` report the same first problem and exit code.

let world: string;
let lines: readonly string[];
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-battery-'));
  await smallWorld(world);
  lines = readFileSync(join(world, 'train.csv'), 'utf8').trimEnd().split('\n');
});

/** Returns the exit code and the first problem of a thrown error. */
async function firstProblem(
  work: () => Promise<unknown>,
): Promise<{ readonly exitCode: number; readonly line: string }> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // A check writes no rejects.csv.
    return {
      exitCode: error.exitCode,
      line: problemLine(error.problems[0]!).replace(/; all are in .*rejects\.csv$/, ''),
    };
  }
  return { exitCode: 0, line: '' };
}

async function expectSame(config: string, problem: string): Promise<void> {
  const path = join(world, 'config.yaml');
  writeFileSync(path, config);
  const checked = await firstProblem(() =>
    check({ path, set: [], sampleRows: 10_000, device: 'cpu', threads: 1, onWarning: () => undefined }),
  );
  const trained = await firstProblem(() => trainSmall(path, {}));
  expect(trained.line).toContain(problem);
  expect(trained.exitCode).toBeGreaterThan(1);
  expect(checked).toEqual(trained);
}

describe('check and train report the same first problem', () => {
  it.each(brokenConfigs)('for a config with $title', async ({ edits, problem }) => {
    const config = edits.reduce((text, [from, to]) => {
      expect(text).toContain(from);
      return text.replace(from, to);
    }, VALID_CONFIG);
    await expectSame(config, problem);
  });

  it.each(brokenFiles)('for a file with $title', async ({ name, content, data, group, problem }) => {
    writeFileSync(join(world, name), content(lines));
    const config = VALID_CONFIG.replace('train: train.csv', `train: ${name}${data === undefined ? '' : `, ${data}`}`);
    await expectSame(group === undefined ? config : config.replace('tasks:', `  ${group}\ntasks:`), problem);
  });

  it('for an empty validation file', async () => {
    writeFileSync(join(world, 'header.csv'), `${lines[0]!}\n`);
    await expectSame(
      VALID_CONFIG.replace('valid: valid.csv', 'valid: header.csv'),
      'expected at least one usable row after the header',
    );
  });
});
