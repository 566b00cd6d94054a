// Prediction throughput of ESMM from shards and from CSV, compared with loops in PyTorch and torch-rechub; and mtl
// importance (5 minutes).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { count, printTable, saveResults } from './results.js';

const root = join(import.meta.dirname, '..');
/** Rows to predict; rows to train on only set the vocabulary. */
const [ROWS, TRAIN_ROWS] = [1_000_000, 200_000];
/** Target throughput in rows/s on two cores. */
const TARGETS: Readonly<Record<string, number>> = { 'shards to CSV': 800_000, 'CSV to CSV': 500_000 };
const PYTHON = process.env['MTL_PYTHON'] ?? 'python3';

interface Measured {
  readonly rows: number;
  readonly ms: number;
  readonly peakMB: number;
}

/** Runs a command to completion; returns its stdout. */
function run(command: string, args: readonly string[], cwd = root): string {
  const { stdout, stderr, status, error } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error !== undefined || status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}

const mtl = (cwd: string, ...args: string[]): string =>
  run(process.execPath, [join(root, 'bin', 'mtl.js'), ...args], cwd);
const measure = (...args: string[]): Measured =>
  JSON.parse(run(process.execPath, [join(import.meta.dirname, 'predict-child.js'), ...args])) as Measured;

/** Measures a PyTorch variant; returns the reason if it cannot run. */
function peer(side: string): Measured | string {
  const { stdout, stderr, status, error } = spawnSync(
    PYTHON,
    [join(import.meta.dirname, 'peers', 'torch_predict.py'), side],
    { encoding: 'utf8' },
  );
  if (error !== undefined || status !== 0)
    return (
      `${side} left out: ${PYTHON} ` +
      `${error === undefined ? (stderr.trim().split('\n').at(-1) ?? '') : 'does not start'}; ` +
      'MTL_PYTHON names another'
    );
  return JSON.parse(stdout) as Measured;
}

it('predict', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-bench-predict-'));
  try {
    const sizes = ['--train', String(TRAIN_ROWS), '--test', String(ROWS)];
    mtl(folder, 'synth', 'csv', '--preset', 'ali-ccp', '--valid', '1000', ...sizes);
    mtl(folder, 'synth', 'raw', '--preset', 'ali-ccp', '--format', 'raw', ...sizes);
    mtl(folder, 'prepare', 'ali-ccp', 'raw', 'shards', '--max-values', '1');
    const esmm = readFileSync(join(root, 'configs', 'esmm.yaml'), 'utf8');
    writeFileSync(join(folder, 'csv.yaml'), esmm.replaceAll('../data/sample/', 'csv/'));
    const training = ['--set', 'training.epochs=1', '--set', 'training.batchSize=4096', '--set', 'data.test=null'];
    mtl(folder, 'train', 'csv.yaml', '--run-dir', 'run-csv', ...training);
    mtl(folder, 'train', join('shards', 'config.yaml'), '--run-dir', 'run-shards', ...training);

    const results: Record<string, Measured> = {
      'shards to CSV': measure(
        'predict',
        join(folder, 'run-shards'),
        join(folder, 'shards', 'test'),
        join(folder, 'out.csv'),
      ),
      'shards to Parquet': measure(
        'predict',
        join(folder, 'run-shards'),
        join(folder, 'shards', 'test'),
        join(folder, 'out.parquet'),
      ),
      'CSV to CSV': measure(
        'predict',
        join(folder, 'run-csv'),
        join(folder, 'csv', 'test.csv'),
        join(folder, 'out.csv'),
      ),
    };
    for (const side of ['dataloader', 'torch-rechub']) {
      const measured = peer(side);
      if (typeof measured === 'string') console.log(measured);
      else results[side] = measured;
    }
    const table = Object.entries(results).map(([what, { rows, ms, peakMB }]) => ({
      what,
      rows: count(rows),
      'rows/s': count((1000 * rows) / ms),
      target: TARGETS[what] === undefined ? '' : count(TARGETS[what]),
      'peak MB': count(peakMB),
    }));
    printTable('esmm, 23 ids a row, three predictions', table);

    const owed = measure('importance', join(folder, 'run-shards'), join(folder, 'shards', 'test'));
    console.log(
      `mtl importance, one permutation of each field on ${count(owed.rows)} rows: ` +
        `${(owed.ms / 1000).toFixed(1)} s, reading included; ${count(owed.peakMB)} MB\n`,
    );
    saveResults('predict', { results, importance: owed });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
