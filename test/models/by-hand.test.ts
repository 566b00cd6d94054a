import { mapsOf, withMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { column, type Batch } from '../../src/core/batch.js';
import {
  byHand,
  dot,
  funnel,
  mixed,
  plus,
  relu,
  sigmoid,
  smallBatch,
  smallPlan,
  softmax,
  swish,
  task,
  times,
  type ByHand,
  type Row,
} from '../support/by-hand.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { logLoss } from '../support/reference.js';

// Compares models with the formulas of their papers on plain numbers; without batch norm, which requires a whole batch.

const layers = (...hidden: number[]) => ({ hidden, batchNorm: false });
const rowsOf = ({ batch }: ByHand): readonly number[] => Array.from({ length: batch.rows }, (_, row) => row);

/** Compares predictions with a formula by row, and losses and gradients with double precision. */
async function expectFormula(model: ByHand, formula: (row: number) => Readonly<Record<string, number>>): Promise<void> {
  const { program, plan, batch } = model;
  const predicted = await program.predict(batch);
  for (const row of rowsOf(model))
    for (const [name, value] of Object.entries(formula(row)))
      expect(predicted.get(name)![row], `${name} of row ${row}`).toBeCloseTo(value, 5);
  await expectLikeFloat64(program, plan, batch, 3e-5);
  program.dispose();
}

/** A click and a subsequent purchase; rows without a label are masked. */
const maskedFunnel = [
  task('ctr', { label: 'click', onMissing: 'mask' }),
  task('cvr', { label: 'purchase', given: 'click', onMissing: 'mask' }),
];

/** Creates the batch of a model in which every third click and every fourth purchase is missing. */
function withMissingLabels({ batch }: ByHand): Batch {
  const draw = (valueOf: (row: number) => boolean): Float32Array =>
    Float32Array.from({ length: batch.rows }, (_, row) => Number(valueOf(row)));
  const [click, purchase] = [column(batch, 'click', 'f32').data, column(batch, 'purchase', 'f32').data];
  const [isClickKnown, isPurchaseKnown] = [
    (row: number): boolean => row % 3 !== 2,
    (row: number): boolean => row % 4 !== 3,
  ];
  return withMaps(batch, {
    labels: new Map([
      ['click', draw((row) => isClickKnown(row) && click[row] === 1)],
      ['purchase', draw((row) => isPurchaseKnown(row) && purchase[row] === 1)],
      ['tasks.ctr.known', draw(isClickKnown)],
      ['tasks.cvr.known', draw(isPurchaseKnown)],
      ['tasks.cvr.mask', draw((row) => isClickKnown(row) && click[row] === 1 && isPurchaseKnown(row))],
      ['tasks.cvr.chainKnown', draw((row) => isClickKnown(row) && (click[row] === 0 || isPurchaseKnown(row)))],
    ]),
  });
}

/** A row that counts in a loss: its factor and its loss. */
interface Counted {
  readonly weight: number;
  readonly loss: number;
}
const weightedMean = (rows: readonly Counted[]): number =>
  rows.reduce((sum, { weight, loss }) => sum + weight * loss, 0) / rows.reduce((sum, { weight }) => sum + weight, 0);
/** Computes the log loss for a probability as label. */
const soft = (label: number, p: number): number => label * logLoss([1], [p]) + (1 - label) * logLoss([0], [p]);

/** Tests terms against formulas, and the gradient of their weighted sum against differences of the formulas. */
async function expectTerms(
  { program, plan, batch, weight }: ByHand,
  terms: () => Readonly<Record<string, number>>,
): Promise<void> {
  const { losses, gradients } = await program.inspect(batch);
  const expected = terms();
  expect([...losses.keys()]).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) expect(losses.get(name)!.mean, name).toBeCloseTo(value, 5);
  const loss = (): number =>
    Object.values(terms()).reduce((sum, value, t) => sum + plan.graph.terms[t]!.weight * value, 0);
  const step = 1e-5;
  for (const [name, { data }] of gradients) {
    const numbers = weight(name) as number[];
    for (const [i, found] of data.entries()) {
      const [at, [above, below]] = [
        numbers[i]!,
        [step, -step].map((by) => {
          numbers[i]! += by;
          const value = loss();
          numbers[i]! -= by;
          return value;
        }) as [number, number],
      ];
      numbers[i] = at;
      expect(found, `gradient of ${name}, ${i}`).toBeCloseTo((above - below) / (2 * step), 5);
    }
  }
  program.dispose();
}

