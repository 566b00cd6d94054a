import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SIGNATURES } from '../../../src/engines/compile/kernel-signatures.js';
import { loadKernels } from '../../../src/engines/cpu/load-kernels.js';
import { createMemory, instantiate } from '../../../src/engines/cpu/module.js';

describe('the signatures of the kernels', () => {
  it('are those of the kernels that were built: every name, and as many arguments', () => {
    const kernels = instantiate(loadKernels(true, 'wasm'), createMemory(1 << 20));
    const built = Object.keys(kernels).filter((name) => name !== 'heapBase' && name !== 'memory');
    expect(Object.keys(SIGNATURES).sort()).toEqual(built.sort());
    // A kernel of WebAssembly has as many parameters as its function says.
    for (const [name, args] of Object.entries(SIGNATURES))
      expect([name, kernels[name as keyof typeof SIGNATURES].length]).toEqual([name, args.length]);
  });

  it('are written down as the sources have them', async () => {
    // JavaScript without types, for Node alone.
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
