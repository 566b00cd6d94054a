/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { EXTENSIONS, FAMILIES, SOURCES_OF_FAMILY } from '../../src/engines/cpu/native/build.js';
import { openAddon } from '../../src/engines/cpu/native/addon.js';
import { models } from '../../src/models/models.js';
import { ADDON, needsAddon } from '../support/native.js';
import { withOptions } from '../support/other-options.js';
import { scratchFolder } from '../support/scratch.js';

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

const SOURCES = join(import.meta.dirname, '..', '..', 'src', 'kernels', 'native');
const BATTERIES = { products: 'the same sums', rows: 'the same rows', norm: 'the same norms' } as const;

/** Compiles the kernels of some families and runs the batteries on them; returns their output by line. */
function runBatteries(
  arch: 'x64' | 'arm64',
  compiler: string,
  flags: readonly string[],
  emulator: readonly string[] = [],
): string[] {
  const families = FAMILIES[arch]!;
  const extensions = EXTENSIONS[arch] ?? [];
  const folder = scratchFolder();
  const compile = (...args: readonly string[]): unknown =>
    execFileSync(
      compiler,
      [
        '-std=gnu11',
        '-Wall',
        '-Wextra',
        '-Werror',
        '-ffp-contract=off',
        '-fno-math-errno',
        ...flags,
        '-I',
        SOURCES,
        ...args,
      ],
      { cwd: folder, stdio: 'pipe' },
    );
  const objects = Object.entries(families).flatMap(([family, of]) =>
    SOURCES_OF_FAMILY.map((name) => {
      compile(...of, '-c', join(SOURCES, `${name}.c`), '-o', `${name}-${family}.o`);
      return `${name}-${family}.o`;
    }),
  );
  for (const { name, flags: own } of extensions) {
    compile(...own, '-c', join(SOURCES, `${name}.c`), '-o', `${name}.o`);
    objects.push(`${name}.o`);
  }
  return Object.keys(BATTERIES).flatMap((battery) => {
    compile(
      join(import.meta.dirname, '..', 'support', `${battery}-battery.c`),
      ...extensions.map(({ define }) => define),
      ...objects,
      '-lm',
      '-o',
      battery,
    );
    const [command, ...args] = [...emulator, join(folder, battery)];
    return execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n');
  });
}
const saidOf = (families: readonly string[]): string[] =>
  Object.values(BATTERIES).flatMap((said) => families.map((family) => `${family}: ${said}`));
const isThere = (command: string): boolean => spawnSync(command, ['--version']).status === 0;

describe('C kernels', () => {
  it('pass the sanitizers and match the documented results', { timeout: 300_000 }, (context) => {
    needsAddon(context);
    const hasBf16 = openAddon(ADDON.path).attach(new Uint8Array(8), ADDON.families[0]!).gemmBf16 !== undefined;
    const flags = ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    expect(runBatteries(process.arch as 'x64' | 'arm64', 'cc', flags)).toEqual([
      ...(hasBf16 ? ['BF16: the same sums'] : []),
      ...saidOf(ADDON.families),
    ]);
  });

  it('match the documented results on ARM', { timeout: 300_000 }, ({ skip }) => {
    const [compiler, emulator] = ['aarch64-linux-gnu-gcc', 'qemu-aarch64'];
    if (!isThere(compiler) || !isThere(emulator))
      skip(`no ${compiler} or no ${emulator} (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user)`);
    expect(runBatteries('arm64', compiler, ['-O3', '-static'], [emulator])).toEqual(saidOf(['NEON']));
  });
});
