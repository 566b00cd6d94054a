/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import { createSimdEngine } from '../../src/engines/simd/engine.js';
import { FAMILIES, SOURCES_OF_FAMILY } from '../../src/engines/simd/native/build.js';
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

const SOURCES = join(import.meta.dirname, '..', '..', 'src', 'kernels', 'native');
const BATTERIES = { products: 'the same sums', rows: 'the same rows' } as const;

/** Compiles the kernels of some families, and runs both batteries on them: what they said, line by line. */
function runBatteries(families: Readonly<Record<string, readonly string[]>>, compiler: string, flags: readonly string[], emulator: readonly string[] = []): string[] {
  const folder = scratchFolder();
  const compile = (...args: readonly string[]): unknown => execFileSync(compiler, ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-ffp-contract=off', '-fno-math-errno', ...flags, '-I', SOURCES, ...args], { cwd: folder, stdio: 'pipe' });
  const objects = Object.entries(families).flatMap(([family, of]) =>
    SOURCES_OF_FAMILY.map((name) => {
      compile(...of, '-c', join(SOURCES, `${name}.c`), '-o', `${name}-${family}.o`);
      return `${name}-${family}.o`;
    }),
  );
  return Object.keys(BATTERIES).flatMap((battery) => {
    compile(join(import.meta.dirname, '..', 'support', `${battery}-battery.c`), ...objects, '-lm', '-o', battery);
    const [command, ...args] = [...emulator, join(folder, battery)];
    return execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n');
  });
}
const saidOf = (families: readonly string[]): string[] => Object.values(BATTERIES).flatMap((said) => families.map((family) => `${family}: ${said}`));
const isThere = (command: string): boolean => spawnSync(command, ['--version']).status === 0;

describe('the kernels in C', () => {
  it('touch nothing beside their arguments and do nothing undefined, as sanitizers see it, and do what is written down', { timeout: 300_000 }, (context) => {
    needsAddon(context);
    const flags = ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    expect(runBatteries(FAMILIES[process.arch]!, 'cc', flags)).toEqual(saidOf(ADDON.families));
  });

  it('do what is written down on ARM', { timeout: 300_000 }, ({ skip }) => {
    const [compiler, emulator] = ['aarch64-linux-gnu-gcc', 'qemu-aarch64'];
    if (!isThere(compiler) || !isThere(emulator)) skip(`no ${compiler} or no ${emulator} (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user)`);
    expect(runBatteries(FAMILIES.arm64!, compiler, ['-O3', '-static'], [emulator])).toEqual(saidOf(['NEON']));
  });
});
