import { describe, expect, it } from 'vitest';
import { createSimdEngine } from '../../src/engines/simd/engine.js';
import { createTfjsEngine } from '../../src/engines/tfjs/engine.js';
import type { GraphBuilder, LossOptions } from '../../src/graph/builder.js';
import { ACTIVATIONS, type Activation, type LossName, type LossValue, type OperationName, type Value } from '../../src/graph/operations.js';
import { numericBatch, planOf } from '../support/graph-plan.js';
import { checkGradients } from '../support/slopes.js';

// Every operation's gradient against central differences of its own loss, on every engine.

const engines = [
  { name: 'tfjs', create: () => createTfjsEngine() },
  { name: 'simd', create: () => Promise.resolve(createSimdEngine()) },
  { name: 'plain simd', create: () => Promise.resolve(createSimdEngine(1, false)) },
];
const WIDTH = 6;
const ROWS = 9;

type Body = (g: GraphBuilder, x: Value) => Value;

/** A body for each operation that keeps something of the input: typed, so that none can be forgotten. */
const BODIES: Record<Exclude<OperationName, 'input' | 'activation' | 'binaryCrossEntropy' | 'productCrossEntropy' | 'squaredError'>, Body> = {
  linear: (g, x) => g.linear(x, 3, 'l'),
  batchNorm: (g, x) => g.batchNorm(x, 'n'),
  dropout: (g, x) => g.dropout(x, 0.4, 'd'),
  softmax: (g, x) => g.softmax(x),
  concat: (g, x) => g.concat([g.linear(x, 2, 'a'), x, g.linear(x, 1, 'b')]),
  slice: (g, x) => g.slice(g.linear(x, 5, 'l'), 1, 3),
  multiply: (g, x) => g.multiply(g.linear(x, 4, 'a'), g.linear(x, 4, 'b')),
  add: (g, x) => g.add(g.linear(x, 4, 'a'), g.linear(x, 4, 'b')),
  mixture: (g, x) => g.mixture(g.softmax(g.linear(x, 3, 'gate')), [1, 2, 3].map((e) => g.linear(x, 4, `expert${e}`))),
  attend: (g, x) => g.attend([g.linear(x, 4, 'a'), g.linear(x, 4, 'b')], 'attention'),
};

const bodies: [string, Body][] = [
  ['mixture of one expert', (g, x) => g.mixture(g.softmax(g.linear(x, 1, 'gate')), [g.linear(x, 4, 'expert')])],
  ...Object.entries(BODIES),
  ...ACTIVATIONS.map((kind: Activation): [string, Body] => [`activation ${kind}`, (g, x) => g.activation(g.linear(x, 5, 'l'), kind, 'a')]),
];

/** Losses over two logits, with and without masks and weights. */
const LOSSES: Record<string, (g: GraphBuilder, a: Value, b: () => Value, y: Value, mask: Value, weight: Value) => ReturnType<GraphBuilder['squaredError']>> = {
  binaryCrossEntropy: (g, a, _, y) => g.binaryCrossEntropy(a, y),
  'binaryCrossEntropy with mask and weights': (g, a, _, y, mask, weights) => g.binaryCrossEntropy(a, y, { mask, weights }),
  productCrossEntropy: (g, a, b, y) => g.productCrossEntropy([a, b()], y),
  'productCrossEntropy with mask and weights': (g, a, b, y, mask, weights) => g.productCrossEntropy([a, b()], y, { mask, weights }),
  squaredError: (g, a, _, y) => g.squaredError(a, y),
  'squaredError with mask and weights': (g, a, _, y, mask, weights) => g.squaredError(a, y, { mask, weights }),
};

/** Losses with a label, a mask and weights. */
const COMPUTED: Record<LossName, (g: GraphBuilder, logits: readonly [Value, Value], label: Value, options: LossOptions) => LossValue> = {
  binaryCrossEntropy: (g, [a], label, options) => g.binaryCrossEntropy(a, label, options),
  productCrossEntropy: (g, logits, label, options) => g.productCrossEntropy(logits, label, options),
  squaredError: (g, [a], label, options) => g.squaredError(a, label, options),
};

