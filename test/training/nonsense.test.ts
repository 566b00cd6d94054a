import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/tasks.js';
import { taskOptions } from '../../src/tasks.js';
import { watchForNonsense } from '../../src/training/nonsense.js';

const tasks: readonly Task[] = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];

/** What is told of a test with 1,000 rows, a tenth of them positive: predicting the rate for each has a log loss of 0.3251. */
function toldOf(values: { readonly auc: number; readonly logLoss: number; readonly pcoc: number }): readonly string[] {
  const told: string[] = [];
  watchForNonsense(tasks, (notice) => told.push(notice)).results({ test: { ctr: { rows: 1000, positives: 100, ...values } } });
  return told;
}

describe('what makes no sense', () => {
  it('is an AUC of chance, and what it may come from', () => {
    expect(toldOf({ auc: 0.51, logLoss: 0.33, pcoc: 1 })).toEqual([expect.stringMatching(/^test ctr: an AUC of 0\.5100 is no better than chance on 100 positives: the fields may say nothing of it/)]);
    expect(toldOf({ auc: 0.51, logLoss: 2.3, pcoc: 1.1 })).toEqual([expect.stringMatching(/no better than chance on 100 positives: its log loss is far above that of predicting the rate of positives for every row, so that the learning rate is likely too high/)]);
    expect(toldOf({ auc: 0.3, logLoss: 0.33, pcoc: 1 })).toEqual([expect.stringMatching(/ranks worse than chance/)]);
  });

  it('is a prediction far from what happens, and is nothing else', () => {
    expect(toldOf({ auc: 0.7, logLoss: 0.5, pcoc: 3 })).toEqual([expect.stringMatching(/3\.0 times as high as what happens/)]);
    expect(toldOf({ auc: 0.7, logLoss: 0.3, pcoc: 1.2 })).toEqual([]);
  });
});
