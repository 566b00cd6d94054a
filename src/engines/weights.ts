import type { Parameter } from '../graph/operations.js';
import { randomStream } from '../random.js';
import { sizeOf } from '../tensor.js';

/** A parameter of the graph in memory. */
export interface Weights {
  readonly parameter: Parameter;
  readonly data: Float32Array;
}

/** Draws the first values of a parameter, from a stream of its own name. */
export function drawParameter({ name, shape, init }: Parameter, seed: number): Float32Array {
  const random = randomStream(seed, 'parameter', name);
  return Float32Array.from({ length: sizeOf(shape) }, () => (init.kind === 'constant' ? init.value : init.bound * (2 * random.uniform() - 1)));
}
