import { toBatch, withMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/operations.js';
import { engines } from '../support/engines.js';
import { numericBatch, planOf } from '../support/graph-plan.js';

// Exact properties that every engine has. float64.test.ts tests the accuracy.

const WIDTH = 6;
const ROWS = 9;

for (const { name: engineName, create } of engines) {
  describe(`random numbers of the ${engineName} engine`, () => {
    it('are unchanged if a model gets another layer, in initial weights and dropout', async () => {
      const inspect = async (hasMore: boolean) => {
        const plan = planOf(WIDTH, (g, input, y) => {
          const more = hasMore
            ? [g.linear(g.dropout(g.linear(input, 4, 'more'), 0.5, 'more.dropout'), 1, 'more.out')]
            : [];
          const h = g.dropout(g.linear(input, WIDTH, 'below'), 0.5, 'dropout');
          const out = g.linear(h, 1, 'out');
          return {
            predictions: { p: out },
            terms: [out, ...more].map((z, i) => ({ name: `t${i}`, weight: 1, loss: g.squaredError(z, y) })),
          };
        });
        return (await create()).compile(plan).inspect(numericBatch(ROWS, WIDTH));
      };
      const [before, after] = [await inspect(false), await inspect(true)];
      expect(after.predictions).toEqual(before.predictions);
      for (const [name, { data }] of before.gradients) expect(after.gradients.get(name)!.data, name).toEqual(data);
    });
  });

  describe(`linear layers of the ${engineName} engine`, () => {
    it('add their bias last, so that small products keep their precision', async () => {
      const [width, rows] = [64, 6];
      const plan = planOf(width, (g, input, y) => {
        const out = g.linear(input, 1, 'a');
        return { predictions: { p: out }, terms: [{ name: 'p', weight: 1, loss: g.squaredError(out, y) }] };
      });
      const program = (await create()).compile(plan);
      program.restore({
        step: 0,
        optimizer: new Map(),
        weights: new Map([
          ['a.weight', { shape: [width, 1], data: new Float32Array(width).fill(2 ** -25) }],
          ['a.bias', { shape: [1], data: Float32Array.of(1) }],
        ]),
      });
      const numbers = new Map(Array.from({ length: width }, (_, i) => [`x${i}`, new Float32Array(rows).fill(1)]));
      const predicted = (await program.predict(withMaps(numericBatch(rows, width), { numbers }))).get('p')!;
      expect([...predicted]).toEqual(Array.from({ length: rows }, () => 1 + width * 2 ** -25));
    });
  });

  describe(`losses of the ${engineName} engine`, () => {
    const lossAt = async (
      build: (g: GraphBuilder, a: Value, y: Value) => ReturnType<GraphBuilder['squaredError']>,
      logit: number,
      label: number,
    ) => {
      const plan = planOf(1, (g, input, y) => {
        const a = g.linear(input, 1, 'a');
        return { predictions: { p: a }, terms: [{ name: 'p', weight: 1, loss: build(g, a, y) }] };
      });
      const program = (await create()).compile(plan);
      program.restore({
        step: 0,
        optimizer: new Map(),
        weights: new Map([
          ['a.weight', { shape: [1, 1], data: Float32Array.of(1) }],
          ['a.bias', { shape: [1], data: Float32Array.of(0) }],
        ]),
      });
      const { losses, gradients } = await program.inspect(
        toBatch({
          rows: 1,
          numbers: new Map([['x0', Float32Array.of(logit)]]),
          labels: new Map([['y', Float32Array.of(label)]]),
        }),
      );
      return { loss: losses.get('p')!.mean, slope: gradients.get('a.bias')!.data[0]! };
    };

    it('are finite and correct at logits for which probabilities round to 0 and 1', async () => {
      expect(await lossAt((g, a, y) => g.binaryCrossEntropy(a, y), 100, 0)).toEqual({ loss: 100, slope: 1 });
      expect((await lossAt((g, a, y) => g.binaryCrossEntropy(a, y), -100, 1)).loss).toBe(100);
      expect((await lossAt((g, a, y) => g.binaryCrossEntropy(g.productLogit(a, a), y), -60, 1)).loss).toBeCloseTo(
        120,
        3,
      );
      const certain = await lossAt((g, a, y) => g.binaryCrossEntropy(g.productLogit(a, a), y), 40, 0);
      // 1 - σ(z)² → 2 e^-z, so the loss → z - log 2 and its slope → 1.
      expect(certain.loss).toBeCloseTo(40 - Math.log(2), 3);
      expect(certain.slope).toBeCloseTo(1, 4);
    });

    it('have the slope σ(z) - y at z = 0', async () => {
      expect((await lossAt((g, a, y) => g.binaryCrossEntropy(a, y), 0, 1)).slope).toBe(-0.5);
    });

    it('are 0 with gradient 0 if the mask excludes all rows', async () => {
      const plan = planOf(1, (g, input, y) => {
        const a = g.linear(input, 1, 'a');
        return {
          predictions: { p: a },
          terms: [
            {
              name: 'p',
              weight: 1,
              loss: g.binaryCrossEntropy(a, y, { mask: g.input({ kind: 'label', column: 'mask' }, 1) }),
            },
          ],
        };
      });
      const batch = withMaps(numericBatch(4, 1), {
        labels: new Map([
          ['y', Float32Array.of(0, 1, 0, 1)],
          ['mask', new Float32Array(4)],
        ]),
      });
      const { losses, gradients } = await (await create()).compile(plan).inspect(batch);
      expect(losses.get('p')).toEqual({ mean: 0, rows: 0 });
      expect([...gradients.get('a.weight')!.data, ...gradients.get('a.bias')!.data].map(Math.abs)).toEqual([0, 0]);
    });
  });
}
