import { toBatch } from '../support/batches.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { experimentSchema, listTasks } from '../../src/config/experiment.js';
import type { Batch } from '../../src/core/batch.js';
import type { HostTensor } from '../../src/core/tensor.js';
import { computeLayout, encodedFields, featureTypes, createFields } from '../../src/features/feature-types.js';
import { buildModel, listLookups, models } from '../../src/models/models.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { withoutEmbeddings } from '../../src/tables/layout.js';
import { engines } from '../support/engines.js';
import { fieldOf, fittedField } from '../support/fitted-field.js';
import { expectLikeFloat64 } from '../support/like-float64.js';

// Losses and gradients are those of rtdl_num_embeddings: see make_periodic.py.

type Numbers = readonly number[] | readonly (readonly number[])[];
const DATA = JSON.parse(readFileSync(join(import.meta.dirname, 'periodic.json'), 'utf8')) as {
  readonly width: number;
  readonly frequencies: number;
  readonly values: Readonly<Record<string, readonly number[]>>;
  readonly labels: readonly number[];
  readonly loss: number;
  readonly weights: Readonly<Record<string, Numbers>>;
  readonly gradients: Readonly<Record<string, Numbers>>;
};
const { width, frequencies } = DATA;

const batch: Batch = toBatch({
  rows: DATA.labels.length,
  numbers: new Map(
    Object.entries(DATA.values).map(([field, values]) => [`${field}_periodic`, Float32Array.from(values)]),
  ),
  labels: new Map([['click', Float32Array.from(DATA.labels)]]),
});

/** A model on periodic embeddings of both columns, without scaling. */
function planOf(model: object, options: object = {}) {
  const fields = Object.keys(DATA.values);
  const group = featureTypes.schema.parse({
    type: 'periodic',
    fields,
    width,
    frequencies,
    scaling: 'none',
    ...options,
  });
  const tasks = listTasks({ tasks: experimentSchema.shape.tasks.parse({ ctr: { label: 'click' } }) });
  const spec = models.schema.parse(model);
  const layout = computeLayout(encodedFields(createFields([group]), {}), {
    groups: { all: group },
    ...listLookups(spec, tasks),
  });
  return {
    layout,
    graph: buildModel(spec, layout, tasks),
    seed: 1,
    optimizers: { dense: denseOptimizers.schema.parse({}), embeddings: embeddingOptimizerSchema.parse({}) },
  };
}
const LOGISTIC = { name: 'single-task', bottom: { name: 'none' }, tower: { hidden: [] } };

const nameHere = (name: string, all: Iterable<string>): string => {
  const suffix = name === 'head' ? '.weight' : '.bias';
  return name === 'head' || name === 'bias'
    ? [...all].find((each) => each.endsWith(suffix) && !each.includes('periodic'))!
    : name;
};

describe.each(engines)('periodic embeddings on the $name engine', ({ create }) => {
  it('have the loss and the gradients of rtdl_num_embeddings', async () => {
    const program = (await create()).compile(planOf(LOGISTIC));
    const initial = program.state();
    const names = [...initial.weights.keys()];
    expect(names.length).toBe(Object.keys(DATA.weights).length);
    const tensors = Object.entries(DATA.weights).map(([name, values]): [string, HostTensor] => {
      const here = nameHere(name, names);
      return [here, { shape: initial.weights.get(here)!.shape, data: Float32Array.from(values.flat()) }];
    });
    program.restore({ step: 0, weights: new Map(tensors), optimizer: new Map() });
    const found = await program.inspect(batch);
    expect([...found.losses.values()][0]!.mean).toBeCloseTo(DATA.loss, 5);
    for (const [name, values] of Object.entries(DATA.gradients)) {
      const { data } = found.gradients.get(nameHere(name, names))!;
      values.flat().forEach((value, i) => expect(data[i], `${name} ${i}`).toBeCloseTo(value, 5));
    }
    program.dispose();
  });

  it('match double precision below products of fields, with embeddings per task', async () => {
    for (const model of [
      { name: 'fm', deep: { hidden: [4] }, tower: { hidden: [3] } },
      { name: 'stem', experts: { perTask: 1, shared: 1, hidden: [3] }, tower: { hidden: [] } },
    ]) {
      const plan = planOf(model, { sigma: 2 });
      const program = (await create()).compile(plan);
      await expectLikeFloat64(program, plan, batch, 2e-5);
      program.dispose();
    }
  });
});

describe('a periodic number', () => {
  it('is the scaled number, standardized by default, in addition to the number itself', () => {
    const field = fieldOf({ type: 'periodic' });
    expect([field.name, field.columns, field.width]).toEqual(['f_periodic', ['f'], 1]);
    const { encode } = fittedField({ type: 'periodic', fillMissing: 'mean' }, ['1', '3', '', '5']);
    expect(['3', '', '5'].map(encode)).toEqual([0, 0, (5 - 3) / Math.sqrt(8 / 3)]);
    const ranks = fittedField({ type: 'periodic', scaling: 'quantile-uniform' }, ['1', '3', '5']);
    expect(['1', '3', '4'].map(ranks.encode)).toEqual([0, 0.5, 0.75]);
    expect(() => fittedField({ type: 'periodic' }, ['1', ''])).toThrow(/a decimal number/);
    expect(
      createFields([featureTypes.schema.parse({ type: 'periodic', fields: ['f'], fillMissing: 0, indicator: true })]),
    ).toHaveLength(2);
  });

  it('draws frequencies with the standard deviation sigma', () => {
    const { graph } = planOf(LOGISTIC, { sigma: 0.3 });
    const drawn = graph.parameters.filter(({ name }) => name.endsWith('frequencies.weight'));
    expect(drawn.map(({ shape, init }) => [shape, init])).toEqual(
      Array(2).fill([[1, frequencies], { kind: 'normal', standardDeviation: 0.3 }]),
    );
  });

  it('is a plain number of a linear model', () => {
    const { columns } = withoutEmbeddings(planOf(LOGISTIC).layout);
    expect(columns.map(({ field, width: columnWidth, composition }) => [field, columnWidth, composition])).toEqual([
      ['age_periodic', 1, undefined],
      ['income_periodic', 1, undefined],
    ]);
  });
});
