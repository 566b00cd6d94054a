import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readMetricLines } from '../../src/runs/metric-lines.js';
import { readScores } from '../../src/runs/score-file.js';
import { readSummary } from '../../src/runs/summary.js';
import { scratchFolder } from '../support/scratch.js';

/** Writes a file of an earlier version into a run directory. */
function runWith(file: string, text: string): string {
  const run = scratchFolder();
  writeFileSync(join(run, file), text);
  return run;
}

describe('a run of an earlier version', () => {
  it('has the current keys in its metrics', () => {
    const lines = [
      {
        step: 5,
        epoch: 1,
        train: { loss: 0.7, terms: { ctr: 0.7 } },
        rates: { dense: 0.5, embeddings: 1 },
        weights: { ctr: 2 },
        norms: { dense: 3 },
      },
      { epoch: 1, step: 9, rows: 90, elapsedMs: 4, train: { loss: 0.6, terms: { ctr: 0.6 } }, isBest: true },
    ];
    const run = runWith('metrics.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    expect(readMetricLines(run)).toEqual({
      steps: [
        {
          step: 5,
          epoch: 1,
          train: { loss: 0.7, losses: { ctr: 0.7 } },
          lrFactors: { dense: 0.5, embeddings: 1 },
          lossWeights: { ctr: 2 },
          gradNorms: { dense: 3 },
        },
      ],
      milestones: [
        { epoch: 1, step: 9, rows: 90, elapsedMs: 4, train: { loss: 0.6, losses: { ctr: 0.6 } }, isBest: true },
      ],
      diagnoses: [],
      windows: [],
      results: undefined,
    });
  });

  it('has the current metrics in its reports, in the same order', () => {
    const report = (metric: string): object => ({
      ctr: { rows: 9, auc: 0.7, [metric]: 0.9, pcoc: 1 },
      'ctr[hour=1]': {
        rows: 1,
        auc: null,
        [metric]: null,
        pcoc: 1,
        reasons: { auc: 'one class', [metric]: 'one class' },
      },
    });
    const milestone = (metric: string): object => ({
      ...{ epoch: 1, step: 9, rows: 90, elapsedMs: 4, train: { loss: 0.6, losses: {} } },
      ...{ valid: { loss: 0.5, metrics: report(metric) }, isBest: true },
    });
    const results = (metric: string): object => ({ bestEpoch: 1, metrics: { valid: report(metric) } });
    const lines = [milestone('normalisedEntropy'), results('normalisedEntropy')];
    const run = runWith('metrics.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const read = readMetricLines(run);
    expect(JSON.stringify([...read.milestones, read.results])).toBe(
      JSON.stringify([milestone('normalizedEntropy'), results('normalizedEntropy')]),
    );
  });

  it('has the current keys in its scores', () => {
    const bins = { rows: 2, positives: 1, predicted: 0.9, at: [3], negatives: [1], truths: [1] };
    const run = runWith('scores.json', JSON.stringify({ valid: { step: 9, spaces: { ctr: bins }, segments: {} } }));
    expect(readScores(run)).toEqual({ valid: { step: 9, outputs: { ctr: bins }, segments: {} } });
  });

  it('has the current keys in its summary', () => {
    const summary = {
      end: 'completed',
      name: 'esmm',
      model: 'esmm',
      seed: 1,
      changes: [],
      epochs: 1,
      steps: 9,
      bestEpoch: 1,
      monitor: 'ctr.normalizedEntropy',
      monitored: 0.7,
      metrics: { valid: { ctr: { normalizedEntropy: 0.7 } } },
      elapsedMs: 4,
      rowsPerSecond: 5,
    };
    const text = JSON.stringify({ ...summary, numRejects: 3 });
    const run = runWith('summary.json', text.replaceAll('normalizedEntropy', 'normalisedEntropy'));
    expect(readSummary(run)).toEqual({ ...summary, rejectedRows: 3 });
  });
});
