import { expect } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { HostTensor } from '../../src/core/tensor.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine, Plan, Program } from '../../src/engines/engine.js';
import { expectClose } from './expect-close.js';
import { createTfjsEngine } from './tfjs.js';

/** A plan's weights and its results in PyTorch. */
export interface PyTorchCase {
  readonly loss: number;
  readonly predictions: readonly number[];
  readonly weights: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>>;
  /** Running statistics: those of the batch. */
  readonly running?: Readonly<Record<string, readonly number[]>>;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

/** Engines that are compared, by name. */
export const PYTORCH_ENGINES: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['cpu', () => Promise.resolve(createCpuEngine())],
  ['tfjs', () => createTfjsEngine()],
];

/** Compiles a plan with the weights of a case, and expects its predictions `p`, loss `ctr` and gradients. */
export async function expectLikePyTorch(
  engine: Engine,
  plan: Plan,
  { loss, predictions, weights, running = {}, gradients }: PyTorchCase,
  batch: Batch,
): Promise<Program> {
  const program = engine.compile(plan);
  const given = [
    ...Object.entries(weights),
    ...Object.entries(running).map(([name, data]) => [name, { shape: [data.length], data }] as const),
  ].map(([name, { shape, data }]): [string, HostTensor] => [name, { shape, data: Float32Array.from(data) }]);
  program.restore({ step: 0, optimizer: new Map(), weights: new Map([...program.state().weights, ...given]) });
  const found = await program.inspect(batch);
  expectClose(found.predictions.get('p')!, predictions, 'predictions');
  expect(found.losses.get('ctr')!.mean).toBeCloseTo(loss, 5);
  expect([...found.gradients.keys()].sort()).toEqual(Object.keys(gradients).sort());
  for (const [name, gradient] of Object.entries(gradients))
    expectClose(found.gradients.get(name)!.data, gradient, `gradient of ${name}`);
  return program;
}