describe('single-task', () => {
  const spec = { name: 'single-task', bottom: { name: 'mlp', ...layers(5) }, tower: layers(3) };

  it('is an independent model per task on its own embeddings', async () => {
    const model = byHand(spec);
    await expectFormula(model, (row) =>
      Object.fromEntries(
        ['ctr', 'cvr'].map((name, t) => {
          const h = relu(model.linear(model.features(row, t, 2), `tasks.${name}.bottom.0`));
          return [name, sigmoid(model.linear(relu(model.linear(h, `towers.${name}.0`)), `towers.${name}.out`)[0]!)];
        }),
      ),
    );
  });

  it('shares nothing: the loss of a task changes no parameter of another, including tables', async () => {
    const { program, batch } = byHand(spec, [funnel[0]!, { ...funnel[1]!, weight: 0 }]);
    const { gradients } = await program.inspect(batch);
    const users = [...gradients.get('embeddings.user')!.data];
    expect(users.every((d, i) => i % 4 < 2 || d === 0)).toBe(true);
    expect(users.some((d) => d !== 0)).toBe(true);
    for (const [name, { data }] of gradients)
      if (name.includes('.cvr.'))
        expect(
          data.every((d) => d === 0),
          name,
        ).toBe(true);
    program.dispose();
  });

  it('accepts any shared layers per task, and shared embeddings', () => {
    const { graph, layout } = smallPlan({
      name: 'single-task',
      embeddings: 'shared',
      bottom: { name: 'mmoe', experts: { count: 2 } },
    });
    expect(layout.width).toBe(6);
    expect([...graph.gates!].map(([name, { experts }]) => [name, experts])).toEqual([
      ['ctr: ctr', ['tasks.ctr.experts.0', 'tasks.ctr.experts.1']],
      ['cvr: cvr', ['tasks.cvr.experts.0', 'tasks.cvr.experts.1']],
    ]);
    expect(smallPlan({ name: 'single-task', bottom: { name: 'stem' } }).layout.width).toBe(4 * 5 + 1);
  });
});

describe('dbmtl', () => {
  it('predicts a task from its own state and those of its parents', async () => {
    const tasks = [...funnel, task('spend', { label: 'spend', type: 'regression' })];
    const model = byHand(
      {
        name: 'dbmtl',
        bottom: { name: 'mlp', ...layers(5) },
        tower: layers(4),
        relation: layers(3),
        parents: { spend: ['cvr', 'ctr'] },
      },
      tasks,
    );
    await expectFormula(model, (row) => {
      const h = relu(model.linear(model.features(row), 'bottom.0'));
      const own = (name: string): Row => relu(model.linear(h, `towers.${name}.0`));
      const state = (name: string, ...above: readonly Row[]): Row =>
        relu(model.linear([...own(name), ...above.flat()], `relations.${name}.0`));
      const out = (name: string, of: Row): number => model.linear(of, `relations.${name}.out`)[0]!;
      const ctr = state('ctr');
      const cvr = state('cvr', ctr);
      return {
        ctr: sigmoid(out('ctr', ctr)),
        cvr: sigmoid(out('cvr', cvr)),
        spend: out('spend', state('spend', cvr, ctr)),
      };
    });
  });
});

