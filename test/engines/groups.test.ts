import { withMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine, Plan } from '../../src/engines/engine.js';
import type { KernelChoice } from '../../src/engines/kernel-choice.js';
import type { GraphBuilder } from '../../src/graph/builder.js';
import { differentBytes, type Named } from '../support/different-bytes.js';
import { numericBatch, planOf } from '../support/graph-plan.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { engineTags } from '../support/engine-tags.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { webGpuEngines } from '../support/webgpu.js';

// Comparisons within groups of any size, on several threads: a group may have rows of the shares of all threads.

const WIDTH = 6;
const ROWS = 301;

/** Both operations, with a gradient of each, which also adds to another one. */
const plan: Plan = planOf(WIDTH, (g: GraphBuilder, input, y) => {
  const groups = g.input({ kind: 'label', column: 'group' }, 1);
  const [a, b] = [g.linear(input, 1, 'a'), g.linear(input, 1, 'b')];
  const sum = g.add(g.groupLogSumExp(a, groups), g.add(g.groupPairs(b, y, groups), g.multiply(a, b)));
  return { predictions: { sum: a }, terms: [{ name: 'y', weight: 1, loss: g.mean(sum) }] };
});

const random = randomStream(1, 'groups');
const SIZES: Readonly<Record<string, (row: number) => number>> = {
  'of about seven rows': () => random.below(Math.ceil(ROWS / 7)),
  'of which one has half the batch, and others one row': (row) => (row % 2 === 0 ? 7 : row),
  'of which one has the second half of the batch': (row) => Math.min(row, Math.floor(ROWS / 2)),
  'that are none, since every row is negative': () => -1,
  'of which one has all rows': () => 3,
};

function batchOf(rows: number, sizes: string): Batch {
  const batch = numericBatch(rows, WIDTH, rows);
  const group = Float32Array.from({ length: rows }, (_, row) => SIZES[sizes]!(row));
  return withMaps(batch, { labels: new Map([['group', group]]) });
}

/** Returns the losses, gradients and weights of two steps. */
async function train(threads: number, choice: KernelChoice, batch: Batch): Promise<Named> {
  const program = createCpuEngine(threads, true, { isPatient: true }, choice).compile(plan);
  const results = new Map<string, Float32Array | Float64Array>();
  for (const step of [1, 2]) {
    const { losses, gradients } = await program.inspect(batch);
    results.set(`loss ${step}`, Float64Array.of(losses.get('y')!.mean));
    for (const [name, { data }] of gradients) results.set(`gradient of ${name} ${step}`, data.slice());
    await program.trainStep(batch);
    for (const [name, { data }] of program.state().weights) results.set(`${name} ${step}`, data.slice());
  }
  program.dispose();
  return results;
}

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine())],
  ['tfjs', createTfjsEngine],
  ...webGpuEngines,
];

describe('comparisons within groups', () => {
  for (const [name, create] of engines) {
    it(`equal float64 for groups of any size on ${name}`, { tags: engineTags(name) }, async () => {
      const engine = await create();
      for (const sizes of Object.keys(SIZES)) {
        const program = engine.compile(plan);
        await expectLikeFloat64(program, plan, batchOf(ROWS, sizes), 2e-5);
        program.dispose();
      }
    });
  }

  it.each(Object.keys(SIZES))(
    'are bitwise identical on 1, 2, 3, 5 and 8 threads for groups %s',
    { tags: ['long'] },
    async (sizes) => {
      for (const rows of [ROWS, 5]) {
        const batch = batchOf(rows, sizes);
        const alone = await train(1, 'wasm', batch);
        expect(Number.isFinite(alone.get('loss 2')![0])).toBe(true);
        for (const [threads, choice] of [
          [1, 'auto'],
          [2, 'auto'],
          [3, 'wasm'],
          [5, 'auto'],
          [8, 'wasm'],
        ] as const)
          expect(differentBytes(await train(threads, choice, batch), alone)).toEqual([]);
      }
    },
  );
});
