import { toBatch } from '../support/batches.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { GraphBuilder } from '../../src/graph/builder.js';
import { buildMean, withGroups, type TaskLoss } from '../../src/losses/loss.js';
import { resolveLoss, losses } from '../../src/losses/losses.js';
import { buildModel, models } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { engineTags } from '../support/engine-tags.js';
import { engines } from '../support/engines.js';
import { planOf } from '../support/graph-plan.js';

/** A loss of some numbers, as PyTorch has it. */
interface Case {
  readonly type: Task['type'];
  readonly loss: { readonly name: string };
  readonly out: readonly (readonly number[])[];
  readonly labels: readonly number[];
  readonly groups: readonly number[];
  /** Of what training makes small, and of the losses of all rows. */
  readonly mean: number;
  readonly rowsMean: number;
  readonly gradient: readonly (readonly number[])[];
  readonly predictions: readonly number[];
}
const cases = (JSON.parse(readFileSync(join(import.meta.dirname, 'cases.json'), 'utf8')) as readonly Case[]).map(
  (each) => [`${each.type} ${JSON.stringify(each.loss)}`, each] as const,
);
const near = (found: number, expected: number): void =>
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(expected)));

/**
 * A program in which each row has weights of its own, so that these are what a tower says, and their gradient is that
 * of the rows.
 */
async function rowsOf(
  create: () => Promise<{ compile(plan: ReturnType<typeof planOf>): Program }>,
  { loss, type, out, labels, groups }: Case,
) {
  const rows = labels.length;
  const width = out[0]!.length;
  const built = losses.build(resolveLoss({ type, loss }));
  const grouped = (g: GraphBuilder): TaskLoss =>
    withGroups(built, () => g.input({ kind: 'label', column: 'groups' }, 1));
  expect(built.outputs).toBe(width);
  const plan = planOf(rows, (g, input, y) => {
    const says = g.linear(input, width, 'says', { bias: false });
    return {
      predictions: { p: built.predict(g, says, 'p') },
      terms: [
        { name: 'p', weight: 1, loss: buildMean(g, grouped(g), says, y, {}) },
        { name: 'rows', weight: 0, loss: g.mean(grouped(g).rows(g, says, y)) },
      ],
    };
  });
  const program = (await create()).compile(plan);
  program.restore({
    step: 0,
    optimizer: new Map(),
    weights: new Map([['says.weight', { shape: [rows, width], data: Float32Array.from(out.flat()) }]]),
  });
  const numbers = new Map(
    Array.from({ length: rows }, (_, i) => [
      `x${i}`,
      Float32Array.from({ length: rows }, (_row, row) => Number(row === i)),
    ]),
  );
  const batch: Batch = toBatch({
    rows,
    numbers,
    labels: new Map([
      ['y', Float32Array.from(labels)],
      ['groups', Float32Array.from(groups)],
    ]),
  });
  return { program, batch };
}

describe.each(engines)('losses of the $name engine', ({ name, create }) => {
  const tags = engineTags(name);
  it.each(cases)('match PyTorch in values, gradients and predictions: %s', { tags }, async (_, each) => {
    const { program, batch } = await rowsOf(create, each);
    const { losses: found, gradients } = await program.inspect(batch);
    near(found.get('p')!.mean, each.mean);
    near(found.get('rows')!.mean, each.rowsMean);
    for (const [i, value] of gradients.get('says.weight')!.data.entries()) near(value, each.gradient.flat()[i]!);
    for (const [row, value] of (await program.predict(batch)).get('p')!.entries()) near(value, each.predictions[row]!);
    program.dispose();
  });
});

