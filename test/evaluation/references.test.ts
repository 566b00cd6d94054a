import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { OutputReport } from '../../src/evaluation/evaluation.js';
import { reportOf } from '../support/measured.js';

// Numbers of scikit-learn, SciPy and torchmetrics, which make_cases.py wrote.

interface Case {
  readonly labels: readonly number[];
  readonly predictions: readonly number[];
  readonly groups?: readonly number[];
  readonly expected: Readonly<Record<string, number>>;
  readonly bins?: readonly Readonly<Record<string, number>>[];
}

const read = (name: string): Case =>
  JSON.parse(readFileSync(new URL(`cases/${name}.json`, import.meta.url), 'utf8')) as Case;
const CLASSES = [
  { name: 'auc', confidence: '95%' },
  'logLoss',
  'normalizedEntropy',
  'pcoc',
  { name: 'gauc', groupBy: 'user' },
  'ece',
  { name: 'ece', bins: 10, binning: 'uniform', as: 'eceOfWidth' },
  ...[0.05, '20%'].flatMap((top) => ['precision', 'recall', 'lift'].map((name) => ({ name, top }))),
  { name: 'ndcg', groupBy: 'user', k: 5 },
  { name: 'hit', groupBy: 'user', k: 2 },
];
/** torchmetrics computes in floats of 32 bits. */
const LOOSE = /^(ndcg|hit|eceOfWidth)/;

function expectClose(found: OutputReport, expected: Case['expected']): void {
  for (const [name, value] of Object.entries(expected))
    expect([name, found[name]]).toEqual([name, expect.closeTo(value, LOOSE.test(name) ? 6 : 11)]);
}

describe('metrics', () => {
  it.each(['classes', 'classes-with-ties'])('of classification match scikit-learn and torchmetrics: %s', (name) => {
    const { labels, predictions, groups, expected, bins } = read(name);
    const { y } = reportOf({ metrics: CLASSES }, { labels, predictions, columns: { user: groups! } });
    expectClose(y!, expected);
    expect(y!.bins!['ece']).toEqual(
      bins!.map((bin) =>
        Object.fromEntries(Object.entries(bin).map(([key, value]) => [key, expect.closeTo(value, 11)])),
      ),
    );
    if (name === 'classes')
      expect(Object.keys(y!).filter((key) => !Object.hasOwn(expected, key))).toEqual([
        'rows',
        'positives',
        'ndcg@5_noPositiveGroups',
        'hit@2_groups',
        'hit@2_noPositiveGroups',
        'bins',
      ]);
  });

  it.each(['numbers', 'numbers-with-ties'])('of regression match scikit-learn and SciPy: %s', (name) => {
    const { labels, predictions, expected } = read(name);
    expectClose(
      reportOf({ metrics: ['mae', 'rmse', 'r2', 'spearman'] }, { labels, predictions }, 'regression')['y']!,
      expected,
    );
  });
});
