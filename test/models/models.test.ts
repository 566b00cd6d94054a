import { mapsOf, withMaps } from '../support/batches.js';
import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { column, type Batch } from '../../src/core/batch.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Graph } from '../../src/graph/graph.js';
import { buildModel, embeddingParts, models } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { withEmbeddingParts } from '../../src/tables/layout.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { logLoss } from '../support/reference.js';
import { otherOptions } from '../support/other-options.js';

const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });
const funnel = [task('ctr', { label: 'click' }), task('cvr', { label: 'purchase', given: 'click' })];

const adam = denseOptimizers.schema.parse({ learningRate: 0.01 });
function planOf(spec: unknown, tasks: readonly Task[] = funnel): Plan {
  const parsed = models.schema.parse(spec);
  const layout = withEmbeddingParts(
    {
      width: 9,
      tables: [
        { name: 'user', rows: 6, width: 4 },
        { name: 'item', rows: 5, width: 4 },
      ],
      columns: [
        { field: 'user', group: 'user', offset: 0, width: 4, kind: 'id', table: 'user' },
        { field: 'item', group: 'item', offset: 4, width: 4, kind: 'id', table: 'item' },
        { field: 'price', group: 'user', offset: 8, width: 1, kind: 'number' },
      ],
    },
    embeddingParts(parsed, tasks).length,
  );
  const graph = buildModel(parsed, layout, tasks);
  return { graph, layout, optimizers: { dense: adam, embeddings: { ...adam, lazy: true } }, seed: 3 };
}

/** Creates rows whose click depends on user and item, and whose purchase depends on the item. */
function batchOf(rows: number, seed = 1): Batch {
  const random = randomStream(seed, 'rows');
  const ids = (count: number): Uint32Array => Uint32Array.from({ length: rows }, () => random.below(count));
  const [user, item] = [ids(6), ids(5)];
  const click = Float32Array.from({ length: rows }, (_, b) => Number((user[b]! + item[b]!) % 2 === 0));
  return toBatch({
    rows,
    ids: new Map([
      ['user', user],
      ['item', item],
    ]),
    numbers: new Map([['price', Float32Array.from({ length: rows }, () => random.normal())]]),
    labels: new Map([
      ['click', click],
      ['purchase', click.map((y, b) => y * Number(item[b]! < 2))],
      ['spend', Float32Array.from({ length: rows }, (_, b) => item[b]! * 2)],
    ]),
  });
}

const compile = (plan: Plan): Program => createCpuEngine().compile(plan);

/** Prints a graph with values by position, so that equal computations are equal. */
function textOf({ values, parameters, predictions, terms }: Graph): string {
  const places = new Map<unknown, string>(values.map((value, i) => [value, `#${i}`]));
  const told = (thing: object): string =>
    JSON.stringify(thing, (key, value: unknown) => (key === '' ? value : (places.get(value) ?? value)));
  return [...values, ...parameters, Object.fromEntries(predictions), ...terms].map(told).join('\n');
}

/** Options with another value that is equivalent to the default. */
const SAID_ALREADY: Readonly<Record<string, string>> = { dbmtl: 'parents.cvr' };

