import { toBatch } from '../support/batches.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { HostTensor } from '../../src/core/tensor.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { computeLayout, encodedFields, featureTypes, createFields } from '../../src/features/feature-types.js';
import { checkFeatures } from '../../src/features/check.js';
import { buildModel, listLookups, models } from '../../src/models/models.js';
import { listTasks, experimentSchema } from '../../src/config/experiment.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';

// Losses and gradients are PyTorch's: see make_compressed.py.

type Numbers = readonly number[] | readonly (readonly number[])[];
const DATA = JSON.parse(readFileSync(join(import.meta.dirname, 'compressed.json'), 'utf8')) as {
  readonly ids: readonly number[];
  readonly labels: readonly number[];
  readonly rows: number;
  readonly width: number;
  readonly cases: readonly {
    readonly compression: Readonly<Record<string, unknown>>;
    readonly loss: number;
    readonly weights: Readonly<Record<string, Numbers>>;
    readonly gradients: Readonly<Record<string, Numbers>>;
  }[];
};

const groupOf = (options: object) =>
  featureTypes.schema.parse({
    type: 'categorical',
    fields: ['item'],
    width: DATA.width,
    encoding: { name: 'ids', sizes: { item: DATA.rows } },
    ...options,
  });

/** A logistic model on one compressed field, and the batch. */
function compiled(compression: object, wide = false) {
  const group = groupOf({ compression });
  const fields = encodedFields(createFields([group]), {});
  const tasks = listTasks({ tasks: experimentSchema.shape.tasks.parse({ ctr: { label: 'click' } }) });
  const spec = models.schema.parse({ name: 'single-task', bottom: { name: 'none' }, tower: { hidden: [] }, wide });
  const layout = computeLayout(fields, { groups: { all: group }, ...listLookups(spec, tasks) });
  const program = createCpuEngine(1).compile({
    layout,
    graph: buildModel(spec, layout, tasks),
    seed: 1,
    optimizers: { dense: denseOptimizers.schema.parse({}), embeddings: embeddingOptimizerSchema.parse({}) },
  });
  const encoded = fields.map(
    (field) => [field.name, Uint32Array.from(DATA.ids, (id) => field.encode(String(id)))] as const,
  );
  const batch: Batch = toBatch({
    rows: DATA.ids.length,
    ids: new Map(encoded),
    labels: new Map([['click', Float32Array.from(DATA.labels)]]),
  });
  return { program, layout, batch };
}

/** The name of a tensor here; the head is the only other one. */
const nameHere = (name: string, all: Iterable<string>): string => {
  const suffix = name === 'head' ? '.weight' : '.bias';
  return name === 'head' || name === 'bias'
    ? [...all].find((each) => each.endsWith(suffix) && !each.includes('projection'))!
    : name;
};

describe.each(DATA.cases)('$compression', ({ compression, loss, weights, gradients }) => {
  it("has PyTorch's loss and gradients", async () => {
    const { program, batch } = compiled(compression);
    const initial = program.state();
    const names = [...initial.weights.keys()];
    expect(names.length).toBe(Object.keys(weights).length);
    const tensors = Object.entries(weights).map(([name, values]): [string, HostTensor] => {
      const here = nameHere(name, names);
      return [here, { shape: initial.weights.get(here)!.shape, data: Float32Array.from(values.flat()) }];
    });
    program.restore({ step: 0, weights: new Map(tensors), optimizer: new Map() });
    const found = await program.inspect(batch);
    expect([...found.losses.values()][0]!.mean).toBeCloseTo(loss, 5);
    for (const [name, values] of Object.entries(gradients)) {
      const { data } = found.gradients.get(nameHere(name, names))!;
      values.flat().forEach((value, i) => expect(data[i], `${name} ${i}`).toBeCloseTo(value, 5));
    }
    program.dispose();
  });

  it('gives a wide part a weight per looked-up row', () => {
    const { program, layout } = compiled(compression, true);
    const wide = layout.columns.filter(({ isWide }) => isWide === true);
    expect(wide.every(({ width, composition }) => width === 1 && composition === undefined)).toBe(true);
    program.dispose();
  });
});