describe('every loss', () => {
  it.each(
    losses.parts.filter(({ taskTypes }) => taskTypes.some((type) => type === 'regression')).map(({ name }) => [name]),
  )('%s for regression computes the tower output that predicts the mean label', async (name) => {
    const { outputs, outputForMean: ofMean } = losses.build(resolveLoss({ type: 'regression', loss: name }));
    if (outputs > 1) return expect(ofMean).toBe(undefined);
    const { program, batch } = await rowsOf(() => Promise.resolve(createCpuEngine()), {
      type: 'regression',
      loss: { name },
      out: [[ofMean!(0.3)]],
      labels: [0],
      groups: [0],
      mean: 0,
      rowsMean: 0,
      gradient: [],
      predictions: [],
    });
    near((await program.predict(batch)).get('p')![0]!, 0.3);
    program.dispose();
  });

  it('is tested against PyTorch for each task type that it supports', () => {
    const held = new Set(cases.map(([, { type, loss }]) => `${type} ${loss.name}`));
    for (const { name, taskTypes } of losses.parts)
      for (const type of taskTypes) expect(held).toContain(`${type} ${name}`);
  });

  it.each(models.names)('%s applies it in all terms that compare with a label, or rejects it', (name) => {
    const spec = models.schema.parse({ name });
    const tasksWith = (loss?: object): readonly Task[] => [
      { name: 'ctr', ...taskOptions.parse({ label: 'click', loss }) },
      { name: 'cvr', ...taskOptions.parse({ label: 'purchase', given: 'click', loss }) },
    ];
    const fused = (tasks: readonly Task[]): number => {
      const columns = ['e', 'f'].map((field, i) => ({
        field,
        offset: 6 * i,
        width: 6,
        kind: 'id' as const,
        group: 'user',
      }));
      return buildModel(spec, { width: 12, columns }, tasks).terms.filter(
        ({ loss }) => loss.op === 'binaryCrossEntropy',
      ).length;
    };
    expect(fused(tasksWith())).toBeGreaterThan(0);
    for (const part of losses.parts.filter(({ taskTypes }) => taskTypes.some((type) => type === 'classification'))) {
      if (part === losses.parts[0]) continue;
      const tasks = tasksWith({ name: part.name, ...('groupBy' in part.options() && { groupBy: 'user' }) });
      const wrong = [...(models.partOf(spec).checkTasks?.(tasks, spec as never) ?? [])];
      if (wrong.length > 0)
        expect([part.name, wrong.map(({ path }) => path.at(-1))]).toEqual([part.name, ['loss', 'loss']]);
      else expect([part.name, fused(tasks)]).toEqual([part.name, 0]);
    }
  });
});

describe('zero-inflated log-normal', () => {
  it('predicts the mean of amounts that are mostly 0 and otherwise widely spread', async () => {
    const random = randomStream(3, 'amounts');
    const rows = 1000;
    const kind = Float32Array.from({ length: rows }, () => random.below(2));
    const amount = kind.map((k) => (random.uniform() < 0.2 + 0.2 * k ? Math.exp(3 + k + random.normal()) : 0));
    const batch: Batch = toBatch({
      rows,
      numbers: new Map([['k', kind]]),
      labels: new Map([['amount', amount]]),
    });
    const task: Task = {
      name: 'spend',
      ...taskOptions.parse({ label: 'amount', type: 'regression', loss: { name: 'ziln' } }),
    };
    const columns = [{ field: 'k', offset: 0, width: 1, kind: 'number' as const }];
    const adam = denseOptimizers.schema.parse({ learningRate: 0.05 });
    const program = createCpuEngine().compile({
      graph: buildModel(
        models.schema.parse({ name: 'shared-bottom', hidden: [4], batchNorm: false, tower: { hidden: [] } }),
        { width: 1, columns },
        [task],
      ),
      layout: { width: 1, tables: [], columns },
      optimizers: { dense: adam, embeddings: { ...adam, lazy: true } },
      seed: 2,
    });
    for (let step = 0; step < 400; step++) await program.trainStep(batch);
    const predicted = (await program.predict(batch)).get('spend')!;
    for (const k of [0, 1]) {
      const mine = [...amount].filter((_, row) => kind[row] === k);
      const ratio = predicted[kind.indexOf(k)]! / (mine.reduce((sum, y) => sum + y, 0) / mine.length);
      expect(Math.abs(ratio - 1)).toBeLessThan(0.2);
    }
    program.dispose();
  });
});
