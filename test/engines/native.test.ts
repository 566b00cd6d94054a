/** @module-tag long */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../src/engines/cpu/kernels.js';
import { buildAddon } from '../../src/engines/cpu/native/build.js';
import { familiesHere } from '../../src/engines/cpu/native/find.js';
import { randomStream } from '../../src/core/random.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { expectRefusals, expectSameBytes, memoryOf, nativeOn } from '../support/native-battery.js';
import { ADDON, needsAddon } from '../support/native.js';
import { scratchFolder } from '../support/scratch.js';

const PAGES = 40;
/** Builds are tested, not their code: without optimization they take a fifth of the time. */
const FLAGS = ['-O0'];

/** Shape of a product, and the number of workers. */
const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 300 }),
  inputs: fc.integer({ min: 1, max: 90 }),
  panels: fc.integer({ min: 1, max: 9 }),
  gap: fc.integer({ min: 0, max: 9 }),
  threads: fc.integer({ min: 1, max: 5 }),
  accumulate: fc.integer({ min: 0, max: 1 }),
  hasBias: fc.boolean(),
  /** None, ReLU or leaky ReLU, of some of the panels. */
  activation: fc.integer({ min: 0, max: 2 }),
  activatedShare: fc.constantFrom(0, 0.5, 1),
  seed: fc.nat(1000),
});
type Shape = typeof shapes extends fc.Arbitrary<infer Value> ? Value : never;

/** Computes a product of random matrices and its gradient, for every worker in sequence. */
function compute(
  kernels: Kernels,
  { buffer }: WebAssembly.Memory,
  { rows, inputs, panels, gap, threads, accumulate, hasBias, activation, activatedShare, seed }: Shape,
): void {
  const random = randomStream(seed, 'native');
  new Float32Array(buffer, BEGIN).forEach((_, i, floats) => void (floats[i] = random.uniform() - 0.5));
  const [ldx, ldy] = [inputs + gap, panels * 8 + gap];
  const x = BEGIN + 4 * gap;
  const y = x + 4 * rows * ldx;
  const weights = y + 4 * rows * ldy;
  const bias = weights + 4 * inputs * panels * 8;
  const gradient = bias + 4 * panels * 8;
  const activated = Math.floor(panels * activatedShare);
  const all = Array.from({ length: threads }, (_, self) => self);
  for (const self of all) {
    kernels.join(self, threads, 0);
    kernels.gemm(x, ldx, weights, hasBias ? bias : 0, y, ldy, rows, inputs, panels, accumulate, activation, activated);
  }
  for (const self of all) {
    kernels.join(self, threads, 0);
    kernels.gemmGradient(x, ldx, y, ldy, gradient, rows, inputs, panels, accumulate);
  }
}

describe.each(ADDON.families)('native products for %s', (family) => {
  it('leave memory bitwise identical to WebAssembly, for any shape and number of workers', () => {
    expectSameBytes(family, PAGES, shapes, 60, compute);
  });

  it('reject exactly the gradients whose square is not finite, as WebAssembly does', () => {
    expectRefusals(family, PAGES, (kernels, { buffer }, largest) => {
      const [x, d, g] = [BEGIN + 64, BEGIN + 1088, BEGIN + 4096];
      const floats = new Float32Array(buffer);
      floats.fill(1, x / 4, x / 4 + 9 * 5);
      floats[d / 4 + 13] = largest;
      kernels.gemmGradient(x, 5, d, 16, g, 9, 5, 2, 0);
      kernels.refuseUnlessFinite(BEGIN);
    });
  });
});

describe('a memory with native kernels', () => {
  it('uses huge pages if it is large', ({ skip }) => {
    if (ADDON.families.length === 0 || !existsSync('/sys/kernel/mm/transparent_hugepage'))
      skip('no native kernels, or a system without huge pages');
    const numHuge = (): number => readFileSync('/proc/self/smaps', 'utf8').match(/^VmFlags:.* hg\b/gm)?.length ?? 0;
    const attached = (pages: number): WebAssembly.Memory => {
      const memory = memoryOf(pages);
      nativeOn(memory, ADDON.families[0]!);
      return memory;
    };
    const before = numHuge();
    const small = attached(PAGES);
    expect(numHuge()).toBe(before);
    const large = attached(1024);
    expect(numHuge()).toBe(before + 1);
    // Keeps both alive until here.
    expect(large.buffer).not.toBe(small.buffer);
  });
});

