/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { models } from '../../src/models/models.js';
import { needsAddon } from '../support/native.js';
import { withOptions } from '../support/other-options.js';

describe('training with native kernels', () => {
  for (const name of models.names) {
    it(`is bitwise identical after 200 steps, and 30 in bfloat16, on 1 and 2 threads: ${name}`, async (context) => {
      needsAddon(context);
      const work: Workload = {
        name,
        batchRows: 300,
        width: 6,
        numbers: ['D0', 'D1'],
        model: withOptions(models.schema.parse({ name }), {
          hidden: (widths) => (Array.isArray(widths) ? widths.map((width: number) => width + 2) : widths),
          dropout: () => 0.2,
        }),
      };
      const batches = batchesOf(work, 20, 0.002);
      for (const [precision, steps] of [
        ['f32', 200],
        ['bf16', 30],
      ] as const) {
        const ends = [];
        for (const [threads, choice] of [
          [1, 'wasm'],
          [1, 'native'],
          [2, 'native'],
        ] as const) {
          const program = createCpuEngine(threads, true, { isPatient: true }, choice).compile({
            ...planOf(work, 0.002),
            step: { precision },
          });
          for (let step = 0; step < steps; step++) await program.trainStep(batches[step % batches.length]!);
          ends.push({
            weights: [...program.state().weights].map(([tensor, { data }]) => [tensor, data.slice()]),
            predictions: await program.predict(batches[0]!),
          });
          program.dispose();
        }
        expect(ends[1]).toEqual(ends[0]);
        expect(ends[2]).toEqual(ends[0]);
      }
    });
  }
});