describe('blocks of mixed dimension', () => {
  const blocksOf = (compression: object, options: object = {}) =>
    createFields([groupOf({ compression: { name: 'mixed-dimension', ...compression }, ...options })]);

  it('have a row per id of theirs, one for the out-of-vocabulary id and one for all others', () => {
    const fields = encodedFields(blocksOf({ sizes: [3, 2], dims: [3, 2, 1] }), {});
    expect(fields.map(({ name, rows, width }) => [name, rows, width])).toEqual([
      ['item', 5, 3],
      ['item_block2', 4, 2],
      ['item_block3', 7, 1],
    ]);
    const rows = Array.from({ length: DATA.rows }, (_, id) => fields.map(({ encode }) => encode(String(id))));
    expect(rows.slice(0, 7)).toEqual([
      [0, 0, 0],
      [2, 1, 1],
      [3, 1, 1],
      [4, 1, 1],
      [1, 2, 1],
      [1, 3, 1],
      [1, 1, 2],
    ]);
    expect(new Set(rows.map(String)).size).toBe(DATA.rows);
  });

  it('have the most frequent tokens first; new ones are appended to the last block', () => {
    const fields = blocksOf({ sizes: [2], dims: [2, 1] }, { encoding: 'tokens' });
    const fit = (texts: readonly string[]): Readonly<Record<string, unknown>> =>
      Object.fromEntries(
        fields.map((field) => {
          const each = field.startFit!();
          for (const text of texts) each.observe(text);
          return [field.name, each.finish()];
        }),
      );
    const [before, now] = [fit(['b', 'a', 'c', 'c', 'a', 'c']), fit(['d', 'd', 'd', 'c'])];
    const rowsOf = (fitted: Readonly<Record<string, unknown>>): readonly (readonly number[])[] =>
      ['?', 'c', 'a', 'b', 'd'].map((text) => encodedFields(fields, fitted).map(({ encode }) => encode(text)));
    expect(rowsOf(before)).toEqual([
      [0, 0],
      [2, 1],
      [3, 1],
      [1, 2],
      [0, 0],
    ]);
    const grow = (drops: boolean) =>
      fields.map(({ name, grow: merge }) => [name, merge!(before[name], now[name], drops)] as const);
    const grown = grow(false);
    expect(rowsOf(Object.fromEntries(grown.map(([name, { fitted }]) => [name, fitted])))).toEqual([
      [0, 0],
      [2, 1],
      [3, 1],
      [1, 2],
      [1, 3],
    ]);
    // The rows of a in the first block and of b in the second one are released.
    expect(grow(true).map(([, { cleared }]) => [...cleared])).toEqual([[3], [2]]);
  });

  it.each([
    [{ sizes: [3], dims: [3, 2, 1] }, 'expected 2 blocks, one more than sizes, found 3'],
    [{ sizes: [3, 4], dims: [3, 2, 2] }, 'expected less than 2, the columns of the block before'],
  ])('reject %j', (compression, message) => {
    expect(() => blocksOf(compression)).toThrow(message);
  });
});

describe('quotient and remainder', () => {
  it('are different for every id', () => {
    const fields = encodedFields(
      createFields([groupOf({ compression: { name: 'quotient-remainder', buckets: 4 } })]),
      {},
    );
    expect(fields.map(({ name, rows }) => [name, rows])).toEqual([
      ['item', 4],
      ['item_quotient', 3],
    ]);
    const pairs = Array.from({ length: DATA.rows }, (_, id) => fields.map(({ encode }) => encode(String(id))).join());
    expect(new Set(pairs).size).toBe(DATA.rows);
  });

  it('cannot share a table', () => {
    const issues = [
      ...checkFeatures(
        {
          item: groupOf({ compression: { name: 'low-rank', dim: 2 } }),
          seen: featureTypes.schema.parse({ type: 'bag', fields: ['seen'], width: 2, table: 'item' }),
        },
        [],
      ),
    ];
    expect(issues.map(({ message }) => message)).toContain("the table of 'item' is compressed, so it cannot be shared");
  });
});