describe('buildAddon', () => {
  it('builds once, and leaves no other files', { timeout: 180_000 }, (context) => {
    needsAddon(context);
    const folder = scratchFolder();
    const first = buildAddon({ folder, flags: FLAGS });
    expect(first).toMatchObject({ isNew: true });
    expect(buildAddon({ folder, flags: FLAGS })).toEqual({ ...first, isNew: false });
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('leaves a complete addon if several processes build at once', { timeout: 180_000 }, async (context) => {
    needsAddon(context);
    const folder = scratchFolder();
    const script = `
      const { buildAddon } = await import('${join(import.meta.dirname, '../../dist/engines/cpu/native/build.js')}');
      const { path } = buildAddon(${JSON.stringify({ folder, flags: FLAGS })});
      process.exit(process.getBuiltinModule('module').createRequire(path)(path).families().length > 0 ? 0 : 1);`;
    const processes = Array.from({ length: 3 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' }),
    );
    for (const [code] of await Promise.all(processes.map((child) => once(child, 'exit')))) expect(code).toBe(0);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('omits kernels that the compiler does not support', { timeout: 180_000 }, (context) => {
    needsAddon(context);
    const folder = scratchFolder();
    const compiler = join(folder, 'cc');
    writeFileSync(
      compiler,
      '#!/bin/sh\ncase "$*" in *avx512bf16*) echo "error: unrecognized command-line option" >&2; exit 1;; esac\n' +
        'exec cc "$@"\n',
    );
    chmodSync(compiler, 0o755);
    const built = buildAddon({ folder: join(folder, 'kept'), compiler, flags: FLAGS });
    if ('reason' in built) throw new Error(built.reason);
    expect(familiesHere(built.path)).toEqual(ADDON.families.filter((family) => family !== 'AVX-512-BF16'));
  });

  it('succeeds without a compiler, and searches for one the next time', () => {
    const folder = scratchFolder();
    const reason = "no C compiler was found ('/nowhere/cc')";
    expect(buildAddon({ folder, compiler: '/nowhere/cc' })).toEqual({
      reason,
      fix: 'install a C compiler, gcc or clang',
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['the compiler is killed', 'kill -9 $$'],
    [
      'gcc reports that its compiler was killed',
      "echo 'fatal error: Killed signal terminated program cc1' >&2; exit 1",
    ],
    ['the disk is full', "echo 'fatal error: a.s: No space left on device' >&2; exit 1"],
  ])('tries again the next time if %s', (_, script) => {
    const folder = scratchFolder();
    const [compiler, calls] = [join(folder, 'cc'), join(folder, 'calls')];
    writeFileSync(compiler, `#!/bin/sh\necho >> ${calls}\n${script}\n`);
    chmodSync(compiler, 0o755);
    const numCalls = (): number => readFileSync(calls, 'utf8').length;
    expect(buildAddon({ folder: join(folder, 'kept'), compiler })).toMatchObject({ fix: 'run the command again' });
    const first = numCalls();
    expect(buildAddon({ folder: join(folder, 'kept'), compiler })).toMatchObject({ fix: 'run the command again' });
    expect(numCalls()).toBeGreaterThan(first);
    expect(readdirSync(join(folder, 'kept'))).toEqual([]);
  });

  it('remembers a failed compiler for a day, unless a build is requested explicitly', () => {
    const folder = scratchFolder();
    const [compiler, calls] = [join(folder, 'cc'), join(folder, 'calls')];
    writeFileSync(compiler, `#!/bin/sh\necho >> ${calls}\necho 'fatal error: stdio.h: No such file' >&2\nexit 1\n`);
    chmodSync(compiler, 0o755);
    const kept = join(folder, 'kept');
    const notBuilt = {
      reason: 'fatal error: stdio.h: No such file',
      fix: 'install a working C compiler, gcc or clang, or set CC',
    };
    const numCalls = (): number => readFileSync(calls, 'utf8').length;
    expect(buildAddon({ folder: kept, compiler })).toEqual(notBuilt);
    const first = numCalls();
    expect(buildAddon({ folder: kept, compiler })).toEqual(notBuilt);
    expect(numCalls()).toBe(first);
    expect(buildAddon({ folder: kept, compiler, isInsistent: true })).toEqual(notBuilt);
    expect(numCalls()).toBeGreaterThan(first);
    expect(existsSync(kept)).toBe(true);
  });
});
