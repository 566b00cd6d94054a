import { toBatch } from '../support/batches.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { taskOptions, withoutTeachers, type Task } from '../../src/core/tasks.js';
import { withTeacher } from '../../src/losses/distillation.js';
import { buildMean } from '../../src/losses/loss.js';
import { losses, resolveLoss } from '../../src/losses/losses.js';
import { buildModel, models } from '../../src/models/models.js';
import { engines } from '../support/engines.js';
import { numericLayout, planOf } from '../support/graph-plan.js';

/** Losses with a teacher of some logits, from PyTorch. */
interface Cases {
  readonly columns: Readonly<Record<'out' | 'label' | 'teacher' | 'known' | 'mask' | 'rowWeight', readonly number[]>>;
  readonly cases: readonly {
    readonly loss: { readonly name: string };
    readonly weight: number;
    readonly temperature: number;
    readonly mean: number;
    readonly gradient: readonly number[];
  }[];
}
const { columns, cases } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'distillation-cases.json'), 'utf8'),
) as Cases;
const rows = columns.out.length;
const near = (found: number, expected: number): void =>
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(expected)));
const computeLogit = (p: number): number => Math.log(p / (1 - p));

/** A batch in which row i has the number x_i only, so that the weights of a linear layer are the logits. */
function batchOf(labels: Readonly<Record<string, readonly number[]>>): Batch {
  return toBatch({
    rows,
    numbers: new Map(
      Array.from({ length: rows }, (_, i) => [
        `x${i}`,
        Float32Array.from({ length: rows }, (_row, row) => Number(row === i)),
      ]),
    ),
    labels: new Map(Object.entries(labels).map(([name, values]) => [name, Float32Array.from(values)])),
  });
}
const state = (weight: string) => ({
  step: 0,
  optimizer: new Map(),
  weights: new Map([[weight, { shape: [rows, 1], data: Float32Array.from(columns.out) }]]),
});

describe.each(engines)('distillation on the $name engine', ({ create }) => {
  it.each(cases)('matches PyTorch with masks and weights: $loss, $weight, $temperature', async (each) => {
    const plan = planOf(rows, (g, input, y) => {
      const label = (column: string) => g.input({ kind: 'label', column }, 1);
      const teacher = { logit: label('teacher'), known: label('known') };
      const loss = withTeacher(
        losses.build(resolveLoss({ type: 'classification', loss: each.loss })),
        each,
        () => teacher,
      );
      const z = g.linear(input, 1, 'says', { bias: false });
      const counted = { mask: label('mask'), weights: label('rowWeight') };
      return {
        predictions: { p: loss.predict(g, z, 'p') },
        terms: [{ name: 'p', weight: 1, loss: buildMean(g, loss, z, y, counted) }],
      };
    });
    const program = (await create()).compile(plan);
    program.restore(state('says.weight'));
    const { label: y, teacher, known, mask, rowWeight } = columns;
    const batch = batchOf({ y, teacher: teacher.map(computeLogit), known, mask, rowWeight });
    const { losses: found, gradients } = await program.inspect(batch);
    near(found.get('p')!.mean, each.mean);
    for (const [row, value] of gradients.get('says.weight')!.data.entries()) near(value, each.gradient[row]!);
    program.dispose();
  });

  it.each([
    ['a task', {}],
    ['a task whose condition is a column, not another task', { given: 'shown' }],
  ])('reads the columns of %s, and shifts the teacher as sampling shifts the labels', async (_, condition) => {
    const distill = { column: 'q', weight: 0.4, temperature: 2 };
    const task: Task = {
      name: 'ctr',
      ...taskOptions.parse({ label: 'y', onMissing: 'mask', sampleWeight: 'w', distill, ...condition }),
    };
    const layout = numericLayout(rows);
    const spec = models.schema.parse({ name: 'single-task', bottom: { name: 'none' }, tower: { hidden: [] } });
    const graph = buildModel(spec, layout, [task], { negativeRate: 0.1 });
    const program = (await create()).compile({ ...planOf(rows, () => ({ terms: [], predictions: {} })), graph });
    const names = graph.parameters.map(({ name }) => name);
    expect(names).toEqual(['towers.ctr.out.weight', 'towers.ctr.out.bias']);
    const { weights, ...others } = state(names[0]!);
    program.restore({
      ...others,
      weights: new Map([...weights, [names[1]!, { shape: [1], data: new Float32Array(1) }]]),
    });
    const { label, teacher, known, mask, rowWeight } = columns;
    const { losses: found, gradients } = await program.inspect(
      batchOf({
        y: label,
        'teacher.q': teacher.map((p, row) => (known[row] === 1 ? computeLogit(p) : 0)),
        'teacher.q.known': known,
        'tasks.ctr.known': mask,
        'tasks.ctr.mask': mask,
        'sampleWeight.w': rowWeight,
      }),
    );
    const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
    const bce = (z: number, y: number): number => -y * Math.log(sigmoid(z)) - (1 - y) * Math.log(sigmoid(-z));
    const numCounted = mask.filter((each) => each === 1).length;
    let mean = 0;
    for (const [row, z] of columns.out.entries()) {
      // Among kept rows, the odds are 1 / rate times those of all rows.
      const p = teacher[row]!;
      const target = sigmoid(computeLogit(p / (p + 0.1 * (1 - p))) / 2);
      const w = 0.4 * known[row]!;
      const scale = (rowWeight[row]! * mask[row]!) / numCounted;
      mean += scale * ((1 - w) * bce(z, label[row]!) + w * 4 * bce(z / 2, target));
      const gradient = scale * ((1 - w) * (sigmoid(z) - label[row]!) + w * 2 * (sigmoid(z / 2) - target));
      near(gradients.get(names[0]!)!.data[row]!, gradient);
    }
    near(found.get('ctr')!.mean, mean);
    program.dispose();
  });
});

describe('distillation in models', () => {
  const columnsOf = (name: string, tasks: readonly Task[]): readonly string[] =>
    buildModel(
      models.schema.parse({ name }),
      {
        width: 12,
        columns: ['e', 'f'].map((field, i) => ({ field, offset: 6 * i, width: 6, kind: 'id', group: 'user' })),
      },
      tasks,
    ).values.flatMap((value) => (value.op === 'input' && value.source.kind === 'label' ? [value.source.column] : []));
  const distill = { column: 'q' };
  const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });

  it.each(models.names)('%s reads the teacher of a root task, and of a conversion or rejects it', (name) => {
    const cvr = task('cvr', { label: 'buy', given: 'click' });
    const root = [task('ctr', { label: 'click', distill }), cvr];
    expect(columnsOf(name, root)).toEqual(expect.arrayContaining(['teacher.q', 'teacher.q.known']));
    expect([...columnsOf(name, withoutTeachers(root))].sort()).toEqual(['buy', 'click']);
    const conversion = [task('ctr', { label: 'click' }), { ...cvr, distill: root[0]!.distill }];
    const spec = models.schema.parse({ name });
    const wrong = [...(models.partOf(spec).checkTasks?.(conversion, spec as never) ?? [])];
    if (wrong.length > 0) expect(wrong.map(({ path }) => path)).toEqual([['tasks', 'cvr', 'distill']]);
    else expect(columnsOf(name, conversion)).toContain('teacher.q');
  });
});