describe('resflow', () => {
  it('accumulates layers and logits of tasks along the funnel', async () => {
    const tasks = [
      task('ctr', { label: 'click' }),
      task('cart', { label: 'cart', given: 'click' }),
      task('pay', { label: 'pay', given: 'cart' }),
    ];
    const model = byHand({ name: 'resflow', tower: layers(4, 3) }, tasks);
    const probabilities = (row: number): Row => {
      let above: readonly Row[] = [[0, 0, 0, 0], [0, 0, 0], [0]];
      return tasks.map(({ name }) => {
        const first = plus(relu(model.linear(model.features(row), `towers.${name}.0`)), above[0]!);
        const second = plus(relu(model.linear(first, `towers.${name}.1`)), above[1]!);
        const logit = plus(model.linear(second, `towers.${name}.out`), above[2]!);
        above = [first, second, logit];
        return sigmoid(logit[0]!);
      });
    };
    const { losses } = await model.program.inspect(model.batch);
    const labels = (name: string): readonly number[] => [...column(model.batch, name, 'f32').data];
    expect([...losses.keys()]).toEqual(['ctr', 'ctcart', 'ctpay']);
    for (const [t, [term, label]] of (
      [
        ['ctr', 'click'],
        ['ctcart', 'cart'],
        ['ctpay', 'pay'],
      ] as const
    ).entries())
      expect(losses.get(term)!.mean).toBeCloseTo(
        logLoss(
          labels(label),
          rowsOf(model).map((row) => probabilities(row)[t]!),
        ),
        5,
      );
    await expectFormula(model, (row) => {
      const [ctr, cart, pay] = probabilities(row) as [number, number, number];
      return { ctr, cart: Math.min(cart / ctr, 1), pay: Math.min(pay / cart, 1) };
    });
  });
});

describe('adatt', () => {
  /** Computes a level: the output of each unit from its input, with shared experts if present. */
  const level = (
    model: ByHand,
    at: number,
    units: readonly string[],
    reads: ReadonlyMap<string, Row>,
    counts: readonly number[],
  ): Map<string, Row> => {
    const experts = units.map((unit, u) =>
      Array.from({ length: counts[u]! }, (_, e) => relu(model.linear(reads.get(unit)!, `levels.${at}.${unit}.${e}.0`))),
    );
    return new Map(
      units
        .filter((unit) => at === 0 || unit !== 'shared')
        .map((unit) => {
          const fused = mixed(
            softmax(model.linear(reads.get(unit)!, `levels.${at}.gates.${unit.replace('tasks.', '')}`)),
            experts.flat(),
          );
          const own = experts[units.indexOf(unit)]!;
          const native =
            own.length === 1
              ? own[0]!
              : mixed(
                  model.weight(`levels.${at}.native.${unit}.weight`).map((w) => w / Math.sqrt(own.length)),
                  own,
                );
          return [unit, plus(fused, native)];
        }),
    );
  };

  it.each([
    [0, ['tasks.ctr', 'tasks.cvr']],
    [1, ['tasks.ctr', 'tasks.cvr', 'shared']],
  ] as const)('mixes all experts and adds native ones as a residual, with %s shared', async (shared, units) => {
    const model = byHand({ name: 'adatt', experts: { perTask: 2, shared, ...layers(4) }, tower: layers() });
    const counts = [2, 2, shared];
    await expectFormula(model, (row) => {
      const first = level(model, 0, units, new Map(units.map((unit) => [unit, model.features(row)])), counts);
      const second = level(model, 1, units, first, counts);
      return Object.fromEntries(
        ['ctr', 'cvr'].map((name) => [
          name,
          sigmoid(model.linear(second.get(`tasks.${name}`)!, `towers.${name}.out`)[0]!),
        ]),
      );
    });
  });
});