describe('every model', () => {
  for (const part of models.parts) {
    const { name, summary } = part;

    it(`${name} depends on each of its options`, () => {
      const defaults = models.schema.parse({ name });
      const paths = new Map([[textOf(planOf(defaults).graph), 'the defaults']]);
      for (const { path, options } of otherOptions(part, defaults, funnel[1]!.name)) {
        if (SAID_ALREADY[name] === path) continue;
        const text = textOf(planOf(options).graph);
        expect(paths.get(text), `${path} in ${JSON.stringify(options)}: the graph is that of another option`).toBe(
          undefined,
        );
        paths.set(text, path);
      }
    });

    it(`${name} has defaults and a summary`, () => {
      expect(summary).not.toBe('');
      expect(models.schema.parse({ name })).toMatchObject({ name });
    });

    it(`${name} predicts a probability per task, with distinct terms and finite losses`, async () => {
      const plan = planOf({ name });
      const program = compile(plan);
      const predictions = await program.predict(batchOf(7));
      expect([...predictions.keys()].sort()).toEqual(['ctr', 'cvr']);
      for (const values of predictions.values()) {
        expect(values).toHaveLength(7);
        expect(values.every((p) => p > 0 && p <= 1)).toBe(true);
      }
      const terms = plan.graph.terms.map((term) => term.name);
      const { losses } = await program.inspect(batchOf(64));
      expect([[...losses.keys()], new Set(terms).size]).toEqual([terms, terms.length]);
      for (const { mean } of losses.values()) expect(Number.isFinite(mean)).toBe(true);
    });

    it(`${name} learns`, async () => {
      const program = compile(planOf({ name }));
      const total = (losses: ReadonlyMap<string, { mean: number }>): number =>
        [...losses.values()].reduce((sum, { mean }) => sum + mean, 0);
      const first = total((await program.trainStep(batchOf(64))).losses);
      let last = first;
      for (let step = 0; step < 150; step++) last = total((await program.trainStep(batchOf(64, step))).losses);
      expect(last).toBeLessThan(0.6 * first);
    });

    it(`${name} rejects unknown options`, () => {
      expect(models.schema.safeParse({ name, nonsense: 1 }).success).toBe(false);
    });
  }
});

describe('esmm', () => {
  it('trains cvr through ctcvr only: rows without a click move the conversion tower', async () => {
    const batch = batchOf(32);
    const unclicked = withMaps(batch, {
      labels: new Map([
        ['click', new Float32Array(32)],
        ['purchase', new Float32Array(32)],
      ]),
    });
    const { losses, gradients } = await compile(planOf({ name: 'esmm' })).inspect(unclicked);
    expect([...losses.keys()]).toEqual(['ctr', 'ctcvr']);
    expect(gradients.get('towers.cvr.out.weight')!.data.some((g) => g !== 0)).toBe(true);
  });

  it('weighs its terms by its tasks', () => {
    const weighted = [
      { ...funnel[0]!, weight: 2 },
      { ...funnel[1]!, weight: 3 },
    ];
    expect(planOf({ name: 'esmm' }, weighted).graph.terms.map(({ name, weight }) => [name, weight])).toEqual([
      ['ctr', 2],
      ['ctcvr', 3],
    ]);
  });

  it('trains a task through the product of its chain, also two tasks with the same parent', async () => {
    const tasks = [
      task('ctr', { label: 'click' }),
      task('cart', { label: 'cart', given: 'click' }),
      task('pay', { label: 'pay', given: 'cart' }),
      task('like', { label: 'purchase', given: 'click' }),
    ];
    const batch = batchOf(16);
    const labels = new Map([
      ...mapsOf(batch).labels,
      ['cart', column(batch, 'purchase', 'f32').data],
      ['pay', column(batch, 'purchase', 'f32').data.map((y, b) => y * (b % 2))],
    ]);
    const { losses, predictions } = await compile(
      planOf({ name: 'esmm', towers: { pay: { hidden: [4] } } }, tasks),
    ).inspect(withMaps(batch, { labels }));
    expect([...losses.keys()]).toEqual(['ctr', 'ctcart', 'ctpay', 'ctlike']);
    const joint = (...names: string[]) =>
      names.map((name) => predictions.get(name)!).reduce((a, b) => a.map((p, row) => p * b[row]!));
    for (const [term, label, ...chain] of [
      ['ctcart', 'cart', 'ctr', 'cart'],
      ['ctpay', 'pay', 'ctr', 'cart', 'pay'],
      ['ctlike', 'purchase', 'ctr', 'like'],
    ] as const) {
      expect(losses.get(term)!.mean).toBeCloseTo(logLoss([...labels.get(label)!], joint(...chain)), 5);
      expect(losses.get(term)!.rows).toBe(16);
    }
  });

  it('names the task whose chain does not end at a root task', () => {
    const found = (tasks: readonly Task[]) =>
      [
        ...models.partOf(models.schema.parse({ name: 'esmm' })).checkTasks!(
          tasks,
          models.schema.parse({ name: 'esmm' }) as never,
        ),
      ].map(({ path, message }) => `${path.join('.')}: ${message}`);
    expect(found(funnel)).toEqual([]);
    expect(found([funnel[0]!, task('cvr', { label: 'purchase', given: 'clicks' })])).toEqual([
      'tasks.cvr.given: expected the label of another classification task (click), ' +
        'in a chain that ends at a task without given, found "clicks"; did you mean \'click\'?',
    ]);
    const circle = [funnel[0]!, task('a', { label: 'x', given: 'y' }), task('b', { label: 'y', given: 'x' })];
    expect(found(circle)).toEqual(
      [
        'a.given: expected a chain of tasks that ends at a task without given; "y" leads back',
        'b.given: expected a chain of tasks that ends at a task without given; "x" leads back',
      ].map((each) => expect.stringContaining(each) as string),
    );
    expect(found([...funnel, task('spend', { label: 'spend', type: 'regression' })])).toEqual([
      'tasks.spend.type: esmm multiplies probabilities, but "spend" is a regression; use another model, such as mmoe',
    ]);
  });
});

