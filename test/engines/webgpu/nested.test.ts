/** @module-tag long */
import { describe, it } from 'vitest';
import { createCpuEngine } from '../../../src/engines/cpu/engine.js';
import { POOLINGS } from '../../../src/tables/layout.js';
import { expectClose } from '../../support/expect-close.js';
import { expectLikeFloat64 } from '../../support/like-float64.js';
import { nestedBatch, planOfNested, TABLES } from '../../support/nested-plan.js';
import { restoreLargeTables } from '../../support/large-tables.js';
import { createTestEngine, gpu } from '../../support/webgpu.js';

const spec = { name: 'target-attention', hidden: [5] };

describe.skipIf(gpu === undefined)('items with several values on WebGPU', () => {
  it.each(POOLINGS)('equal float64: pooled by %s', async (pooling) => {
    for (const isFirst of [true, false]) {
      const plan = planOfNested({ pooling, isFirst, spec });
      const program = createTestEngine().compile(plan);
      restoreLargeTables(program, TABLES);
      await expectLikeFloat64(program, plan, nestedBatch(40, 1), 2e-5);
      program.dispose();
    }
  });

  it('train in several passes like on the cpu', async () => {
    const plan = { ...planOfNested({ pooling: 'mean', isFirst: true, spec }, { rows: 700 }), batchRows: 300 };
    const [found, expected] = [createTestEngine(), createCpuEngine()].map((engine) => engine.compile(plan));
    for (const program of [found!, expected!]) {
      restoreLargeTables(program, TABLES);
      for (let seed = 0; seed < 3; seed++) await program.trainStep(nestedBatch(700, seed));
    }
    for (const [name, { data }] of expected!.state().weights)
      expectClose(found!.state().weights.get(name)!.data, [...data], name);
    const batch = nestedBatch(50, 9);
    const [onDevice, onCpu] = await Promise.all([found!, expected!].map((program) => program.predict(batch)));
    expectClose(onDevice!.get('p')!, [...onCpu!.get('p')!], 'p');
    for (const program of [found!, expected!]) program.dispose();
  });
});
