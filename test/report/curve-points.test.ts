import { describe, expect, it } from 'vitest';
import { createCollector } from '../../src/evaluation/evaluation.js';
import type { ScoreBins } from '../../src/evaluation/score-bins.js';
import { randomStream } from '../../src/core/random.js';
import {
  gainPoints,
  histogramPoints,
  liftPoints,
  precisionPoints,
  reliabilityPoints,
  rocPoints,
} from '../../src/report/curve-points.js';
import { batchOf, measuring, spacesOfType } from '../support/measured.js';

const uniform = randomStream(5, 'curves');
const predictions = Array.from({ length: 30_000 }, () => Math.fround(0.9 * uniform.uniform() ** 4));
const labels = predictions.map((p) => Number(uniform.uniform() < p));
const collector = createCollector(
  spacesOfType('classification'),
  measuring({ metrics: ['auc', { name: 'lift', top: '5%' }, { name: 'precision', top: '10%' }] }),
);
collector.add(batchOf({ labels, predictions }), new Map([['y', Float32Array.from(predictions)]]));
const report = collector.report()['y']!;
const bins = collector.predicted().outputs['y']!;

/** Interpolates a line at x. */
function heightAt(points: readonly { x: number; y: number }[], x: number): number {
  const after = points.findIndex((point) => point.x >= x);
  const [a, b] = [points[after - 1]!, points[after]!];
  return a.y + ((b.y - a.y) * (x - a.x)) / (b.x - a.x);
}

describe('curves of binned predictions', () => {
  it('have an area equal to the AUC', () => {
    const points = rocPoints(bins);
    const area = points.slice(1).reduce((sum, { x, y }, i) => sum + ((x - points[i]!.x) * (y + points[i]!.y)) / 2, 0);
    expect(area).toBeCloseTo(report['auc'] as number, 3);
    expect([points[0], points.at(-1)]).toEqual([
      { x: 0, y: 0 },
      { x: 1, y: 1 },
    ]);
  });

  it('match the lift and precision metrics', () => {
    expect(heightAt(liftPoints(bins, 0.001), 0.05)).toBeCloseTo(report['lift@5%'] as number, 1);
    const share = bins.positives / bins.rows;
    const found = heightAt(gainPoints(bins), 0.1);
    expect((found * share) / 0.1).toBeCloseTo(report['precision@10%'] as number, 2);
    expect(heightAt(precisionPoints(bins), found)).toBeCloseTo(report['precision@10%'] as number, 2);
  });

  it('have at most as many points as a chart has pixels', () => {
    const lift = liftPoints(bins, 0.001);
    expect(bins.at.length).toBeGreaterThan(1000);
    for (const points of [rocPoints(bins), precisionPoints(bins), lift, gainPoints(bins)])
      expect(points.length).toBeLessThan(402);
    expect(lift[0]!.x).toBeGreaterThanOrEqual(0.001);
    expect(lift.at(-1)).toEqual({ x: 1, y: 1 });
  });

  it('show a calibrated model on the diagonal, within its intervals', () => {
    const points = reliabilityPoints(bins, 12);
    expect(points).toHaveLength(12);
    const hits = points.filter(({ x, low, high }) => low! <= x && x <= high!);
    expect(hits.length).toBeGreaterThanOrEqual(10);
    for (const { y, low, high } of points) expect(low! <= y && y <= high!).toBe(true);
  });

  it('split each class into shares that sum to 1', () => {
    for (const kind of ['negatives', 'truths'] as const)
      expect(histogramPoints(bins, kind).reduce((sum, { y }) => sum + y, 0)).toBeCloseTo(1, 9);
  });

  it('are omitted for a single class', () => {
    const one: ScoreBins = { rows: 5, positives: 0, predicted: 1, at: [-90], negatives: [5], truths: [0] };
    expect([
      rocPoints(one),
      precisionPoints(one),
      liftPoints(one, 0.001),
      gainPoints(one),
      histogramPoints(one, 'truths'),
    ]).toEqual([[], [], [], [], []]);
    expect(reliabilityPoints(one, 12)).toHaveLength(1);
  });
});
