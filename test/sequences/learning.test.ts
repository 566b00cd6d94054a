/** @module-tag long */
import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { column, sliceRows, type Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { tower } from '../../src/graph/mlp.js';
import { encoders } from '../../src/sequences/encoders.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { planOf } from '../support/graph-plan.js';
import { reportOf } from '../support/measured.js';
import { sequenceLayout } from '../support/sequences.js';

// Planted worlds: a click is likely if one of the newest items has the category of the candidate, or if the categories
// of the newest items ascend. The data has no categories, so that a model must learn them as embeddings of items.

const [ITEMS, CATEGORIES, MAX_ITEMS, NEWEST, WIDTH] = [60, 6, 10, 3, 8];
const LAYOUT: InputLayout = {
  width: WIDTH,
  tables: [{ name: 'item', rows: ITEMS, width: WIDTH }],
  columns: [{ kind: 'id', field: 'candidate', table: 'item', offset: 0, width: WIDTH }],
  sequences: [sequenceLayout({ field: 'clicked', table: 'item', width: WIDTH, maxItems: MAX_ITEMS })],
};

/** Whether a click is likely, given the categories of the items and of the candidate. */
type Rule = (items: readonly number[], candidate: number) => boolean;
const isMatch: Rule = (items, candidate) => items.slice(-NEWEST).includes(candidate);
/** Depends on the order of the items, and not on the candidate. */
const isAscending: Rule = (items) => items.length > 1 && items.at(-2)! < items.at(-1)!;

function plantRows(rows: number, seed: number, rule: Rule): Batch {
  const random = randomStream(seed, 'planted');
  const offsets = new Uint32Array(rows + 1);
  for (let b = 0; b < rows; b++) offsets[b + 1] = offsets[b]! + random.below(MAX_ITEMS + 1);
  const ids = Uint32Array.from({ length: offsets[rows]! }, () => random.below(ITEMS));
  const candidates = Uint32Array.from({ length: rows }, () => random.below(ITEMS));
  const clicks = Float32Array.from(candidates, (candidate, b) => {
    const items = [...ids.subarray(offsets[b], offsets[b + 1])].map((item) => item % CATEGORIES);
    return Number(random.uniform() < (rule(items, candidate % CATEGORIES) ? 0.8 : 0.05));
  });
  return toBatch({
    rows,
    ids: new Map([['candidate', candidates]]),
    bags: new Map([['clicked', { offsets, ids, weights: new Float32Array(ids.length).fill(1) }]]),
    labels: new Map([['y', clicks]]),
  });
}

function planWith(spec: { readonly name: string } & Readonly<Record<string, unknown>>): Plan {
  return planOf(LAYOUT, (g, input, label) => {
    const { output, weights } = encoders.build(encoders.schema.parse(spec), {
      g: g.within('encoder'),
      domain: 'clicked',
      fields: [
        { field: 'clicked', items: g.input({ kind: 'items', field: 'clicked', table: 'item' }, WIDTH), target: input },
      ],
      ages: undefined,
      weights: undefined,
      maxItems: MAX_ITEMS,
    });
    const layers = { hidden: [16], activation: 'relu' as const, dropout: 0, batchNorm: false };
    const logit = tower(g, g.concat([input, output]), layers, 'tower');
    return {
      predictions: { p: logit },
      terms: [{ name: 'ctr', weight: 1, loss: g.binaryCrossEntropy(logit, label) }],
      ...(weights && { attention: [{ sequence: 'clicked', encoder: spec.name, weights }] }),
    };
  });
}

type Spec = Parameters<typeof planWith>[0];

/** Trains for some epochs. */
async function trainPlanted(spec: Spec, rule = isMatch, epochs = 4): Promise<Program> {
  const [rows, batch] = [20_000, 256];
  const program = createCpuEngine().compile({ ...planWith(spec), batchRows: batch });
  const train = plantRows(rows, 1, rule);
  for (let step = 0; step * batch < epochs * rows; step++) {
    const begin = (step * batch) % (rows - batch);
    await program.trainStep(sliceRows(train, begin, begin + batch));
  }
  return program;
}

/** Trains, and returns the AUC of other rows. */
async function trainAndMeasure(spec: Spec, rule = isMatch, epochs = 4): Promise<number> {
  const program = await trainPlanted(spec, rule, epochs);
  const test = plantRows(5000, 2, rule);
  const predictions = (await program.predict(test)).get('p')!;
  program.dispose();
  return reportOf({ metrics: [{ name: 'auc' }] }, { labels: column(test, 'y', 'f32').data, predictions })['y']![
    'auc'
  ] as number;
}

describe('in a world in which recent items of the category of the candidate matter', () => {
  it.each([{ of: 'mean' }, { of: 'sum' }])('pooling hardly learns: %o', async (options) => {
    expect(await trainAndMeasure({ name: 'pooling', ...options })).toBeLessThan(0.65);
  });

  it.each([
    { name: 'target-attention' },
    { name: 'target-attention', sum: false },
    { name: 'self-attention', width: 16, hidden: 16 },
    { name: 'hstu', width: 16 },
  ])('attention of the candidate learns: %o', async (spec) => {
    expect(await trainAndMeasure(spec)).toBeGreaterThan(0.85);
  });

  it.each([{ name: 'target-attention' }, { name: 'self-attention', width: 16, hidden: 16 }])(
    'the newest items of that category have large weights: %o',
    async (spec) => {
      const program = await trainPlanted(spec);
      const rows = plantRows(256, 3, isMatch);
      const [weights] = program.attendSync!(rows).attention;
      program.dispose();
      const { offsets, ids } = column(rows, 'clicked', 'list');
      const sums = { match: { weight: 0, items: 0 }, other: { weight: 0, items: 0 } };
      for (const [b, candidate] of column(rows, 'candidate', 'u32').data.entries())
        for (let i = offsets[b]!; i < offsets[b + 1]!; i++) {
          const isNewest = i >= offsets[b + 1]! - NEWEST;
          const isMatch = ids[i]! % CATEGORIES === candidate % CATEGORIES;
          const sum = sums[isNewest && isMatch ? 'match' : 'other'];
          sum.weight += weights![i]!;
          sum.items++;
        }
      expect(sums.match.items).toBeGreaterThan(50);
      const [match, other] = [sums.match, sums.other].map(({ weight, items }) => weight / items);
      expect(match).toBeGreaterThan(5 * other!);
    },
  );
  it('a recurrent unit with attention of the candidate learns, from more steps', async () => {
    expect(await trainAndMeasure({ name: 'augru', width: 16 }, isMatch, 16)).toBeGreaterThan(0.8);
  });

  it('attention learns less without positions', async () => {
    const auc = await trainAndMeasure({ name: 'target-attention', position: false });
    expect(auc).toBeGreaterThan(0.7);
    expect(auc).toBeLessThan(0.85);
  });
});

describe('in a world in which the order of the newest items matters', () => {
  it('a recurrent unit learns, and pooling does not', async () => {
    expect(await trainAndMeasure({ name: 'gru', width: 16 }, isAscending)).toBeGreaterThan(0.85);
    expect(await trainAndMeasure({ name: 'pooling' }, isAscending)).toBeLessThan(0.65);
  });
});
