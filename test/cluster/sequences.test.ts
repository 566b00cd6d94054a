/** @module-tag long */
import { withMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { column, sliceRows, type Batch } from '../../src/core/batch.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { localRows } from '../../src/engines/cpu/local-rows.js';
import type { Plan } from '../../src/engines/engine.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { planOf } from '../support/graph-plan.js';
import { needsMpi, OPEN_MPI } from '../support/mpi.js';
import {
  ALIGNED_LAYOUT,
  batchOf,
  INTERESTS,
  din,
  dinOfPaper,
  TABLE_ROWS,
  LAYOUT,
  MAX_ITEMS,
  planWith,
  WIDTH,
  withAligned,
  withoutItems,
  type Interest,
  sequenceLayout,
} from '../support/sequences.js';
import {
  allTrainedBy,
  distance,
  optionsOf,
  together,
  trainedAlone,
  trainedBy,
  type Training,
} from '../support/trained-together.js';

/** The table is sharded, or every rank stores it. */
const TABLES = { sharded: TABLE_ROWS, replicated: TABLE_ROWS + 1 };
type Tables = keyof typeof TABLES;

/** Batches in which some ranks have no items, or no rows, and one without any item. */
function batchesOf(rows: number): readonly Batch[] {
  return [
    batchOf(rows, 1),
    withoutItems(batchOf(rows, 2), 0, rows >> 1),
    batchOf(rows, 3),
    withoutItems(batchOf(rows, 4), rows >> 1, rows),
    batchOf(2, 5),
    withoutItems(batchOf(rows, 6), 0, rows),
  ];
}

function trainingWith(interest: Interest, tables: Tables, step: Plan['step'] = {}, steps = 30): Training {
  const { optimizers, ...plan } = planWith(interest, step, ['tower', 'other']);
  // Adam would amplify a gradient that is only rounding error, as that of a bias before batch norm.
  const steady = {
    dense: denseOptimizers.schema.parse({ name: 'sgd', learningRate: 0.1 }),
    embeddings: { ...optimizers.embeddings, epsilon: 1e-3 },
  };
  const rows = step.rows ?? 200;
  return {
    plan: { ...plan, optimizers: steady, batchRows: Math.min(rows, 200), dealtRows: TABLES[tables] },
    batches: batchesOf(rows),
    steps,
    evaluated: batchOf(1500, 9),
    options: optionsOf({}),
  };
}

const SETUPS = (['sharded', 'replicated'] as const).flatMap((tables) =>
  [2, 3].map((processes) => [processes, tables] as const),
);

/** Adds a sequence of another table, which is too small to be sharded. */
function withTwoSequences({ plan, batches, evaluated, ...training }: Training): Training {
  const rows = 12;
  const layout: InputLayout = {
    ...LAYOUT,
    tables: [...LAYOUT.tables, { name: 'brand', rows, width: WIDTH }],
    sequences: [
      ...LAYOUT.sequences!,
      sequenceLayout({ field: 'bought', table: 'brand', width: WIDTH, maxItems: MAX_ITEMS }),
    ],
  };
  const { graph } = planOf(layout, (g, input, y) => {
    const items = g.input({ kind: 'items', field: 'clicked', table: 'item' }, WIDTH);
    const bought = g.activation(
      g.linear(g.input({ kind: 'items', field: 'bought', table: 'brand' }, WIDTH), 5, 'bought'),
      'tanh',
      'b',
    );
    const logit = g.linear(g.concat([din(g, input, items), g.segmentPool(bought, 'max'), input]), 1, 'out');
    return {
      predictions: { p: g.activation(logit, 'sigmoid', 'p') },
      terms: [{ name: 'ctr', weight: 1, loss: g.binaryCrossEntropy(logit, y) }],
    };
  });
  const withBought = (batch: Batch, seed: number): Batch => {
    const { offsets, ids, weights } = column(batchOf(batch.rows, seed), 'clicked', 'list');
    return withMaps(batch, {
      bags: new Map([['bought', { type: 'list', offsets, ids: ids.map((id) => id % rows), weights }]]),
    });
  };
  return {
    ...training,
    plan: { ...plan, layout, graph },
    batches: batches.map((batch, i) => withBought(batch, 20 + i)),
    evaluated: withBought(evaluated, 30),
  };
}

/** Trains on three aligned fields, two of which are looked up. */
function trainingOfAligned(activation: 'prelu' | 'dice', tables: Tables): Training {
  const { plan, batches, evaluated, ...training } = trainingWith(din, tables);
  return {
    ...training,
    plan: {
      ...plan,
      layout: ALIGNED_LAYOUT,
      graph: planWith(dinOfPaper(activation), {}, ['tower'], ALIGNED_LAYOUT).graph,
    },
    batches: batches.map((batch, i) => withAligned(batch, 20 + i)),
    evaluated: withAligned(evaluated, 30),
  };
}

/** Expects that several processes train like one, if some have no items. */
async function expectAlike(
  processes: number,
  tables: Tables,
  trainings: Readonly<Record<string, Training>>,
): Promise<void> {
  const names = Object.keys(trainings);
  const all = await allTrainedBy(OPEN_MPI, processes, Object.values(trainings));
  for (const [i, name] of names.entries()) {
    const both = together(all[i]!);
    expect(both.dealt?.has('embeddings.item') === true, name).toBe(tables === 'sharded');
    expect(distance(await trainedAlone(trainings[name]!), both), name).toBeLessThan(1e-5);
  }
}

describe('sequences', { timeout: 240_000 }, () => {
  it.for(SETUPS)('train on %i processes like on one, with %s tables', async ([processes, tables], context) => {
    needsMpi(context, OPEN_MPI);
    const cases = Object.entries<Interest>(INTERESTS).map(
      ([name, interest]) => [name, trainingWith(interest, tables)] as const,
    );
    await expectAlike(processes, tables, Object.fromEntries(cases));
  });

  it.for(SETUPS)(
    'of DIN train on %i processes in steps of any kind, with %s tables',
    async ([processes, tables], context) => {
      needsMpi(context, OPEN_MPI);
      const combined = trainingWith(din, tables, { combinesTerms: true, isDiagnosed: true });
      await expectAlike(processes, tables, {
        'several passes': trainingWith(INTERESTS['dropout of items'], tables, { rows: 500 }),
        'clipped norm and EMA': trainingWith(din, tables, {
          clip: { norm: 0.05, separate: true },
          average: { decay: 0.9 },
        }),
        'combined terms': {
          ...combined,
          options: optionsOf({ lossWeighting: { name: 'pcgrad' }, diagnostics: { everySteps: 5 } }),
        },
        'several passes of DIN': trainingWith(din, tables, { rows: 500 }),
      });
    },
  );

  it('of two fields train like on one process, with a sharded and a replicated table', async (context) => {
    needsMpi(context, OPEN_MPI);
    const training = withTwoSequences(trainingWith(din, 'sharded'));
    const all = await trainedBy(OPEN_MPI, 3, training);
    expect(['item', 'brand'].map((table) => all[0]!.dealt!.has(`embeddings.${table}`))).toEqual([true, false]);
    expect(distance(await trainedAlone(training), together(all))).toBeLessThan(1e-5);
  });

  it.for(SETUPS)(
    'of aligned fields train on %i processes like on one, with %s tables',
    async ([processes, tables], context) => {
      needsMpi(context, OPEN_MPI);
      await expectAlike(processes, tables, {
        prelu: trainingOfAligned('prelu', tables),
        dice: trainingOfAligned('dice', tables),
      });
    },
  );

  it('train to bitwise identical weights for any number of threads', async (context) => {
    needsMpi(context, OPEN_MPI);
    const trainings = [trainingWith(din, 'sharded', {}, 8), trainingWith(din, 'replicated', { rows: 500 }, 8)];
    expect(await allTrainedBy(OPEN_MPI, 2, trainings, 2)).toEqual(await allTrainedBy(OPEN_MPI, 2, trainings, 1));
  });

  it('have local statistics that are weighted by the items of each rank', async (context) => {
    needsMpi(context, OPEN_MPI);
    const processes = 3;
    const { plan: global, ...training } = trainingWith(din, 'sharded', {}, 1);
    const plan: Plan = { ...global, batchNorm: 'local' };
    const batch = withoutItems(batchOf(200, 1), 0, 100);
    const { tensors } = together(await trainedBy(OPEN_MPI, processes, { ...training, plan, batches: [batch] }));
    const expected = new Map<string, number[]>();
    const { offsets } = column(batch, 'clicked', 'list');
    for (let rank = 0; rank < processes; rank++) {
      const { begin, rows } = localRows(rank, processes, batch.rows);
      const share = (offsets[begin + rows]! - offsets[begin]!) / offsets[batch.rows]!;
      const program = createCpuEngine().compile(plan);
      await program.trainStep(sliceRows(batch, begin, begin + rows));
      for (const [name, { data }] of program.state().weights)
        if (name.startsWith('attention.hidden.running'))
          expected.set(
            name,
            [...data].map((value, i) => (expected.get(name)?.[i] ?? 0) + share * value),
          );
      program.dispose();
    }
    expect(expected.size).toBe(2);
    for (const [name, values] of expected)
      for (const [i, value] of values.entries()) expect(tensors.get(name)!.data[i]).toBeCloseTo(value, 6);
  });
});