describe('stem', () => {
  it('mixes experts over task-specific and shared embeddings, level by level', async () => {
    const model = byHand({
      name: 'stem',
      levels: 2,
      experts: { perTask: 2, shared: 1, ...layers(4) },
      tower: layers(),
    });
    await expectFormula(model, (row) => {
      let inputs: readonly Row[] = [0, 1, 2].map((part) => model.features(row, part, 3));
      for (const at of [0, 1]) {
        const experts = [
          ['tasks.ctr', 0, 2],
          ['tasks.cvr', 1, 2],
          ['shared', 2, 1],
        ] as const;
        const values = experts.flatMap(([unit, part, count]) =>
          Array.from({ length: count }, (_, e) => relu(model.linear(inputs[part]!, `levels.${at}.${unit}.${e}.0`))),
        );
        const fused = (x: Row, name: string): Row => mixed(softmax(model.linear(x, `levels.${at}.${name}`)), values);
        const tasks = ['ctr', 'cvr'].map((name, t) => fused(plus(inputs[t]!, inputs[2]!), `gates.${name}`));
        inputs = at === 0 ? [...tasks, fused(inputs[2]!, 'sharedGate')] : tasks;
      }
      return Object.fromEntries(
        ['ctr', 'cvr'].map((name, t) => [name, sigmoid(model.linear(inputs[t]!, `towers.${name}.out`)[0]!)]),
      );
    });
  });

  it.each([
    [true, false],
    [false, true],
  ])(
    'lets a task train experts and embeddings of another if stopGradient is %s: %s',
    async (stopGradient, isTrained) => {
      const { program, batch } = byHand({ name: 'stem', stopGradient, experts: layers(4) }, [
        funnel[0]!,
        { ...funnel[1]!, weight: 0 },
      ]);
      const { gradients } = await program.inspect(batch);
      expect(gradients.get('levels.0.tasks.cvr.0.0.weight')!.data.some((d) => d !== 0)).toBe(isTrained);
      // Table rows contain the parts of ctr, cvr and shared, two elements each.
      expect([...gradients.get('embeddings.user')!.data].some((d, i) => Math.floor((i % 6) / 2) === 1 && d !== 0)).toBe(
        isTrained,
      );
      expect([...gradients.get('embeddings.user')!.data].some((d, i) => Math.floor((i % 6) / 2) === 2 && d !== 0)).toBe(
        true,
      );
      program.dispose();
    },
  );
});

describe('pepnet', () => {
  it('scales embeddings and layers by gates, whose gradient does not reach features outside their groups', async () => {
    const model = byHand({
      name: 'pepnet',
      epnet: { input: ['item'], hidden: 3 },
      ppnet: { input: ['user'], hidden: 4 },
      layers: layers(5, 3),
      tower: layers(),
    });
    const factors = (x: Row, name: string): Row =>
      model.linear(relu(model.linear(x, `${name}.hidden`)), `${name}.factors`).map((v) => 2 * sigmoid(v));
    await expectFormula(model, (row) => {
      const all = model.features(row);
      const [user, item] = [all.slice(0, 2), all.slice(2)];
      const personal = times(factors([...item, ...all], 'epnet'), all);
      const prior = [...user, ...personal];
      return Object.fromEntries(
        ['ctr', 'cvr'].map((name) => {
          const gate = (x: Row, layer: number): Row => times(factors(prior, `ppnet.${name}.${layer}`), x);
          const first = gate(relu(model.linear(gate(personal, 0), `layers.${name}.0`)), 1);
          const second = gate(relu(model.linear(first, `layers.${name}.1`)), 2);
          return [name, sigmoid(model.linear(second, `towers.${name}.out`)[0]!)];
        }),
      );
    });
  });
});