describe('models that correct selection bias', () => {
  /** Creates a program whose extra towers output 0, and evaluates a batch. */
  async function inspected(spec: { readonly name: string }, silent: string) {
    const batch = batchOf(64);
    const program = compile(planOf(spec));
    const { weights, optimizer } = program.state();
    program.restore({
      step: 0,
      optimizer,
      weights: new Map(
        [...weights].map(([name, { shape, data }]) => [
          name,
          { shape, data: name.startsWith(silent) ? new Float32Array(data.length) : data },
        ]),
      ),
    });
    const { losses, predictions } = await program.inspect(batch);
    const [ctr, cvr, click, purchase] = [
      predictions.get('ctr')!,
      predictions.get('cvr')!,
      column(batch, 'click', 'f32').data,
      column(batch, 'purchase', 'f32').data,
    ];
    const rows = [...ctr].map((p, b) => ({
      p,
      o: click[b]!,
      y: purchase[b]!,
      r: cvr[b]!,
      error: logLoss([purchase[b]!], [cvr[b]!]),
    }));
    return {
      losses,
      rows,
      mean: (of: (row: (typeof rows)[number]) => number) => rows.reduce((sum, row) => sum + of(row), 0) / rows.length,
    };
  }

  it('escm2-ips weighs clicked rows by inverse click propensity, up to a maximum', async () => {
    const { losses, mean } = await inspected({ name: 'escm2-ips', maxWeight: 1.9 } as never, 'none');
    expect(losses.get('cvr')!.mean).toBeCloseTo(
      mean(({ o, p, error }) => Math.min(o / p, 1.9) * error),
      5,
    );
    expect(losses.get('ctcvr')!.mean).toBeCloseTo(
      mean(({ p, r, y }) => logLoss([y], [p * r])),
      5,
    );
  });

  it('escm2-dr corrects an imputed loss on clicked rows', async () => {
    const { losses, mean } = await inspected({ name: 'escm2-dr' }, 'imputations.cvr');
    const imputed = Math.log(2);
    expect(losses.get('cvr')!.mean).toBeCloseTo(
      mean(({ o, p, error }) => imputed + Math.min(o / p, 15) * (error - imputed)),
      5,
    );
    expect(losses.get('cvr.imputation')!.mean).toBeCloseTo(
      mean(({ o, p, error }) => Math.min(o / p, 15) * (error - imputed) ** 2),
      5,
    );
  });

  it('escm2-dr does not train the conversion by the imputation loss, unless configured', async () => {
    const gradients = (jointly: boolean) =>
      Promise.all(
        [0.1, 10].map(async (imputationWeight) => {
          const options = { name: 'escm2-dr', jointTraining: jointly, imputationWeight };
          const { gradients } = await compile(planOf(options)).inspect(batchOf(64));
          expect(gradients.get('imputations.cvr.out.weight')!.data.some((g) => g !== 0)).toBe(true);
          return [...gradients.get('towers.cvr.out.weight')!.data];
        }),
      );
    const [little, much] = await gradients(false);
    expect(little).toEqual(much);
    const [littleJointly, muchJointly] = await gradients(true);
    expect(littleJointly).not.toEqual(muchJointly);
  });

  it('dcmt trains a twin tower on unclicked rows, with normalized weights', async () => {
    const { losses, rows, mean } = await inspected({ name: 'dcmt' }, 'twins.cvr');
    const normalized = (weight: (row: (typeof rows)[number]) => number, loss: (row: (typeof rows)[number]) => number) =>
      mean((row) => weight(row) * loss(row)) / mean(weight);
    expect(losses.get('cvr')!.mean).toBeCloseTo(
      normalized(
        ({ o, p }) => o / p,
        ({ error }) => error,
      ),
      5,
    );
    expect(losses.get('cvr.counterfactual')!.mean).toBeCloseTo(
      normalized(
        ({ o, p }) => (1 - o) / (1 - p),
        () => Math.log(2),
      ),
      5,
    );
    expect(losses.get('cvr.agreement')!.mean).toBeCloseTo(
      mean(({ r }) => Math.abs(0.5 - r)),
      5,
    );
  });

  it('treat the propensity as a constant: without click loss, only the products train the click tower', async () => {
    const { gradients } = await compile(
      planOf({ name: 'escm2-ips', entireSpaceWeight: 0 }, [{ ...funnel[0]!, weight: 0 }, funnel[1]!]),
    ).inspect(batchOf(32));
    expect(gradients.get('towers.ctr.out.weight')!.data.every((g) => g === 0)).toBe(true);
    expect(gradients.get('towers.cvr.out.weight')!.data.some((g) => g !== 0)).toBe(true);
  });
});

