import { expect } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { float64Pass } from './float64-pass.js';

const largest = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const distance = (found: ArrayLike<number>, expected: Float64Array): number =>
  expected.reduce((most, value, i) => Math.max(most, Math.abs(found[i]! - value)), 0);

/** Two roundings to float32 of the largest gradient: the error of a gradient whose terms cancel. */
const ROUNDING = 2 ** -22;

/**
 * Compares losses, predictions and gradients of a batch with float64: each element within `bound` of the largest of its
 * tensor, besides rounding. A gradient that cancels (for example before batch norm) is only rounding error in float32
 * and is compared with the largest gradient of all.
 */
export async function expectLikeFloat64(program: Program, plan: Plan, batch: Batch, bound: number): Promise<void> {
  const { step, weights } = program.state();
  const expected = float64Pass(
    plan,
    new Map([...weights].map(([name, { data }]) => [name, data.slice()])),
    batch,
    step,
  );
  const found = await program.inspect(batch);
  for (const [name, loss] of expected.losses)
    expect(Math.abs(found.losses.get(name)!.mean / loss - 1), `loss ${name}`).toBeLessThanOrEqual(bound);
  for (const [name, values] of expected.predictions)
    expect(distance(found.predictions.get(name)!, values) / largest(values), `prediction ${name}`).toBeLessThanOrEqual(
      bound,
    );
  expect([...found.gradients.keys()].sort()).toEqual([...expected.gradients.keys()].sort());
  const most = Math.max(...[...expected.gradients.values()].map(largest));
  for (const [name, gradient] of expected.gradients) {
    const scale = largest(gradient) < 1e-12 * most ? most : largest(gradient);
    const { data } = found.gradients.get(name)!;
    expect(data, name).toHaveLength(gradient.length);
    expect(distance(data, gradient), `gradient of ${name}`).toBeLessThanOrEqual(bound * scale + ROUNDING * most);
  }
}
