import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { instantiateAlone } from '../../src/engines/cpu/module.js';
import { openAddon } from '../../src/engines/cpu/native/addon.js';
import { hasSameBits } from '../../src/engines/cpu/native/find.js';
import { ADDON, needsAddon } from '../support/native.js';

// An addon that differs bitwise is not used, so no other test would detect it.

describe('the native kernels of this machine', () => {
  it('are bitwise identical to WebAssembly, for every supported processor family', (context) => {
    needsAddon(context);
    const { module, isRelaxed } = loadKernels(true, 'wasm');
    if (!isRelaxed) context.skip('without fused multiply-add, results are not bitwise identical');
    const addon = openAddon(ADDON.path);
    const different = addon
      .families()
      .filter((family) => !hasSameBits(addon, family, (memory) => instantiateAlone(module, memory)));
    expect(different).toEqual([]);
  });
});
