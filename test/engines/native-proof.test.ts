import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { buildAddon } from '../../src/engines/cpu/native/build.js';
import { familiesHere, hasSameBits } from '../../src/engines/cpu/native/find.js';
import { ADDON, needsAddon } from '../support/native.js';
import { scratchFolder } from '../support/scratch.js';

// An addon that differs bitwise is not used, so no other test would detect it.

describe('the native kernels of this machine', () => {
  it('are bitwise identical to WebAssembly, for every supported processor family', (context) => {
    needsAddon(context);
    const { module, isRelaxed } = loadKernels(true, 'wasm');
    if (!isRelaxed) context.skip('without fused multiply-add, results are not bitwise identical');
    const { path } = ADDON;
    const different = familiesHere(path).filter((family) => !hasSameBits({ path, family }, module));
    expect(different).toEqual([]);
  });

  it('are not used if they differ bitwise', { timeout: 300_000, tags: ['long'] }, (context) => {
    needsAddon(context);
    // The compiler may fuse sums that the sources do not fuse.
    const built = buildAddon({ folder: scratchFolder(), flags: ['-ffp-contract=fast'] });
    if ('reason' in built) throw new Error(built.reason);
    const { module } = loadKernels(true, 'wasm');
    const families = familiesHere(built.path);
    expect(families).toEqual(ADDON.families);
    for (const family of families) expect(hasSameBits({ path: built.path, family }, module)).toBe(false);
  });
});
