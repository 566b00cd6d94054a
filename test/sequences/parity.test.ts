import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BagColumn, Batch } from '../../src/core/batch.js';
import type { HostTensor } from '../../src/core/tensor.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine } from '../../src/engines/engine.js';
import { planOfEncoder, type EncoderCase, type TableName } from '../support/encoder-plan.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { expectClose } from '../support/expect-close.js';

// Predictions, losses and gradients of PyTorch; make_cases.py writes them.

interface Case extends EncoderCase {
  readonly loss: number;
  readonly predictions: readonly number[];
  /** Weight of each item, if the encoder has them. */
  readonly attention?: readonly number[];
  readonly weights: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>>;
  /** Running statistics: those of the batch. */
  readonly running: Readonly<Record<string, readonly number[]>>;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}
interface File {
  readonly batch: {
    readonly counts: readonly number[];
    readonly items: Readonly<Record<TableName, readonly number[]>>;
    readonly weights: readonly number[];
    readonly targets: Readonly<Record<string, readonly number[]>>;
    readonly labels: readonly number[];
    readonly ages: readonly number[];
  };
  readonly cases: readonly Case[];
}

const { batch: given, cases } = JSON.parse(readFileSync(join(import.meta.dirname, 'cases.json'), 'utf8')) as File;

function readBatch(): Batch {
  const offsets = Uint32Array.from([0, ...given.counts]);
  for (let b = 0; b < given.counts.length; b++) offsets[b + 1]! += offsets[b]!;
  const weights = Float32Array.from(given.weights);
  return {
    rows: given.counts.length,
    ids: new Map(Object.entries(given.targets).map(([field, ids]) => [field, Uint32Array.from(ids)])),
    bags: new Map([
      ...Object.entries(given.items).map(([table, ids]): [string, BagColumn] => [
        `clicked ${table}`,
        { offsets, ids: Uint32Array.from(ids), weights },
      ]),
      [
        'clicked ages',
        { offsets, ids: new Uint32Array(weights.length), weights: Float32Array.from(given.ages) },
      ] as const,
    ]),
    numbers: new Map(),
    labels: new Map([['y', Float32Array.from(given.labels)]]),
  };
}

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['cpu', () => Promise.resolve(createCpuEngine())],
  ['tfjs', () => createTfjsEngine()],
];

describe.each(engines)('on the %s engine', (_, create) => {
  it.each(cases.map((each) => [JSON.stringify(each.spec), each] as const))(
    'an encoder agrees with PyTorch: %s',
    async (_spec, expected) => {
      const program = (await create()).compile(planOfEncoder(expected));
      const weights = Object.entries(expected.weights).map(([name, { shape, data }]): [string, HostTensor] => [
        name,
        { shape, data: Float32Array.from(data) },
      ]);
      const running = Object.entries(expected.running).map(([name, data]): [string, HostTensor] => [
        name,
        { shape: [data.length], data: Float32Array.from(data) },
      ]);
      program.restore({
        step: 0,
        optimizer: new Map(),
        weights: new Map([...program.state().weights, ...weights, ...running]),
      });
      const { predictions, losses, gradients } = await program.inspect(readBatch());
      expectClose(predictions.get('p')!, expected.predictions, 'predictions');
      expect(losses.get('ctr')!.mean).toBeCloseTo(expected.loss, 5);
      expect([...gradients.keys()].sort()).toEqual(Object.keys(expected.gradients).sort());
      for (const [name, gradient] of Object.entries(expected.gradients))
        expectClose(gradients.get(name)!.data, gradient, `gradient of ${name}`);
      // Other engines do not return weights of items.
      if (program.attendSync !== undefined) {
        const attended = program.attendSync(readBatch());
        expectClose(attended.predictions.get('p')!, expected.predictions, 'predictions in evaluation mode');
        expect(attended.attention.length).toBe(expected.attention === undefined ? 0 : 1);
        if (expected.attention !== undefined)
          expectClose(attended.attention[0]!, expected.attention, 'weights of items');
      }
      program.dispose();
    },
  );
});
