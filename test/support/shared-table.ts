import { withMaps } from './batches.js';
import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import type { Plan } from '../../src/engines/engine.js';
import { optimizers } from '../../src/optimizers/optimizers.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { numericBatch, planOf } from './graph-plan.js';

const FIELDS = ['seen', 'clicked', 'bought'];

/** A table that three fields share, and a small one. */
function layoutOf(width: number): InputLayout {
  return {
    width: FIELDS.length * width + 3,
    tables: [
      { name: 'item', rows: 400, width },
      { name: 'day', rows: 7, width: 3 },
    ],
    columns: [
      ...FIELDS.map((field, f) => ({ kind: 'id' as const, field, table: 'item', offset: f * width, width })),
      { kind: 'id', field: 'day', table: 'day', offset: FIELDS.length * width, width: 3 },
    ],
  };
}

/** Builds a plan of two terms on a table that has most ids. */
export function sharedTablePlan(width: number, step: Plan['step'], batchRows: number, isLazy = true): Plan {
  const plan = planOf(layoutOf(width), (g, input, y) => {
    const logits = ['a', 'b'].map((name) =>
      g.linear(g.activation(g.linear(input, 8, name), 'tanh', `${name}.tanh`), 1, `${name}.out`),
    );
    return {
      terms: logits.map((logit, i) => ({ name: `t${i}`, weight: 1, loss: g.binaryCrossEntropy(logit, y) })),
      predictions: { p: logits[0]! },
    };
  });
  const embeddings = { ...optimizers.schema.parse({ name: 'adam' }), lazy: isLazy } as Plan['optimizers']['embeddings'];
  return { ...plan, batchRows, optimizers: { ...plan.optimizers, embeddings }, ...(step && { step }) };
}

/** Random rows for it; few ids are frequent. */
export function sharedTableBatch(rows: number, seed: number): Batch {
  const random = randomStream(seed, 'gather');
  const draw = (): number => Math.floor(400 * random.uniform() ** 3);
  return withMaps(numericBatch(rows, 0, seed), {
    ids: new Map([
      ...FIELDS.map((field) => [field, Uint32Array.from({ length: rows }, draw)] as const),
      ['day', Uint32Array.from({ length: rows }, () => random.below(7))],
    ]),
  });
}