describe('home', () => {
  it('has category and shared meta experts below task experts, each with a feature gate', async () => {
    const tasks = [...funnel, task('again', { label: 'click' })];
    const model = byHand(
      {
        name: 'home',
        categories: { sales: ['cvr'] },
        experts: { shared: 1, perCategory: 2, perTask: 1, ...layers(4) },
        featureGate: { rank: 2 },
        tower: layers(),
      },
      tasks,
    );
    const expert = (x: Row, name: string): Row =>
      swish(
        model.linear(
          times(
            model
              .linear(model.linear(x, `${name}.featureGate.down`), `${name}.featureGate.up`)
              .map((v) => 2 * sigmoid(v)),
            x,
          ),
          `${name}.0`,
        ),
      );
    const own = (scores: Row): Row => (scores.length === 1 ? scores.map(sigmoid) : softmax(scores));
    const unit = (name: string, looksAt: Row, all: readonly Row[], experts: readonly Row[], reads: Row): Row =>
      plus(
        mixed(softmax(model.linear(looksAt, `gates.${name}`)), all),
        mixed(own(model.linear(reads, `selfGates.${name}`)), experts),
      );
    await expectFormula(model, (row) => {
      const x = model.features(row);
      const metaShared = [expert(x, 'meta.shared.0')];
      const meta = (category: string): readonly Row[] =>
        [0, 1].map((e) => expert(x, `meta.categories.${category}.${e}`));
      const meantByAll = unit('meta.shared', x, [...meta('sales'), ...meta('others'), ...metaShared], metaShared, x);
      const ofAll = [expert(meantByAll, 'experts.shared.0')];
      const predicted = (name: string, category: string): number => {
        const meant = unit(`meta.categories.${category}`, x, [...meta(category), ...metaShared], meta(category), x);
        const ofTask = [expert(meant, `experts.tasks.${name}.0`)];
        const state = unit(
          name,
          [...meant, ...meantByAll],
          [...ofTask, ...[0, 1].map((e) => expert(meant, `experts.categories.${category}.${e}`)), ...ofAll],
          ofTask,
          meant,
        );
        return sigmoid(model.linear(state, `towers.${name}.out`)[0]!);
      };
      return { ctr: predicted('ctr', 'others'), cvr: predicted('cvr', 'sales'), again: predicted('again', 'others') };
    });
  });
});

describe('fm', () => {
  const deep = (model: ByHand, x: Row): Row => relu(model.linear(x, 'deep.0'));
  const pairs = (model: ByHand, row: number): Row => {
    const all = model.features(row);
    const [user, item, price] = [all.slice(0, 2), all.slice(2, 4), model.linear(all.slice(4), 'factors.price')];
    return plus(times(user, item), times(user, price), times(item, price));
  };

  it.each(['parallel', 'stacked'])(
    'sums the products of all pairs of fields, with trained factors for numbers, deep layers %s',
    async (structure) => {
      const model = byHand({ name: 'fm', structure, deep: layers(4), tower: layers() }, funnel, 2);
      await expectFormula(model, (row) => {
        const products = pairs(model, row);
        const stands =
          structure === 'stacked' ? deep(model, products) : [...products, ...deep(model, model.features(row))];
        return Object.fromEntries(
          ['ctr', 'cvr'].map((name) => [name, sigmoid(model.linear(stands, `towers.${name}.out`)[0]!)]),
        );
      });
    },
  );

  it('equals half the difference between the square of the sum and the sum of the squares', () => {
    const model = byHand({ name: 'fm', structure: 'stacked', deep: layers(), tower: layers() }, funnel, 2);
    const all = model.features(0);
    const fields = [all.slice(0, 2), all.slice(2, 4), model.linear(all.slice(4), 'factors.price')];
    const squares = (x: Row): Row => times(x, x);
    pairs(model, 0).forEach((v, i) =>
      expect(v).toBeCloseTo((squares(plus(...fields))[i]! - plus(...fields.map(squares))[i]!) / 2, 6),
    );
    model.program.dispose();
  });
});

