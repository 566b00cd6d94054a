import { withMaps } from '../support/batches.js';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { column, sliceRows, type BagColumn, type Batch } from '../../src/core/batch.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine } from '../../src/engines/engine.js';
import { POOLINGS } from '../../src/tables/layout.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { nestedBatch, planOfNested, type NestedPlan, TABLES } from '../support/nested-plan.js';
import { restoreLargeTables } from '../support/large-tables.js';
import { expectRanked, subsetsOf } from '../support/ranked.js';
import { createTfjsEngine } from '../support/tfjs.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine())],
  ['tfjs', createTfjsEngine],
];
const specs = [
  { name: 'target-attention', hidden: [5] },
  { name: 'self-attention', width: 4, hidden: 5 },
  { name: 'pooling' },
];
const plans: readonly NestedPlan[] = [
  ...POOLINGS.map((pooling, i) => ({ pooling, isFirst: i === 1, spec: specs[0]! })),
  ...specs.slice(1).map((spec, i) => ({ pooling: 'mean' as const, isFirst: i === 0, spec })),
];
const onEngines = engines.flatMap(([engine, create]) =>
  plans.map((plan) => ({ engine, create, plan, name: JSON.stringify(plan) })),
);

/** Removes all tags of items. */
function withoutTags(batch: Batch): Batch {
  const counts = column(batch, 'clicked tags.counts', 'list');
  const none: BagColumn = {
    type: 'list',
    offsets: new Uint32Array(batch.rows + 1),
    ids: new Uint32Array(0),
    weights: new Float32Array(0),
  };
  const zeros = { ...counts, weights: new Float32Array(counts.weights.length) };
  return withMaps(batch, {
    bags: new Map([
      ['clicked tags', none],
      ['clicked tags.counts', zeros],
    ]),
  });
}

describe('items with several values', () => {
  it.each(onEngines)('equal float64 on $engine: $name', async ({ create, plan: options }) => {
    const plan = planOfNested(options);
    const program = (await create()).compile(plan);
    restoreLargeTables(program, TABLES);
    await expectLikeFloat64(program, plan, nestedBatch(40, 1), 2e-5);
    await expectLikeFloat64(program, plan, withoutTags(nestedBatch(40, 2)), 2e-5);
    program.dispose();
  });

  it.each(engines)('are predicted in parts of a batch like all of them on %s', async (_, create) => {
    const program = (await create()).compile(planOfNested(plans[1]!));
    restoreLargeTables(program, TABLES);
    const [rows, begin] = [2500, 2000];
    const batch = nestedBatch(rows, 5);
    const all = (await program.predict(batch)).get('p')!;
    expect(new Set(all).size).toBeGreaterThan(1000);
    expect([...(await program.predict(sliceRows(batch, begin, rows))).get('p')!]).toEqual([...all.subarray(begin)]);
    program.dispose();
  });

  it(
    'train to bitwise identical weights for 1, 2 and 3 threads, in one pass and in several',
    { tags: ['long'] },
    async () => {
      for (const step of [undefined, { rows: 700 }]) {
        const trained: unknown[] = [];
        for (const threads of [1, 2, 3]) {
          const program = createCpuEngine(threads, true, { isPatient: true }).compile({
            ...planOfNested(plans[1]!, step),
            batchRows: 300,
          });
          await setTimeout(200);
          for (let seed = 0; seed < 4; seed++) {
            const { losses } = await program.trainStep(nestedBatch(step?.rows ?? 300, seed));
            expect(losses.get('ctr')!.mean).toBeGreaterThan(0); // not a refused step
          }
          trained.push([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));
          program.dispose();
        }
        expect(trained[1]).toEqual(trained[0]);
        expect(trained[2]).toEqual(trained[0]);
      }
    },
  );

  it.each(plans)('are ranked like whole rows: %s', (options) => {
    const program = createCpuEngine(1).compile({ ...planOfNested(options), isRanked: true });
    restoreLargeTables(program, TABLES);
    const batch = nestedBatch(12, 4);
    const columns = ['item', 'tags', 'clicked item', 'clicked tags', 'clicked tags.counts'];
    for (const own of [...subsetsOf(['item', 'tags']), new Set(columns)])
      expectRanked(program, batch, own, 2, [0, 5, 9, 1, 7]);
    program.dispose();
  });

  it('refuse a batch whose numbers of values differ from the values', async () => {
    const program = createCpuEngine().compile(planOfNested(plans[0]!));
    const batch = nestedBatch(10, 1);
    column(batch, 'clicked tags.counts', 'list').weights[0]! += 1;
    await expect(async () => program.predict(batch)).rejects.toThrow(
      "'clicked tags.counts' differs from the number of values of 'clicked tags'",
    );
    program.dispose();
  });
});
