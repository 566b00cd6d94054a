import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import type { Output } from '../../src/evaluation/outputs.js';
import {
  firstProgressiveState,
  ProgressiveValidation,
  progressiveSection,
  type ProgressiveState,
  type WindowReport,
} from '../../src/training/progressive.js';
import { appendWindow, type WindowRows } from '../../src/training/window-rows.js';

const OUTPUT: Output = { name: 'ctr', type: 'classification', label: 'click', where: undefined, factors: ['ctr'] };
const LIMITS = { aucDrop: 0.1, lossRise: 0.5 };

/** Rows with labels and predictions; predictions are right with a probability. */
function rowsOf(count: number, quality: (row: number) => number): { labels: number[]; predictions: number[] } {
  const random = randomStream(1, 'rows');
  const labels = Array.from({ length: count }, () => random.below(2));
  const predictions = labels.map((label, row) => {
    const isRight = random.uniform() < quality(row);
    return Math.fround((label === 1) === isRight ? 0.6 + 0.3 * random.uniform() : 0.1 + 0.3 * random.uniform());
  });
  return { labels, predictions };
}

function batchOf(labels: readonly number[]): Batch {
  const none = new Map<string, never>();
  return toBatch({
    rows: labels.length,
    ids: none,
    numbers: none,
    bags: none,
    labels: new Map([['click', Float32Array.from(labels)]]),
  });
}

/** Computes the metrics of some rows in float64 by their definitions. */
function byHand(labels: readonly number[], predictions: readonly number[]): Record<string, number> {
  let [wins, pairs, loss] = [0, 0, 0];
  for (const [i, label] of labels.entries()) {
    loss -= Math.log(label === 1 ? predictions[i]! : 1 - predictions[i]!);
    for (const [j, other] of labels.entries()) {
      if (label !== 1 || other !== 0) continue;
      pairs++;
      wins += predictions[i]! > predictions[j]! ? 1 : predictions[i] === predictions[j] ? 0.5 : 0;
    }
  }
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return { auc: wins / pairs, logLoss: loss / labels.length, pcoc: sum(predictions) / sum(labels) };
}

/** Adds rows in batches. After each batch, a checkpoint is stored and restored if `isResumed`. */
function measure(
  { labels, predictions }: ReturnType<typeof rowsOf>,
  { batchRows, isResumed = false }: { batchRows: number; isResumed?: boolean },
): { readonly windows: readonly WindowReport[]; readonly state: ProgressiveState; readonly rows: WindowRows } {
  let state = firstProgressiveState();
  let progressive = new ProgressiveValidation([OUTPUT], [], 100, LIMITS, state);
  let saved: WindowRows = new Map();
  const windows: WindowReport[] = [];
  for (let begin = 0; begin < labels.length; begin += batchRows) {
    const own = Float32Array.from(predictions.slice(begin, begin + batchRows));
    windows.push(...progressive.add(batchOf(labels.slice(begin, begin + batchRows)), new Map([['ctr', own]])));
    if (!isResumed) continue;
    // A delta has the rows since the checkpoint before.
    saved = appendWindow(saved, progressive.changes());
    state = progressiveSection.schema.parse(JSON.parse(JSON.stringify(state)));
    progressive = new ProgressiveValidation([OUTPUT], [], 100, LIMITS, state, saved);
    progressive.markSaved();
  }
  return { windows, state, rows: progressive.full() };
}

describe('progressive validation', () => {
  const rows = rowsOf(450, () => 0.8);

  it('measures each window as by hand, for batches of any size', () => {
    for (const batchRows of [7, 64, 100, 333]) {
      const { windows } = measure(rows, { batchRows });
      expect(windows.map(({ window, rows: count }) => [window, count])).toEqual([1, 2, 3, 4].map((w) => [w, 100]));
      for (const [w, { report }] of windows.entries()) {
        const part = (values: readonly number[]): readonly number[] => values.slice(100 * w, 100 * (w + 1));
        const expected = byHand(part(rows.labels), part(rows.predictions));
        for (const [name, value] of Object.entries(expected)) expect(report['ctr']![name]).toBeCloseTo(value, 6);
      }
    }
  });

  it('continues a window from a checkpoint, bit by bit', () => {
    const whole = measure(rows, { batchRows: 64 });
    expect(measure(rows, { batchRows: 64, isResumed: true })).toEqual(whole);
    expect(whole.state.rows).toBe(50);
    const { labels, predictions } = rowsOf(450, () => 0.8);
    expect([...whole.rows.get('labels.click')!.data]).toEqual(labels.slice(400));
    expect(whole.rows.get('predictions.ctr')!.data).toEqual(Float32Array.from(predictions.slice(400)));
  });

  it('has the new rows of a window in a delta, and all rows in a full checkpoint', () => {
    const state = firstProgressiveState();
    const progressive = new ProgressiveValidation([OUTPUT], [], 100, LIMITS, state);
    const add = (begin: number, end: number): unknown =>
      progressive.add(
        batchOf(rows.labels.slice(begin, end)),
        new Map([['ctr', Float32Array.from(rows.predictions.slice(begin, end))]]),
      );
    const sizes = (window: WindowRows): readonly number[] => [
      window.get('first')!.data[0]!,
      window.get('predictions.ctr')?.data.length ?? 0,
    ];
    const seen: (readonly number[])[] = [];
    for (const end of [60, 70, 70, 100, 130]) {
      add(state.windows * 100 + state.rows, end);
      seen.push([...sizes(progressive.full()), ...sizes(progressive.changes())]);
      progressive.markSaved();
    }
    expect(seen).toEqual([
      [0, 60, 0, 60],
      [0, 70, 60, 10],
      [0, 70, 70, 0],
      [0, 0, 0, 0],
      [0, 30, 0, 30],
    ]);
    expect(JSON.stringify(state).length).toBeLessThan(300);
  });

  it('rejects rows that do not follow those before', () => {
    const { rows: window, state } = measure(rows, { batchRows: 64 });
    const later = new Map(window).set('first', { shape: [1], data: Uint32Array.of(20) });
    expect(() => appendWindow(new Map(), later)).toThrow(
      'expected the rows of a window after row 0, found those after 20',
    );
    expect(() => new ProgressiveValidation([OUTPUT], [], 100, LIMITS, state)).toThrow(
      'expected 50 rows of the current window, found 0',
    );
  });

  it('raises an alarm if a window is worse than those before', () => {
    const { windows } = measure(
      rowsOf(500, (row) => (row < 300 || row >= 400 ? 0.9 : 0.4)),
      { batchRows: 50 },
    );
    expect(windows.map(({ alarms }) => alarms.length > 0)).toEqual([false, false, false, true, false]);
    expect(windows[3]!.alarms[0]).toMatch(/^ctr\.auc dropped to 0\.\d{4}, from 0\.\d{4} in the windows before$/);
    expect(windows[3]!.alarms[1]).toMatch(/^ctr\.logLoss rose to \d\.\d{4}, from 0\.\d{4} in the windows before$/);
  });

  it('raises an alarm for a skipped batch', () => {
    const state = firstProgressiveState();
    const progressive = new ProgressiveValidation([OUTPUT], [], 2, LIMITS, state);
    progressive.countSkipped();
    const [window] = progressive.add(batchOf([0, 1]), new Map([['ctr', Float32Array.of(0.2, 0.7)]]));
    expect(window!.alarms).toEqual(['1 batches were skipped: a loss was not finite']);
    expect(state).toMatchObject({ windows: 1, rows: 0, skippedBatches: 0, alarms: window!.alarms });
  });
});
