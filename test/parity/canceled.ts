import type { ProgramState } from '../../src/engines/engine.js';
import type { HostTensor } from '../../src/core/tensor.js';
import type { RechubCase } from './rechub-case.js';

/** A gradient that takes away all but this share of its weight decay is one that cancels it. */
const LEFT = 0.01;

type Tensors = ReadonlyMap<string, HostTensor>;

/**
 * The numbers of a tensor whose first gradient cancels their weight decay: the two are opposite and equal to a
 * hundredth, so that what is
 * left of them is rounding. Adam divides it by its own root, and so moves the weight by up to the learning rate, in no
 * direction that
 * another order of sums would have again. A number without a gradient is none of them: its decay is known.
 */
export function canceled(gradient: ArrayLike<number>, weights: ArrayLike<number>, decay: number): readonly number[] {
  return Array.from({ length: gradient.length }, (_, i) => i).filter(
    (i) => gradient[i] !== 0 && Math.abs(gradient[i]! + decay * weights[i]!) <= LEFT * Math.abs(decay * weights[i]!),
  );
}

/**
 * The state after the first step with torch's own numbers where a gradient cancels its weight decay, so that both go on
 * from one state and
 * all else is still held to its bound. They follow from torch's gradient by Adam's first step, which is held to its
 * bound before.
 */
export function withCanceledOfTorch(
  { step, weights, optimizer }: ProgramState,
  { initial, gradients, adam }: { initial: Tensors; gradients: Tensors; adam: RechubCase['optimizer'] },
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
