// Evaluation at the size of Ali-CCP's test set, 43 million rows: each metric alone and all metrics of every output,
// with time and peak memory (6 minutes; MTL_BENCH_ROWS sets fewer rows).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'vitest';
import { count, printTable, saveResults } from './results.js';

const ROWS = Number(process.env['MTL_BENCH_ROWS'] ?? 43_000_000);

interface Found {
  readonly collectSeconds: number;
  readonly seconds: number;
  readonly storedMB: number;
  readonly peakMB: number;
  readonly report: Readonly<Record<string, unknown>>;
}

function measure(type: 'classification' | 'regression', section: object, output?: string): Found {
  const args = [String(ROWS), type, JSON.stringify(section), ...(output === undefined ? [] : [output])];
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--max-old-space-size=4096', join(import.meta.dirname, 'metrics-child.js'), ...args],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Found;
}

const OF_CLASSES: readonly object[] = [
  { name: 'auc' },
  { name: 'auc', confidence: '95%' },
  { name: 'logLoss' },
  { name: 'normalizedEntropy' },
  { name: 'pcoc' },
  { name: 'ece' },
  { name: 'lift', top: '5%' },
  { name: 'gauc', groupBy: 'user' },
  { name: 'ndcg', groupBy: 'user', k: 10 },
  { name: 'hit', groupBy: 'user', k: 10 },
];
const OF_NUMBERS = [{ name: 'rmse' }, { name: 'mae' }, { name: 'r2' }, { name: 'spearman' }];

it('metrics', () => {
  const rows = [
    // The default metrics of every output.
    { what: 'all by default, of four spaces', found: measure('classification', {}) },
    { what: 'all by default, by hour', found: measure('classification', { segmentBy: ['hour'] }) },
    ...OF_CLASSES.map((metric) => ({
      what: JSON.stringify(metric),
      found: measure('classification', { metrics: [metric] }, 'ctr'),
    })),
    ...OF_NUMBERS.map((metric) => ({
      what: JSON.stringify(metric),
      found: measure('regression', { metrics: [metric] }),
    })),
  ];
  const gigabytes = (megabytes: number): string => `${(megabytes / 1000).toFixed(2)} GB`;
  printTable(
    `${count(ROWS)} rows`,
    rows.map(({ what, found: { collectSeconds, seconds, storedMB, peakMB } }) => ({
      metric: what,
      collected: `${collectSeconds.toFixed(1)} s`,
      measured: `${seconds.toFixed(2)} s`,
      'rows in memory': gigabytes(storedMB),
      'at the peak': gigabytes(peakMB),
    })),
  );
  saveResults('metrics', { rows: ROWS, measured: rows });
});
