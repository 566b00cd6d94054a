/** @module-tag long */
import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { buildModel, models } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { buildScale, scaleSteps, startScalingFit } from '../../src/core/scaling.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { engines } from '../support/engines.js';

const ROWS = 32;
const random = randomStream(2, 'rows');
const spend = Float32Array.from({ length: ROWS }, (_, row) => (row === 0 ? 0 : 300 * random.uniform() ** 3));
const batch: Batch = toBatch({
  rows: ROWS,
  numbers: new Map([['a', spend.map((y) => Math.log1p(y) + 0.1 * random.normal())]]),
  labels: new Map([['spend', spend]]),
});
const adam = denseOptimizers.schema.parse({ learningRate: 0.05 });

describe.each(engines)('$name', ({ create }) => {
  it.each<[NonNullable<Task['scaling']>]>([['standard'], ['min-max'], ['log1p'], [['log1p', 'standard']]])(
    'has the loss of the label scaled by %s, and predicts in original units',
    async (scaling) => {
      const fit = startScalingFit(scaling);
      for (const value of spend) fit?.observe(value);
      const learned = fit?.finish();
      const task = { name: 'spend', ...taskOptions.parse({ label: 'spend', type: 'regression', scaling }) };
      const layout = { width: 1, tables: [], columns: [{ field: 'a', offset: 0, width: 1, kind: 'number' as const }] };
      const graph = buildModel(
        models.schema.parse({ name: 'shared-bottom', batchNorm: false, tower: { hidden: [] } }),
        layout,
        [task],
        { scales: new Map([['spend', scaleSteps(scaling, learned)]]) },
      );
      const program = (await create()).compile({
        graph,
        layout,
        optimizers: { dense: adam, embeddings: { ...adam, lazy: true } },
        seed: 1,
      });
      for (let step = 0; step < 150; step++) await program.trainStep(batch);
      const { predictions, losses } = await program.evaluate(batch);
      const scale = buildScale(scaling, learned);
      const predicted = predictions.get('spend')!;
      // The loss is small near the label, and predictions have the magnitude of labels.
      const errors = [...spend].map((y, row) => (scale(y) - scale(predicted[row]!)) ** 2);
      expect(losses.get('spend')!.mean).toBeCloseTo(errors.reduce((sum, error) => sum + error, 0) / ROWS, 4);
      expect(losses.get('spend')!.mean).toBeLessThan(0.1);
      expect(Math.max(...predicted)).toBeGreaterThan(150);
      program.dispose();
    },
  );
});