describe('dcn', () => {
  it.each([
    ['stacked', undefined],
    ['parallel', undefined],
    ['stacked', 2],
  ])(
    'multiplies the features by a function of them in each layer, deep layers %s, rank %s',
    async (structure, rank) => {
      const model = byHand({
        name: 'dcn',
        layers: 2,
        ...(rank !== undefined && { rank }),
        structure,
        deep: layers(4),
        tower: layers(),
      });
      const weighted = (x: Row, name: string): Row =>
        rank === undefined ? model.linear(x, name) : model.linear(model.linear(x, `${name}.down`), `${name}.up`);
      if (rank !== undefined)
        expect([model.weight('cross.0.down.weight').length, model.weight('cross.0.up.weight').length]).toEqual([
          12, 12,
        ]);
      await expectFormula(model, (row) => {
        const x0 = model.features(row);
        const x = [0, 1].reduce((below, layer) => plus(times(x0, weighted(below, `cross.${layer}`)), below), x0);
        const deep = (of: Row): Row => relu(model.linear(of, 'deep.0'));
        const stands = structure === 'stacked' ? deep(x) : [...x, ...deep(x0)];
        return Object.fromEntries(
          ['ctr', 'cvr'].map((name) => [name, sigmoid(model.linear(stands, `towers.${name}.out`)[0]!)]),
        );
      });
    },
  );
});

describe('ddpo', () => {
  const model = (tasks = funnel): ByHand =>
    byHand({ name: 'ddpo', layers: layers(4), ctrTower: layers(3), cvrTower: layers(3), maxWeight: 3 }, tasks);
  /** Computes click, conversion and imputed conversion by the formulas. */
  const probabilities = ({ linear, features, weight }: ByHand, row: number) => {
    const state = (name: string): Row => relu(linear(features(row), `states.${name}.0`));
    const transfer = (of: Row, own: Row, name: string): Row => {
      const tokens = [relu(linear(of, name)), own];
      const product = (x: Row, matrix: Row): Row =>
        x.map((_, c) => x.reduce((sum, v, k) => sum + v * matrix[k * x.length + c]!, 0));
      const [q, k, v] = ['query', 'key', 'value'].map((role) =>
        tokens.map((token) => product(token, weight(`${name}.attention.${role}`))),
      ) as [Row[], Row[], Row[]];
      return mixed(softmax(q.map((each, t) => dot(each, k[t]!) / Math.sqrt(4))), v);
    };
    const [click, own, guess] = ['ctr', 'cvr', 'cvr.propensity'].map(state) as [Row, Row, Row];
    const stands = relu(
      linear(
        [...transfer(click, own, 'transfers.cvr.click'), ...transfer(guess, own, 'transfers.cvr.propensity')],
        'transfers.cvr',
      ),
    );
    const tower = (x: Row, name: string): number => sigmoid(linear(relu(linear(x, `${name}.0`)), `${name}.out`)[0]!);
    return {
      ctr: tower(click, 'towers.ctr'),
      cvr: tower(stands, 'towers.cvr'),
      guess: tower(guess, 'propensities.cvr'),
    };
  };

  it('combines a conversion with the states of its click and its propensity', async () => {
    const made = model();
    await expectFormula(made, (row) => {
      const { ctr, cvr } = probabilities(made, row);
      return { ctr, cvr };
    });
  });

  it.each([
    ['all labels known', funnel],
    ['missing labels masked', maskedFunnel],
  ] as const)(
    'trains a conversion on all rows that count, with soft labels for unclicked rows, with %s',
    async (_, tasks) => {
      const whole = model(tasks);
      const made = tasks === funnel ? whole : { ...whole, batch: withMissingLabels(whole) };
      const label = (name: string, row: number): number => mapsOf(made.batch).labels.get(name)?.[row] ?? 1;
      // Imputed labels and propensities are constants in labels and weights.
      const first = rowsOf(made).map((row) => {
        const { ctr, guess } = probabilities(made, row);
        return {
          row,
          o: label('click', row),
          y: label('purchase', row),
          isCounted: label('tasks.cvr.mask', row) * label('click', row),
          propensity: ctr,
          guessed: guess,
        };
      });
      await expectTerms(made, () => {
        const all = first.map((each) => ({ ...each, ...probabilities(made, each.row) }));
        const known = all.filter(({ row }) => label('tasks.cvr.chainKnown', row) === 1);
        return {
          ctr: weightedMean(
            all.map(({ row, o, ctr }) => ({ weight: label('tasks.ctr.known', row), loss: soft(o, ctr) })),
          ),
          cvr: weightedMean(
            known.map(({ o, y, guessed, propensity, cvr }) => ({
              weight: Math.min(o / propensity, 3),
              loss: soft(Math.min(y + guessed, 1), cvr),
            })),
          ),
          'cvr.unclicked': weightedMean(
            known.map(({ o, guessed, propensity, cvr }) => ({
              weight: Math.min((1 - o) / (1 - propensity), 3),
              loss: soft(guessed, cvr),
            })),
          ),
          'cvr.propensity': weightedMean(
            all.map(({ y, guess, isCounted }) => ({ weight: isCounted, loss: soft(y, guess) })),
          ),
          ctcvr: weightedMean(known.map(({ y, ctr, cvr }) => ({ weight: 1, loss: soft(y, ctr * cvr) }))),
        };
      });
    },
  );
});

