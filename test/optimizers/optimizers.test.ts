import { describe, expect, it } from 'vitest';
import { adam } from '../../src/optimizers/adam.js';
import { optimizers } from '../../src/optimizers/optimizers.js';

const gradientOf = (weights: Float32Array): Float32Array => weights.map((weight, i) => 2 * (weight - (i - 1)));

describe('every optimizer', () => {
  for (const name of optimizers.names) {
    const optimizer = optimizers.build(optimizers.schema.parse({ name }));
    const slotsFor = (length: number): Float32Array[] => optimizer.slots.map(() => new Float32Array(length));

    it(`${name} comes down to the minimum of a bowl`, () => {
      const weights = Float32Array.of(0.5, 0.5, 0.5, 0.5);
      const slots = slotsFor(4);
      for (let step = 1; step <= 5000; step++) optimizer.at(step)(weights, slots, 0, gradientOf(weights), 0, 4);
      weights.forEach((weight, i) => expect(weight).toBeCloseTo(i - 1, 2));
    });

    it(`${name} updates a row within an array as it would alone, and nothing beside it`, () => {
      const table = Float32Array.of(9, 9, 0.5, 0.25, 9, 9);
      const alone = Float32Array.of(0.5, 0.25);
      const [tableSlots, aloneSlots] = [slotsFor(6), slotsFor(2)];
      for (let step = 1; step <= 3; step++) {
        optimizer.at(step)(table, tableSlots, 2, Float32Array.of(7, 7, 7, 0.1, -0.2), 3, 2);
        optimizer.at(step)(alone, aloneSlots, 0, Float32Array.of(0.1, -0.2), 0, 2);
      }
      expect([...table]).toEqual([9, 9, ...alone, 9, 9]);
      tableSlots.forEach((slot, s) => expect([...slot.subarray(2, 4)]).toEqual([...aloneSlots[s]!]));
    });
  }
});

describe('adam', () => {
  it('takes the steps that its paper writes down, with L2 inside the gradient', () => {
    const options = { learningRate: 0.1, betas: [0.8, 0.9] as [number, number], epsilon: 1e-3, weightDecay: 0.01 };
    const optimizer = adam.build(options);
    const weights = Float32Array.of(1);
    const slots = [new Float32Array(1), new Float32Array(1)];
    let [w, m, v] = [1, 0, 0];
    for (let step = 1; step <= 4; step++) {
      optimizer.at(step)(weights, slots, 0, Float32Array.of(0.5 / step), 0, 1);
      const g = 0.5 / step + 0.01 * w;
      m = 0.8 * m + 0.2 * g;
      v = 0.9 * v + 0.1 * g * g;
      w -= (0.1 * (m / (1 - 0.8 ** step))) / (Math.sqrt(v / (1 - 0.9 ** step)) + 1e-3);
      expect(weights[0]).toBeCloseTo(w, 5);
    }
  });
});