describe('mmoe', () => {
  it('trains cvr on clicked rows only', async () => {
    const batch = batchOf(32);
    const { losses } = await compile(planOf({ name: 'mmoe' })).inspect(batch);
    const clicks = column(batch, 'click', 'f32').data.reduce((sum, y) => sum + y, 0);
    expect(losses.get('cvr')!.rows).toBe(clicks);
    expect(losses.get('ctr')!.rows).toBe(32);
  });

  it('supports any number of classification and regression tasks, with optional towers per task', async () => {
    const tasks = [...funnel, task('spend', { label: 'spend', type: 'regression' }), task('again', { label: 'click' })];
    const plan = planOf(
      {
        name: 'mmoe',
        experts: { count: 3, hidden: [6, 5] },
        towers: { spend: { hidden: [] } },
        gate: { batchNorm: false },
      },
      tasks,
    );
    expect(
      plan.graph.parameters
        .filter(({ name }) => name.startsWith('towers.spend'))
        .map(({ name, shape }) => [name, shape]),
    ).toEqual([
      ['towers.spend.out.weight', [5, 1]],
      ['towers.spend.out.bias', [1]],
    ]);
    expect(plan.graph.parameters.some(({ name }) => name.startsWith('gates') && name.includes('norm'))).toBe(false);
    const program = compile(plan);
    for (let step = 0; step < 300; step++) await program.trainStep(batchOf(64, step));
    const batch = batchOf(64);
    const spend = (await program.predict(batch)).get('spend')!;
    const worst = Math.max(...spend.map((value, b) => Math.abs(value - column(batch, 'spend', 'f32').data[b]!)));
    expect(worst).toBeLessThan(2);
    expect((await program.predict(batch)).get('again')!.every((p) => p > 0 && p < 1)).toBe(true);
  });
});

describe('model graph', () => {
  it('initializes weights from U(-1/√in, 1/√in), gains with 1 and shifts with 0', () => {
    const { weights } = compile(planOf({ name: 'esmm', ctrTower: { hidden: [400], batchNorm: true } })).state();
    const weight = weights.get('towers.ctr.0.weight')!.data;
    const bound = 1 / Math.sqrt(9);
    expect(Math.max(...weight.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(Math.max(...weight)).toBeGreaterThan(0.98 * bound);
    expect(
      Math.abs(Math.sqrt(weight.reduce((sum, w) => sum + w * w, 0) / weight.length) - bound / Math.sqrt(3)),
    ).toBeLessThan(0.01);
    expect(new Set(weights.get('towers.ctr.0.norm.gain')!.data)).toEqual(new Set([1]));
    expect(new Set(weights.get('towers.ctr.0.norm.runningVariance')!.data)).toEqual(new Set([1]));
  });
});
