import type { Parameter } from '../graph/operations.js';
import { randomStream } from '../core/random.js';
import { countElements } from '../core/tensor.js';

/** A parameter of the graph in memory. */
export interface Weights {
  readonly parameter: Parameter;
  readonly data: Float32Array;
}

/** Draws the initial values of a parameter from a random stream of its own name. */
export function drawParameter({ name, shape, init }: Parameter, seed: number): Float32Array {
  const data = new Float32Array(countElements(shape));
  if (init.kind === 'constant') return data.fill(init.value);
  const random = randomStream(seed, 'parameter', name);
  for (let i = 0; i < data.length; i++)
    data[i] =
      init.kind === 'normal' ? init.standardDeviation * random.normal() : init.bound * (2 * random.uniform() - 1);
  return data;
}
