/** @module-tag long */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.js';
import { loadStudy } from '../../src/study/load-study.js';
import { launchers } from '../../src/study/launchers/launchers.js';
import { searches } from '../../src/study/searches/searches.js';
import { domains } from '../../src/study/domains/domains.js';
import { codeBlocks, installHere } from '../support/code-blocks.js';
import { copyShipped } from '../support/copy-shipped.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'how-to', 'tune-hyperparameters.md'), 'utf8');
const blocks = codeBlocks(page);
const studies = readdirSync(join(root, 'sweeps')).filter((file) => file.endsWith('.yaml'));

/** A folder with the configs, the sample and the studies that are shipped. */
function workplace(): string {
  const cwd = scratchFolder();
  installHere(cwd);
  copyShipped(cwd, ['configs', 'sweeps', 'data/sample']);
  return cwd;
}
const shell = (cwd: string, text: string): Promise<{ stdout: string }> =>
  promisify(execFile)('sh', ['-euc', text], { cwd, encoding: 'utf8', env: { ...process.env, MTL_RUNS: '' } });

describe('docs/how-to/tune-hyperparameters.md', () => {
  it('has studies that are right, every one', async () => {
    const cwd = workplace();
    const yamls = blocks.filter(({ language }) => language === 'yaml');
    expect(yamls.length).toBeGreaterThan(4);
    for (const { text } of yamls) {
      writeFileSync(join(cwd, 'sweeps', 'page.yaml'), text);
      await loadStudy(join(cwd, 'sweeps', 'page.yaml'), []);
    }
  });

  it('has commands that run one after the other', { timeout: 240_000 }, async () => {
    const cwd = workplace();
    const [first] = blocks.filter(({ language }) => language === 'yaml');
    // Of fewer trials, shorter.
    writeFileSync(
      join(cwd, 'sweeps', 'first.yaml'),
      first!.text.replace('trials: 12', 'trials: 2\nset: { training.epochs: 1, training.earlyStopping: null }'),
    );
    for (const { text } of blocks.filter(({ language }) => language === 'sh')) await shell(cwd, text);
    expect(readFileSync(join(cwd, 'best.yaml'), 'utf8')).toMatch(
      /^# Trial \d of the study first: ctcvr\.auc 0\.\d{4} on valid\n/,
    );
    const csv = readFileSync(join(cwd, 'trials.csv'), 'utf8').trim().split('\n');
    expect(csv).toHaveLength(3);
    expect(csv[0]).toMatch(
      /^trial,state,ctcvr\.auc,deviation,elapsedMs,runs,training\.optimizer\.dense\.learningRate,training\.batchSize,/,
    );
    expect(csv[0]!.split(',')).toContain('test.ctcvr.auc');
    // The config that it wrote trains to the same value.
    const { trials } = JSON.parse((await mtl(cwd, ['sweep', 'show', 'runs/studies/first', '--json'])).stdout) as {
      trials: readonly { value: number }[];
    };
    const { runs } = JSON.parse((await mtl(cwd, ['runs', '/esmm/', '--json'])).stdout) as {
      runs: readonly { monitored: number }[];
    };
    expect(runs[0]!.monitored).toBe(trials[0]!.value);
  });

  it('tells of every search, launcher and kind of values', () => {
    for (const { names } of [searches, launchers, domains])
      for (const name of names) expect(page).toContain(`\`${name}\``);
  });
});

describe('every study that is shipped', () => {
  it.each(studies)('%s is right, and makes its claims in its header', async (file) => {
    await loadStudy(join(root, 'sweeps', file), []);
    const header = readFileSync(join(root, 'sweeps', file), 'utf8').split('\n\n')[0]!;
    for (const claim of ['search', 'data', 'score', 'cost', 'command'])
      expect(header).toMatch(new RegExp(`^# ${claim} +\\S`, 'm'));
    expect(header).toContain(`npx mtl sweep sweeps/${file}`);
  });

  it.each(studies)('%s runs a trial, whose config can be had', { timeout: 120_000 }, async (file) => {
    const cwd = workplace();
    const { code, stdout } = await mtl(cwd, [
      'sweep',
      join('sweeps', file),
      '--set',
      'trials=1',
      '--set',
      'set={training.epochs: 1, training.earlyStopping: null}',
      '--json',
    ]);
    expect(code).toBe(0);
    const { study } = JSON.parse(stdout) as { study: string };
    const best = JSON.parse((await mtl(cwd, ['sweep', 'best', study, '--out', 'best.yaml', '--json'])).stdout) as {
      trial: number;
    };
    expect(best.trial).toBe(1);
    expect((await loadConfig(join(cwd, 'best.yaml'))).experiment.training.epochs).toBe(1);
  });
});

describe('sweeps/sweep.sh', () => {
  it('trains every combination and tells the best first', { timeout: 240_000 }, async () => {
    const cwd = workplace();
    const config = parse(readFileSync(join(cwd, 'configs', 'esmm.yaml'), 'utf8')) as { training: { epochs: number } };
    writeFileSync(
      join(cwd, 'configs', 'esmm.yaml'),
      JSON.stringify({ ...config, training: { ...config.training, epochs: 1 } }),
    );
    const { stdout } = await shell(cwd, 'sweeps/sweep.sh');
    const lines = stdout
      .trim()
      .split('\n')
      .slice(-4)
      .map((line) => line.split('\t'));
    expect(new Set(lines.map(([, run]) => run))).toEqual(
      new Set(['0.001-256', '0.001-512', '0.004-256', '0.004-512'].map((name) => `runs/esmm/loop-${name}`)),
    );
    const values = lines.map(([value]) => Number(value));
    expect(values).toEqual([...values].sort((a, b) => b - a));
  });
});
