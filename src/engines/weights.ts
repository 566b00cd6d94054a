import type { Parameter } from '../graph/operations.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { randomStream } from '../random.js';
import { sizeOf } from '../tensor.js';

/** A parameter of the graph in memory, with the optimizer's numbers beside it (none if it is not trained). */
export interface Weights {
  readonly parameter: Parameter;
  readonly data: Float32Array;
  readonly slots: readonly Float32Array[];
}

/** Draws the first values of all parameters, each from a stream of its own name. */
export function createWeights(parameters: readonly Parameter[], optimizer: Optimizer, seed: number): readonly Weights[] {
  return parameters.map((parameter) => {
    const data = drawParameter(parameter, seed);
    return { parameter, data, slots: parameter.isTrainable ? optimizer.slots.map(() => new Float32Array(data.length)) : [] };
  });
}

/** Draws the first values of a parameter. */
export function drawParameter({ name, shape, init }: Parameter, seed: number): Float32Array {
  const random = randomStream(seed, 'parameter', name);
  return Float32Array.from({ length: sizeOf(shape) }, () => (init.kind === 'constant' ? init.value : init.bound * (2 * random.uniform() - 1)));
}
