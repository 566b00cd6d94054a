import { randomStream } from '../../src/core/random.js';
import type { Observation, Weighting } from '../../src/weightings/weighting.js';
import { stepOf } from './drive.js';

/** Terms over one shared vector, each scale · (½ |x - point|² + 0.1), and a step's weights. */
export interface Toy {
  readonly scales: readonly number[];
  /** Which of the drawn points each term has. */
  readonly points: readonly number[];
  readonly weights?: readonly number[];
}

/** What a weighting saw and gave in one step. */
export interface ToyStep {
  readonly seen: Observation;
  readonly state: object;
  readonly weights: readonly number[];
}

const WIDTH = 6;
const STEPS_AN_EPOCH = 4;

/** Runs a weighting over so many steps; the state passes through JSON after each step where asked. */
export function runToy(
  weighting: Weighting,
  toy: Toy,
  steps: number,
  through: (state: object, step: number) => object = (state) => state,
): ToyStep[] {
  const points = toy.points.map((point) => {
    const random = randomStream(point, 'toy');
    return Array.from({ length: WIDTH }, () => random.normal());
  });
  const gradients = (x: readonly number[]): number[][] =>
    points.map((point, t) => x.map((value, i) => toy.scales[t]! * (value - point[i]!)));
  const losses = (x: readonly number[]): number[] =>
    points.map(
      (point, t) => toy.scales[t]! * (x.reduce((sum, value, i) => sum + 0.5 * (value - point[i]!) ** 2, 0) + 0.1),
    );

  let x: number[] = new Array<number>(WIDTH).fill(0);
  let state = weighting.first(
    toy.weights ?? toy.scales.map(() => 1),
    3,
    toy.points.map((point) => `term${point}`),
  );
  return Array.from({ length: steps }, (_, index) => {
    const g = gradients(x);
    const seen = {
      losses: losses(x),
      gramian: gramianOf(g),
      step: index + 1,
      epoch: 1 + Math.floor(index / STEPS_AN_EPOCH),
    };
    // The engine asks for weights within the step, and measures losses again after it.
    const { weights } = stepOf(weighting, state, seen);
    const length = Math.hypot(...x.map((__, i) => weights.reduce((sum, weight, t) => sum + weight * g[t]![i]!, 0)));
    const rate = 0.05 / Math.max(length, 1);
    x = x.map((value, i) => value - rate * weights.reduce((sum, weight, t) => sum + weight * g[t]![i]!, 0));
    const after = stepOf(weighting, state, weighting.needs === 'change' ? { ...seen, lossesAfter: losses(x) } : seen);
    state = through(after.state, index + 1);
    return { seen, state, weights };
  });
}

/** The products of all pairs. */
export function gramianOf(gradients: readonly (readonly number[])[]): Float64Array {
  return Float64Array.from(
    gradients.flatMap((one) => gradients.map((other) => one.reduce((sum, value, i) => sum + value * other[i]!, 0))),
  );
}
