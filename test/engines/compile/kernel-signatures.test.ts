import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SIGNATURES } from '../../../src/engines/compile/kernel-signatures.js';
import { loadKernels } from '../../../src/engines/cpu/load-kernels.js';
import { createMemory, instantiateWasm } from '../../../src/engines/cpu/module.js';

describe('SIGNATURES', () => {
  it('match the built kernels in names and numbers of arguments', () => {
    const { kernels } = instantiateWasm(loadKernels(true, 'wasm').module, createMemory(1 << 20));
    const built = Object.keys(kernels).filter((name) => name !== 'memory');
    expect(Object.keys(SIGNATURES).sort()).toEqual(built.sort());
    // The length of a WebAssembly function is its number of parameters.
    for (const [name, parameters] of Object.entries(SIGNATURES))
      expect([name, kernels[name as keyof typeof SIGNATURES].length]).toEqual([name, Object.keys(parameters).length]);
  });

  it('match the sources', async () => {
    // JavaScript without types.
    const { kernelSignatures } = (await import(join('..', '..', '..', 'bin', 'kernel-signatures.js'))) as {
      kernelSignatures: () => string;
    };
    const written = readFileSync(
      join(import.meta.dirname, '..', '..', '..', 'src', 'engines', 'compile', 'kernel-signatures.ts'),
      'utf8',
    );
    expect(written).toBe(kernelSignatures());
  });
});
