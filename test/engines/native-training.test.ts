/** @module-tag long */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import { createSimdEngine } from '../../src/engines/simd/engine.js';
import { FAMILIES } from '../../src/engines/simd/native/build.js';
import { models } from '../../src/models/models.js';
import { ADDON, needsAddon } from '../support/native.js';
import { withOptions } from '../support/other-options.js';
import { scratchFolder } from '../support/scratch.js';

describe('a training with native kernels', () => {
  for (const name of models.names) {
    it(`has the same weights to the last bit after 200 steps, for 1 and 2 threads: ${name}`, async (context) => {
      needsAddon(context);
      const work: Workload = { name, batchRows: 300, width: 6, numbers: ['D0', 'D1'], model: withOptions(models.schema.parse({ name }), { hidden: (widths) => (Array.isArray(widths) ? widths.map((width: number) => width + 2) : widths), dropout: () => 0.2 }) };
      const batches = batchesOf(work, 20, 0.002);
      const ends = [];
      for (const [threads, choice] of [[1, 'wasm'], [1, 'native'], [2, 'native']] as const) {
        const program = createSimdEngine(threads, true, { isPatient: true }, choice).compile(planOf(work, 0.002));
        for (let step = 0; step < 200; step++) await program.trainStep(batches[step % batches.length]!);
        ends.push({ weights: [...program.state().weights].map(([tensor, { data }]) => [tensor, data.slice()]), predictions: await program.predict(batches[0]!) });
        program.dispose();
      }
      expect(ends[1]).toEqual(ends[0]);
      expect(ends[2]).toEqual(ends[0]);
    });
  }
});

describe('the products in C', () => {
  it('touch nothing beside their arguments and do nothing undefined, as sanitizers see it, and sum as is written down', { timeout: 300_000 }, (context) => {
    needsAddon(context);
    const folder = scratchFolder();
    const sources = join(import.meta.dirname, '..', '..', 'src', 'kernels', 'native');
    const compile = (...args: readonly string[]): unknown => execFileSync('cc', ['-std=gnu11', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-ffp-contract=off', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-I', sources, ...args], { cwd: folder, stdio: 'pipe' });
    const families = FAMILIES[process.arch]!;
    for (const [family, flags] of Object.entries(families)) compile(...flags, '-c', join(sources, 'products.c'), '-o', `${family}.o`);
    compile(join(import.meta.dirname, '..', 'support', 'products-battery.c'), ...Object.keys(families).map((family) => `${family}.o`), '-lm', '-o', 'battery');
    expect(execFileSync(join(folder, 'battery'), { encoding: 'utf8' }).trim().split('\n')).toEqual(ADDON.families.map((family) => `${family}: the same sums`));
  });
});
