import { describe, expect, it } from 'vitest';
import { column, type Batch, type BatchRead } from '../../src/core/batch.js';
import type { Engine, Plan } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { listOutputs } from '../../src/evaluation/outputs.js';
import { taskOptions } from '../../src/core/tasks.js';
import { evaluateBatches } from '../../src/training/evaluate-batches.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { twoTermBatch, twoTermPlan } from '../support/two-terms.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine(1))],
  ['tfjs', () => createTfjsEngine()],
];

async function* reads(batches: readonly Batch[]): AsyncGenerator<BatchRead> {
  for (const batch of batches) yield await Promise.resolve({ batch, totalRows: 0 });
}

/** Mean over the rows that count, in doubles, written down once more. */
function mean(
  batches: readonly { batch: Batch; values: Float32Array }[],
  lossOf: (prediction: number, batch: Batch, b: number) => number,
  counts: (batch: Batch, b: number) => boolean,
): number {
  let [sum, rows] = [0, 0];
  for (const { batch, values } of batches) {
    for (let b = 0; b < batch.rows; b++) {
      if (!counts(batch, b)) continue;
      sum += lossOf(values[b]!, batch, b);
      rows++;
    }
  }
  return sum / rows;
}

describe('the loss of an evaluation', () => {
  it.each(engines)('matches the engine, also for a term without an output (%s)', async (_, engineOf) => {
    const whole = twoTermPlan([2, 0.5]);
    // The second term is what a calibrator or an imputation has: nothing that is measured has its name.
    const terms = whole.graph.terms.map((term, t) => (t === 1 ? { ...term, name: 'calibrator' } : term));
    const plan: Plan = { ...whole, graph: { ...whole.graph, terms } };
    const program = (await engineOf()).compile(plan);
    const batches = [twoTermBatch(1500, 1), twoTermBatch(70, 2)];
    // Its predictions are numbers, so regression is what they are measured as.
    const outputs = listOutputs([{ name: 'ctr', ...taskOptions.parse({ label: 'click', type: 'regression' }) }]);
    const { report, loss } = await evaluateBatches(
      program,
      reads(batches),
      { outputs, terms },
      new AbortController().signal,
    );
    expect(Object.keys(report)).toEqual(['ctr']);

    const predicted = await Promise.all(batches.map(async (batch) => ({ batch, found: await program.predict(batch) })));
    const of = (name: string) => predicted.map(({ batch, found }) => ({ batch, values: found.get(name)! }));
    const labelOf = (batch: Batch, label: string, b: number): number => column(batch, label, 'f32').data[b]!;
    const ctr = mean(
      of('ctr'),
      (z, batch, b) => Math.log1p(Math.exp(z)) - labelOf(batch, 'click', b) * z,
      () => true,
    );
    const cvr = mean(
      of('cvr'),
      (z, batch, b) => (z - labelOf(batch, 'buy', b)) ** 2,
      (batch, b) => labelOf(batch, 'click', b) === 1,
    );
    expect(loss).toBeCloseTo(2 * ctr + 0.5 * cvr, 6);
    program.dispose();
  });
});