for (const { name: engineName, create } of engines) {
  describe(`gradients of the ${engineName} engine are the slopes of the loss`, () => {
    for (const [name, body] of bodies) {
      it(`through ${name}`, async () => {
        const plan = planOf(WIDTH, (g, input, y) => {
          // A layer below, so that the gradient of the operation's input is looked at too.
          const out = g.linear(g.activation(body(g, g.linear(input, WIDTH, 'below')), 'tanh', 't'), 1, 'out');
          return { predictions: { p: out }, terms: [{ name: 'p', weight: 1, loss: g.squaredError(out, y) }] };
        });
        await checkGradients((await create()).compile(plan), numericBatch(ROWS, WIDTH));
      });
    }

    for (const [name, build] of Object.entries(LOSSES)) {
      it(`of ${name}`, async () => {
        const plan = planOf(WIDTH, (g, input, y) => {
          const [mask, weight] = [g.input({ kind: 'label', column: 'mask' }, 1), g.input({ kind: 'label', column: 'weight' }, 1)];
          const a = g.linear(input, 1, 'a');
          return { predictions: { p: a }, terms: [{ name: 'p', weight: 1, loss: build(g, a, () => g.linear(input, 1, 'b'), y, mask, weight) }] };
        });
        await checkGradients((await create()).compile(plan), numericBatch(ROWS, WIDTH));
      });
    }
  });

  describe(`random numbers of the ${engineName} engine`, () => {
    it('stay as they are when a model gets another layer: first weights and what dropout drops', async () => {
      const inspect = async (hasMore: boolean) => {
        const plan = planOf(WIDTH, (g, input, y) => {
          const more = hasMore ? [g.linear(g.dropout(g.linear(input, 4, 'more'), 0.5, 'more.dropout'), 1, 'more.out')] : [];
          const h = g.dropout(g.linear(input, WIDTH, 'below'), 0.5, 'dropout');
          const out = g.linear(h, 1, 'out');
          return { predictions: { p: out }, terms: [out, ...more].map((z, i) => ({ name: `t${i}`, weight: 1, loss: g.squaredError(z, y) })) };
        });
        return (await create()).compile(plan).inspect(numericBatch(ROWS, WIDTH));
      };
      const [before, after] = [await inspect(false), await inspect(true)];
      expect(after.predictions).toEqual(before.predictions);
      for (const [name, { data }] of before.gradients) expect(after.gradients.get(name)!.data, name).toEqual(data);
    });
  });

  describe(`linear layers of the ${engineName} engine`, () => {
    it('add their bias last: small products are not lost to it, one by one', async () => {
      const [width, rows] = [64, 6];
      const plan = planOf(width, (g, input, y) => {
        const out = g.linear(input, 1, 'a');
        return { predictions: { p: out }, terms: [{ name: 'p', weight: 1, loss: g.squaredError(out, y) }] };
      });
      const program = (await create()).compile(plan);
      program.restore({ step: 0, optimizer: new Map(), weights: new Map([['a.weight', { shape: [width, 1], data: new Float32Array(width).fill(2 ** -25) }], ['a.bias', { shape: [1], data: Float32Array.of(1) }]]) });
      const numbers = new Map(Array.from({ length: width }, (_, i) => [`x${i}`, new Float32Array(rows).fill(1)]));
      const predicted = (await program.predict({ ...numericBatch(rows, width), numbers })).get('p')!;
      expect([...predicted]).toEqual(Array.from({ length: rows }, () => 1 + width * 2 ** -25));
    });
  });

  describe(`losses of the ${engineName} engine`, () => {
    const lossAt = async (build: (g: GraphBuilder, a: Value, y: Value) => ReturnType<GraphBuilder['squaredError']>, logit: number, label: number) => {
      const plan = planOf(1, (g, input, y) => {
        const a = g.linear(input, 1, 'a');
        return { predictions: { p: a }, terms: [{ name: 'p', weight: 1, loss: build(g, a, y) }] };
      });
      const program = (await create()).compile(plan);
      program.restore({ step: 0, optimizer: new Map(), weights: new Map([['a.weight', { shape: [1, 1], data: Float32Array.of(1) }], ['a.bias', { shape: [1], data: Float32Array.of(0) }]]) });
      const { losses, gradients } = await program.inspect({ rows: 1, ids: new Map(), numbers: new Map([['x0', Float32Array.of(logit)]]), bags: new Map(), labels: new Map([['y', Float32Array.of(label)]]) });
      return { loss: losses.get('p')!.mean, slope: gradients.get('a.bias')!.data[0]! };
    };

    it('stay finite and right at logits where probabilities round to 0 and 1', async () => {
      expect(await lossAt((g, a, y) => g.binaryCrossEntropy(a, y), 100, 0)).toEqual({ loss: 100, slope: 1 });
      expect((await lossAt((g, a, y) => g.binaryCrossEntropy(a, y), -100, 1)).loss).toBe(100);
      expect((await lossAt((g, a, y) => g.productCrossEntropy([a, a], y), -60, 1)).loss).toBeCloseTo(120, 3);
      const certain = await lossAt((g, a, y) => g.productCrossEntropy([a, a], y), 40, 0);
      // 1 - σ(z)² → 2 e^-z, so the loss → z - log 2 and its slope → 1.
      expect(certain.loss).toBeCloseTo(40 - Math.log(2), 3);
      expect(certain.slope).toBeCloseTo(1, 4);
    });

    it('have the slope σ(z) - y at z = 0', async () => {
      expect((await lossAt((g, a, y) => g.binaryCrossEntropy(a, y), 0, 1)).slope).toBe(-0.5);
    });

    it.each(Object.entries(COMPUTED))('do not differentiate what is computed for them: %s', async (_, build) => {
      const columns = ['label', 'mask', 'weights'] as const;
      const plan = planOf(WIDTH, (g, input) => {
        const [label, mask, weights] = columns.map((name) => g.activation(g.linear(input, 1, name), 'sigmoid', name)) as [Value, Value, Value];
        const logits = ['a', 'b'].map((name) => g.linear(input, 1, name)) as [Value, Value];
        return { predictions: { p: logits[0], label, mask, weights }, terms: [{ name: 'p', weight: 1, loss: build(g, logits, label, { mask, weights }) }] };
      });
      const program = (await create()).compile(plan);
      const batch = numericBatch(ROWS, WIDTH);
      const { gradients, predictions, losses } = await program.inspect(batch);
      for (const name of columns) expect(new Set(gradients.get(`${name}.weight`)!.data), name).toEqual(new Set([0]));
      // The same columns from outside give the same.
      const given = planOf(WIDTH, (g, input) => {
        const [label, mask, weights] = columns.map((column) => g.input({ kind: 'label', column }, 1)) as [Value, Value, Value];
        const logits = ['a', 'b'].map((name) => g.linear(input, 1, name)) as [Value, Value];
        return { predictions: { p: logits[0] }, terms: [{ name: 'p', weight: 1, loss: build(g, logits, label, { mask, weights }) }] };
      });
      const expected = await (await create()).compile(given).inspect({ ...batch, labels: predictions });
      expect(losses.get('p')).toEqual(expected.losses.get('p'));
      for (const [name, { data }] of expected.gradients) expect(gradients.get(name)!.data, name).toEqual(data);
    });

    it('are 0 with gradient 0 where the mask admits no row', async () => {
      const plan = planOf(1, (g, input, y) => {
        const a = g.linear(input, 1, 'a');
        return { predictions: { p: a }, terms: [{ name: 'p', weight: 1, loss: g.binaryCrossEntropy(a, y, { mask: g.input({ kind: 'label', column: 'mask' }, 1) }) }] };
      });
      const batch = { ...numericBatch(4, 1), labels: new Map([['y', Float32Array.of(0, 1, 0, 1)], ['mask', new Float32Array(4)]]) };
      const { losses, gradients } = await (await create()).compile(plan).inspect(batch);
      expect(losses.get('p')).toEqual({ mean: 0, rows: 0 });
      expect([...gradients.get('a.weight')!.data, ...gradients.get('a.bias')!.data].map(Math.abs)).toEqual([0, 0]);
    });
  });
}