describe('dcmt', () => {
  it.each([
    ['all labels known', funnel],
    ['missing labels masked', maskedFunnel],
  ] as const)('weighs rows by self-normalized inverse propensity, with %s', async (_, tasks) => {
    const whole = byHand(
      { name: 'dcmt', bottom: { name: 'none' }, ctrTower: layers(3), cvrTower: layers(3), maxWeight: 3 },
      tasks,
    );
    const made = tasks === funnel ? whole : { ...whole, batch: withMissingLabels(whole) };
    const label = (name: string, row: number): number => mapsOf(made.batch).labels.get(name)?.[row] ?? 1;
    const probability = (name: string, row: number): number =>
      sigmoid(made.linear(relu(made.linear(made.features(row), `${name}.0`)), `${name}.out`)[0]!);
    const first = rowsOf(made).map((row) => ({
      row,
      o: label('click', row),
      y: label('purchase', row),
      propensity: probability('towers.ctr', row),
    }));
    const known = first.filter(({ row }) => label('tasks.cvr.chainKnown', row) === 1);
    await expectTerms(made, () => {
      const rows = known.map((each) => ({
        ...each,
        ctr: probability('towers.ctr', each.row),
        r: probability('towers.cvr', each.row),
        twin: probability('twins.cvr', each.row),
      }));
      return {
        ctr: weightedMean(
          first.map(({ row, o }) => ({
            weight: label('tasks.ctr.known', row),
            loss: soft(o, probability('towers.ctr', row)),
          })),
        ),
        cvr: weightedMean(
          rows.map(({ o, y, r, propensity }) => ({ weight: Math.min(o / propensity, 3), loss: soft(y, r) })),
        ),
        'cvr.counterfactual': weightedMean(
          rows.map(({ o, y, twin, propensity }) => ({
            weight: Math.min((1 - o) / (1 - propensity), 3),
            loss: soft(1 - y, twin),
          })),
        ),
        'cvr.agreement': weightedMean(
          first.map(({ row }) => ({
            weight: 1,
            loss: Math.abs(1 - probability('towers.cvr', row) - probability('twins.cvr', row)),
          })),
        ),
        ctcvr: weightedMean(rows.map(({ y, ctr, r }) => ({ weight: 1, loss: soft(y, ctr * r) }))),
      };
    });
  });
});

