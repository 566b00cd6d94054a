import type { Plan, StepPlan } from '../../src/engines/engine.js';
import { embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import type { TableChanges } from '../../src/tables/row-changes.js';
import { twoTermPlan } from './two-terms.js';

/** A plan whose item table may have `capacity` rows, of which the first 40 represent ids at first. */
export function growingPlan(capacity: number, step?: StepPlan, lazy = true): Plan {
  const plan = twoTermPlan([1, 2], step);
  const tables = plan.layout.tables.map((table) =>
    table.name === 'item' ? { ...table, rows: capacity, initialRows: table.rows } : table,
  );
  return {
    ...plan,
    layout: { ...plan.layout, tables },
    optimizers: {
      ...plan.optimizers,
      // Its state starts from 0.5, so that a cleared state differs from zeros.
      embeddings: embeddingOptimizerSchema.parse({ name: 'adagrad', initialAccumulator: 0.5, learningRate: 0.1, lazy }),
    },
  };
}

/** Changes of rows of its item table. */
export function changes(admitted: readonly number[], cleared: readonly number[], batch = 1): TableChanges {
  return new Map([['item', { admitted: Uint32Array.from(admitted), cleared: Uint32Array.from(cleared), batch }]]);
}
