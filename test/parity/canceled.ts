import type { ProgramState } from '../../src/engines/engine.js';
import type { HostTensor } from '../../src/core/tensor.js';
import type { ExactTensor, RechubCase } from './rechub-case.js';

/** A gradient that leaves at most this share of its weight decay cancels it. */
const LEFT = 0.01;

type Tensors = ReadonlyMap<string, HostTensor>;

/**
 * Returns the elements of a tensor whose first gradient cancels their weight decay to within 1%. The rest is mostly
 * rounding, and Adam divides it by its own root. So rounding moves the weight by up to the learning rate: two float32
 * runs of torch differ by 1.4e-3 in such a weight, and ours differs from float64 by 5e-4. An element without a gradient
 * is not one of them.
 */
export function canceled(gradient: ArrayLike<number>, weights: ArrayLike<number>, decay: number): readonly number[] {
  return Array.from({ length: gradient.length }, (_, i) => i).filter(
    (i) => gradient[i] !== 0 && Math.abs(gradient[i]! + decay * weights[i]!) <= LEFT * Math.abs(decay * weights[i]!),
  );
}

/**
 * Returns the state after the first step, with the reference's elements where a gradient cancels its weight decay. Both
 * then continue from the same state. The elements follow from the reference's gradient by Adam's first step, and that
 * gradient is tested before.
 */
export function withCanceledOfReference(
  { step, weights, optimizer }: ProgramState,
  {
    initial,
    gradients,
    adam,
  }: { initial: Tensors; gradients: ReadonlyMap<string, ExactTensor>; adam: RechubCase['optimizer'] },
): ProgramState {
  const copied = (tensors: Tensors): Map<string, HostTensor> =>
    new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
  const state = { step, weights: copied(weights), optimizer: copied(optimizer) };
  const [beta1, beta2] = adam.betas;
  for (const [name, { data: gradient }] of gradients) {
    const { data: before } = initial.get(name)!;
    for (const i of canceled(gradient, before, adam.weight_decay)) {
      const left = gradient[i]! + adam.weight_decay * before[i]!;
      state.weights.get(name)!.data[i] = before[i]! - (adam.lr * left) / (Math.abs(left) + adam.eps);
      state.optimizer.get(`${name}.firstMoment`)!.data[i] = (1 - beta1) * left;
      state.optimizer.get(`${name}.secondMoment`)!.data[i] = (1 - beta2) * left ** 2;
    }
  }
  return state;
}