describe('ddpo with another loss', () => {
  it('uses the expected loss for soft labels', async () => {
    const focal = { name: 'focal', gamma: 2 };
    const tasks = [
      task('ctr', { label: 'click' }),
      { ...task('cvr', { label: 'purchase', given: 'click' }), loss: focal },
    ];
    const { program, plan, batch } = byHand(
      { name: 'ddpo', layers: layers(4), ctrTower: layers(3), cvrTower: layers(3), maxWeight: 1e6 },
      tasks,
    );
    await expectLikeFloat64(program, plan, batch, 3e-4);
    const { losses, predictions } = await program.inspect(batch);
    const p = [...predictions.get('cvr')!];
    const most = Math.max(...p.map((q) => Math.max(-((1 - q) ** 2) * Math.log(q), -(q ** 2) * Math.log(1 - q))));
    expect(losses.get('cvr.unclicked')!.mean).toBeGreaterThan(0);
    expect(losses.get('cvr.unclicked')!.mean).toBeLessThan(most);
    program.dispose();
  });
});

describe('streams of the layers below a funnel', () => {
  it('predict the mean of their towers, which each of them also learns', async () => {
    const stack = { hidden: [4], batchNorm: false };
    const bottom = { name: 'finalnet', first: stack, second: { ...stack, hidden: [2] }, distillation: 0.5 };
    const model = byHand({ name: 'esmm', bottom, ctrTower: layers(3), cvrTower: { hidden: [] } }, maskedFunnel);
    const batch = withMissingLabels(model);
    const label = (name: string, row: number): number => column(batch, name, 'f32').data[row]!;
    const logits = (name: string, row: number): Row =>
      ['first', 'second'].map((stream) => {
        const x = model.features(row);
        const a = model.linear(x, `${stream}.0`);
        const h = [...a, ...times(a, model.linear(x, `${stream}.0.factor`))];
        const tower = `towers.${name}.${stream}`;
        return model.linear(name === 'ctr' ? relu(model.linear(h, `${tower}.0`)) : h, `${tower}.out`)[0]!;
      });
    const mean = (name: string, row: number): number => {
      const [first, second] = logits(name, row) as [number, number];
      return sigmoid((first + second) / 2);
    };
    const predictions = (await model.program.inspect(batch)).predictions;
    const rows = rowsOf(model);
    // Constants: differences of the formulas must not move them.
    const teachers = new Map(['ctr', 'cvr'].map((name) => [name, rows.map((row) => mean(name, row))]));
    for (const [name, expected] of teachers)
      for (const row of rows) expect(predictions.get(name)![row]).toBeCloseTo(expected[row]!, 5);
    const over = (column: string, loss: (row: number) => number): number =>
      weightedMean(rows.map((row) => ({ weight: label(column, row), loss: loss(row) })));
    const [clicks, chains] = ['tasks.ctr.known', 'tasks.cvr.chainKnown'] as const;
    const stream = (name: string, s: number) => (row: number) =>
      soft(teachers.get(name)![row]!, sigmoid(logits(name, row)[s]!));
    expect(model.plan.graph.terms.map(({ weight }) => weight)).toEqual([1, 1, 0.5, 0.5, 0.5, 0.5]);
    await expectTerms({ ...model, batch }, () => ({
      ctr: over(clicks, (row) => soft(label('click', row), mean('ctr', row))),
      ctcvr: over(chains, (row) => soft(label('purchase', row), mean('ctr', row) * mean('cvr', row))),
      'ctr.first': over(clicks, stream('ctr', 0)),
      'ctr.second': over(clicks, stream('ctr', 1)),
      'cvr.first': over(chains, stream('cvr', 0)),
      'cvr.second': over(chains, stream('cvr', 1)),
    }));
  });
});

describe('shared layers below a funnel', () => {
  it.each([
    'adatt',
    'autoint',
    'cin',
    'dcn',
    'finalmlp',
    'finalnet',
    'fm',
    'gdcn',
    'home',
    'masknet',
    'pepnet',
    'stem',
  ])('support %s', async (name) => {
    const program = createCpuEngine().compile(smallPlan({ name: 'esmm', bottom: { name } }, funnel, 2));
    const { losses } = await program.trainStep(smallBatch());
    expect([...losses.keys()]).toEqual(['ctr', 'ctcvr']);
    expect([...losses.values()].every(({ mean }) => Number.isFinite(mean))).toBe(true);
    program.dispose();
  });
});
