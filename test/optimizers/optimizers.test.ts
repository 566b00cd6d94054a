import { describe, expect, it } from 'vitest';
import { optimizers } from '../../src/optimizers/optimizers.js';
import { hostOf, NO_TABLES, setWeights, updateVectors, weightsOf } from '../support/host.js';

describe('every optimizer', () => {
  for (const name of optimizers.names) {
    it(`${name} comes down to the minimum of a bowl`, () => {
      const host = hostOf(NO_TABLES, { dense: { name }, vectors: { v: 4 } });
      setWeights(host, (_, data) => data.fill(0.5));
      for (let step = 1; step <= 5000; step++) {
        const weights = weightsOf(host).get('v')!;
        updateVectors(host, new Map([['v', Float32Array.from(weights, (weight, i) => 2 * (weight - (i - 1)))]]), step);
      }
      weightsOf(host).get('v')!.forEach((weight, i) => expect(weight).toBeCloseTo(i - 1, 2));
    });
  }
});

describe('adam', () => {
  it('takes the steps that its paper writes down, with L2 inside the gradient', () => {
    const host = hostOf(NO_TABLES, { dense: { name: 'adam', learningRate: 0.1, betas: [0.8, 0.9], epsilon: 1e-3, weightDecay: 0.01 }, vectors: { v: 1 } });
    setWeights(host, (_, data) => data.fill(1));
    let [w, m, v] = [1, 0, 0];
    for (let step = 1; step <= 4; step++) {
      updateVectors(host, new Map([['v', Float32Array.of(0.5 / step)]]), step);
      const g = 0.5 / step + 0.01 * w;
      m = 0.8 * m + 0.2 * g;
      v = 0.9 * v + 0.1 * g * g;
      w -= (0.1 * (m / (1 - 0.8 ** step))) / (Math.sqrt(v / (1 - 0.9 ** step)) + 1e-3);
      expect(weightsOf(host).get('v')![0]).toBeCloseTo(w, 5);
    }
  });
});
